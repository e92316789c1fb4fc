"""``python -m workflows.demo.day``: bring a folder of invoices, let the agents work, compare the books.

INVOICES names a folder of UBL files; without it forty are written, some of them not as they should be, with a
manifest that says what has to become of each. Without a manifest everything that is held is approved. The last
line is one JSON object; the exit code is 0 only if everything became what it should.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from workflows.demo.crew import Crew
from workflows.demo.day import books
from workflows.demo.day.office import FINAL, Desk, MailRoom, patiently
from workflows.demo.day.onboarding import take_on
from workflows.demo.day.rogue import rogue_is_stopped
from workflows.demo.invoices import generator
from workflows.demo.story.stage import Stage
from workflows.demo.story.visitor import Surprise

WORKFLOW = "invoice-to-ledger"
OUTCOMES = ("posted", "rejected", "denied", "exception")
PATIENCE = float(os.environ.get("DEMO_PATIENCE_SECONDS", "900"))
SEED = 8
STOPS = (Surprise, LookupError, OSError, ValueError, httpx.HTTPError, subprocess.SubprocessError)


@dataclass
class Piece:
    """One file and what became of it."""

    path: Path
    wanted: dict[str, Any] = field(default_factory=dict)  # its line of the manifest, if it has one
    run: dict[str, Any] = field(default_factory=dict)
    outcome: str = ""
    why: str = ""


def main() -> int:
    """Play the day; return 0 only if everything became what it should."""
    began = time.monotonic()
    stage = Stage.from_environment()
    result: dict[str, Any] = {"ok": False}
    crew = Crew(stage.address, stage.data)
    try:
        stage.wait_for_the_erp()
        pieces = _pieces(stage)
        crew.start()
        result = _play(stage, crew, pieces)
    except STOPS as surprise:
        result["error"] = f"{type(surprise).__name__}: {surprise}"[:500]
    finally:
        crew.stop()
    result["seconds"] = round(time.monotonic() - began, 1)
    print(json.dumps(result), flush=True)
    return 0 if result["ok"] else 1


def _pieces(stage: Stage) -> list[Piece]:
    """Return the files of the day, in the order of their names."""
    named = os.environ.get("INVOICES", "")
    folder = Path(named) if named else stage.data / "invoices-of-the-day"
    if not named and not folder.exists():
        generator.write(folder, SEED)
    if not folder.is_dir():
        raise Surprise(f"INVOICES names {folder}, which is no folder.")
    manifest = folder / "manifest.json"
    wanted = json.loads(manifest.read_text())["files"] if manifest.exists() else []
    by_name = {entry["file"]: entry for entry in wanted}
    files = sorted(path for path in folder.iterdir() if path.is_file() and path.suffix.lower() == ".xml")
    if not files:
        raise Surprise(f"There is no .xml file in {folder}. Put UBL 2.1 invoices there.")
    stage.say(f"{len(files)} invoices in {folder}")
    return [Piece(path, by_name.get(path.name, {})) for path in files]


def _play(stage: Stage, crew: Crew, pieces: list[Piece]) -> dict[str, Any]:
    mail = MailRoom(patiently(lambda: stage.alice), WORKFLOW)
    desk = Desk(patiently(lambda: stage.bob), _rejects(pieces))
    desk.start()
    try:
        new = _bring(stage, mail, pieces)
        _wait(stage, crew, mail, pieces)
        onboarding = take_on(stage)
    finally:
        desk.over.set()
        desk.join(60)
    _table(pieces)
    result = _result(stage, pieces, desk)
    result["new_runs"] = new
    result["rogue"] = rogue_is_stopped(stage)
    result["onboarding"] = onboarding
    result["ok"] = result["ok"] and all(result["rogue"].values()) and onboarding["ok"]
    return result


def _rejects(pieces: list[Piece]) -> Any:
    """Return what says why a held action is to be rejected: the manifest knows, and nobody else does."""
    bad = {piece.wanted["number"]: piece.wanted["case"] for piece in pieces if piece.wanted.get("reject")}

    def why_not(approval: dict[str, Any]) -> str:
        words = approval["subject_label"].split()
        case = next((case for number, case in bad.items() if number in words), "")
        return f"Not ours: {case.replace('_', ' ')}" if case else ""

    return why_not


def _bring(stage: Stage, mail: MailRoom, pieces: list[Piece]) -> int:
    """Bring every file; one that repeats another comes when that one has been worked on, as it would."""
    seen: set[str] = set()
    new = 0
    by_name = {piece.path.name: piece for piece in pieces}
    for piece in pieces:
        if first := by_name.get(piece.wanted.get("after") or ""):
            _await(mail, first)
        run = mail.bring(piece.path.name, piece.path.read_bytes())
        if "refused" in run:
            piece.outcome, piece.why = "exception", run["refused"]
        elif run["id"] in seen:
            piece.outcome, piece.why = "denied", "The very same file was brought before."
        else:
            seen.add(run["id"])
            piece.run = run
            new += run["is_new"]
    stage.say(f"{len(seen)} runs, {new} of them new")
    return new


def _wait(stage: Stage, crew: Crew, mail: MailRoom, pieces: list[Piece]) -> None:
    """Wait until every run has ended, and tell how it goes."""
    deadline, told = time.monotonic() + PATIENCE, ""
    while time.monotonic() < deadline:
        _look_at_all(mail, pieces)
        crew.keep_up()
        counts = Counter(piece.outcome or "at work" for piece in pieces)
        words = ", ".join(f"{count} {name}" for name, count in sorted(counts.items()))
        if words != told:
            stage.say(words)
            told = words
        if not counts["at work"]:
            return
        time.sleep(1.5)
    left = [f"{piece.path.name} ({piece.run.get('state')})" for piece in pieces if not piece.outcome]
    raise Surprise(f"{len(left)} runs did not end within {PATIENCE:.0f} s: {', '.join(left[:8])}")


def _look_at_all(mail: MailRoom, pieces: list[Piece]) -> None:
    """Read what has ended since the last look, and nothing of what has not: one request tells which."""
    try:
        still_open = mail.at_work()
    except (httpx.TransportError, Surprise):
        return
    for piece in pieces:
        if not piece.outcome and piece.run["id"] not in still_open:
            _look(mail, piece)


def _await(mail: MailRoom, piece: Piece) -> None:
    deadline = time.monotonic() + PATIENCE
    while not piece.outcome and time.monotonic() < deadline:
        _look(mail, piece)
        time.sleep(1)


def _look(mail: MailRoom, piece: Piece) -> None:
    try:
        run = mail.run(piece.run["id"])
    except (httpx.TransportError, Surprise):
        return  # the portal may be starting anew; the run is where it was
    piece.run.update(run)
    if run["state"] in FINAL:
        piece.outcome = run["outcome"] if run["outcome"] in OUTCOMES else "exception"
        piece.why = str((run.get("output") or {}).get("sentence", ""))
    elif run["state"] == "incident":
        raise Surprise(f"{piece.path.name} waits for an operator: {run.get('problem')}")


def _table(pieces: list[Piece]) -> None:
    print()
    for piece in pieces:
        case = piece.wanted.get("case", "")
        print(f"  {piece.outcome:10} {piece.path.name[:44]:44} {case:22} {piece.why[:160]}")
    print(flush=True)


def _result(stage: Stage, pieces: list[Piece], desk: Desk) -> dict[str, Any]:
    counts = Counter(piece.outcome for piece in pieces)
    unexpected = [
        f"{piece.path.name}: {piece.outcome}, not {piece.wanted['outcome']}"
        for piece in pieces
        if piece.wanted and piece.outcome != piece.wanted["outcome"]
    ]
    posted = [piece for piece in pieces if piece.outcome == "posted"]
    expected = [
        books.from_manifest(piece.wanted, _code(piece))
        if piece.wanted
        else books.from_file(piece.path, _code(piece))
        for piece in posted
    ]
    others = {
        piece.wanted["number"] for piece in pieces if piece.wanted.get("number") and piece.outcome != "posted"
    } - {wanted.number for wanted in expected}
    in_erp, mismatches = books.differences(expected, others, stage.inspector)
    decided = {state: _approvals(stage, state) for state in ("approved", "rejected", "pending")}
    for line in [*unexpected, *mismatches, *desk.problems[:5]]:
        stage.say(f"LOOK: {line}")
    return {
        "ok": not unexpected and not mismatches,
        "invoices": len(pieces),
        "posted": counts["posted"],
        "rejected": counts["rejected"],
        "denied": counts["denied"],
        "exceptions": counts["exception"],
        "held": sum(decided.values()),
        "approved": decided["approved"],
        "in_erp": in_erp,
        "mismatches": len(mismatches),
        "unexpected": unexpected,
    }


def _code(piece: Piece) -> str:
    """Return the supplier's code in the ERP, as the run ended with it."""
    return str((piece.run.get("output") or {}).get("supplier", ""))


def _approvals(stage: Stage, state: str) -> int:
    """Count the approvals of actions in one state, ever."""
    return patiently(lambda: sum(kind == "actions.action" for kind in _kinds_of_approvals(stage, state)))


def _kinds_of_approvals(stage: Stage, state: str) -> Iterator[str]:
    reply = stage.bob.get("/approvals", state=state, page_size=100)
    while True:
        yield from (approval["subject_kind"] for approval in reply["results"])
        if not reply.get("next"):
            return
        reply = stage.bob.http.get(reply["next"]).json()


if __name__ == "__main__":
    sys.exit(main())
