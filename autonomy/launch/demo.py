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

from audit.notes import KeyFile
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
CHECKPOINT_SECONDS = 60
VERIFIER = ROOT / "audit" / "standalone" / "verify_ledger.py"


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
            outcome["result"] = _with_ledger(_story(installation, manager, play), installation)
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


def _with_ledger(result: dict[str, Any], installation: Installation) -> dict[str, Any]:
    """Export the ledger of the day and let the offline verifier judge it, as an outsider would.

    It is given the public key, and as anchor the newest checkpoint that left the portal before the export.
    """
    installation.console.say("\n  The ledger")
    data = installation.options.data
    bundle, log = data / "ledger.zip", installation.place.logs / "ledger.log"
    bundle.unlink(missing_ok=True)
    anchor = _newest_checkpoint(data / "checkpoints")
    key = str(KeyFile(installation.options.ledger_key).signers()[0].verifier)
    asked = ["export_ledger", "--all", "--out", str(bundle)]
    programs.run_manage(asked, installation.env, log, "Exporting the ledger")
    verifier = [
        sys.executable,
        str(VERIFIER),
        str(bundle),
        "--key",
        key,
        "--anchor",
        str(anchor),
        "--json",
        "-",
    ]
    answer = subprocess.run(verifier, capture_output=True, text=True, check=False, env={"PATH": os.defpath})
    try:
        report = json.loads(answer.stdout)
    except ValueError as error:
        raise LaunchFailure(
            f"The verifier said nothing to read.\n{answer.stderr[-2000:]}", f"Run it by hand on {bundle}."
        ) from error
    is_good = answer.returncode == 0 and report["ok"] is True
    checked = {"events": report["events_checked"], "verified": is_good, "first_bad": report["first_bad_index"]}
    installation.console.say(
        f"  {checked['events']} events verified offline: {'all well' if is_good else 'NOT well'}"
    )
    if not is_good:
        checked["findings"] = report["findings"][:5]
    return {**result, "ledger": checked, "ok": result["ok"] and is_good}


def _newest_checkpoint(folder: Path) -> Path:
    """Return the newest checkpoint that the exporter has sent; there is one within seconds."""
    deadline = time.monotonic() + CHECKPOINT_SECONDS
    while not (found := sorted(folder.glob("*.checkpoint"))):
        if time.monotonic() > deadline:
            raise LaunchFailure(
                f"No checkpoint of the ledger came into {folder}.",
                "See exporter.log and sequencer.log beside it.",
            )
        time.sleep(0.5)
    return found[-1]


def _result(last: str, code: int, log: Path) -> dict[str, Any]:
    try:
        found = json.loads(last)
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise LaunchFailure(f"The demo ended without a result.\n{failure.tail(log)}", f"Its log is in {log}.")
    return {**found, "ok": code == 0 and found.get("ok") is not False}
