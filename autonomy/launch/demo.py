"""``make demo``: the whole house on ports of its own, a day of work played in it, and one JSON line.

``make demo`` plays the invoices of a day (workflows.demo.day), ``make story`` the working life of one agent
(workflows.demo.story). Each has a data folder of its own that is erased in the end; ``DATA=folder`` keeps one,
and the next demo on it goes on where this one ended.
"""

from __future__ import annotations

import dataclasses
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from autonomy.launch import children, failure, place, programs
from autonomy.launch.console import Console
from autonomy.launch.failure import LaunchFailure
from autonomy.launch.installation import Installation, Stopped
from autonomy.launch.options import ROOT, read_options
from autonomy.launch.valkey import free_port

# What the shell exports for a real installation is not for the demo.
NOT_FOR_THE_DEMO = [
    "DATABASE_URL",
    "DATABASE_OWNER_URL",
    "DATABASE_SEQUENCER_URL",
    "DATABASE_ROLE",
    "REDIS_URL",
]
NOT_FOR_THE_DEMO += ["SECRET_KEY", "CONNECTOR_KEKS", "PUBLIC_URL", "ALLOWED_HOSTS", "HTTPS_ONLY"]
NOT_FOR_THE_DEMO += ["LEDGER_KEY_FILE", "LEDGER_NAME", "LEDGER_SINKS", "SEQUENCER"]
STORY_SECONDS = 1200


PLAYS = {"day": "workflows.demo.day", "story": "workflows.demo.story"}


def main(play: str = "day") -> int:
    """Play it; return 0 only if everything in it is as it should be."""
    console = Console(sys.stderr)
    for name in NOT_FOR_THE_DEMO:
        os.environ.pop(name, None)
    # A token expires within the story.
    os.environ["ACCESS_TOKEN_SECONDS"] = "45"  # noqa: S105 - a duration
    kept = os.environ.get("DATA", "")
    data = Path(kept or tempfile.mkdtemp(prefix="aos-demo-")).resolve()
    result: dict[str, Any] = {"ok": False}
    try:
        result = _play(data, console, PLAYS[play])
    except LaunchFailure as problem:
        console.fail(problem)
        result["error"] = problem.message
    except Stopped:
        result["error"] = "Stopped before the end."
    if result.get("ok") is True and not kept:
        place.erase(place.open_place(data))
    else:
        console.say(f"  The data folder is kept for a look: {data}")
    result["seconds"] = round(console.seconds, 1)
    print(json.dumps(result), flush=True)
    return 0 if result.get("ok") is True else 1


def _play(data: Path, console: Console, play: str) -> dict[str, Any]:
    options = dataclasses.replace(
        read_options(),
        data=data,
        host="127.0.0.1",
        port=free_port(),
        erp_port=free_port(),
        demo_company=True,
        at_work=False,
    )
    console.say(f"\nAutonomy OS demo, data in {data}\n")
    installation = Installation(options, console)
    outcome: dict[str, Any] = {}
    with installation.started() as manager:
        manager.run(lambda: _tell(installation, manager, outcome, play))
        if manager.dead:
            end = failure.tail(manager.log_of(manager.dead))
            raise LaunchFailure(
                f"The process `{manager.dead}` ended in the demo.\n{end}".rstrip(),
                f"The logs are in {installation.place.logs}.",
            )
        if "problem" in outcome:
            raise outcome["problem"]
    return dict(outcome.get("result", {"ok": False, "error": "Stopped before the end."}))


def _tell(installation: Installation, manager: programs.Manager, outcome: dict[str, Any], play: str) -> None:
    """Run the play against the running portal; in the end ask everything to stop."""
    try:
        installation.wait_until_ready(manager)
        if not manager.ending:
            outcome["result"] = _story(installation, manager, play)
    except LaunchFailure as problem:
        outcome["problem"] = problem
    except OSError as error:
        outcome["problem"] = failure.from_os_error(error, installation.options.data)
    finally:
        os.kill(os.getpid(), signal.SIGTERM)


def _story(installation: Installation, manager: programs.Manager, play: str) -> dict[str, Any]:
    name = play.rpartition(".")[2]
    log = installation.place.logs / f"{name}.log"
    installation.console.say(f"\n  The {name}")
    with children.open_log(log) as errors:
        process = subprocess.Popen(
            [sys.executable, "-m", play],
            cwd=ROOT,
            env=installation.env,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            start_new_session=True,
        )
    deadline = time.monotonic() + STORY_SECONDS
    last = ""
    try:
        assert process.stdout is not None  # noqa: S101
        for line in process.stdout:
            last = line.strip() or last
            if not line.startswith("{"):
                installation.console.say(f"  {line.rstrip()}")
            if manager.ending or time.monotonic() > deadline:
                break
        process.wait(30)
    finally:
        children.stop(process)
    return _result(last, process.returncode, log)


def _result(last: str, code: int, log: Path) -> dict[str, Any]:
    try:
        found = json.loads(last)
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise LaunchFailure(f"The demo ended without a result.\n{failure.tail(log)}", f"Its log is in {log}.")
    return {**found, "ok": code == 0 and found.get("ok") is not False}
