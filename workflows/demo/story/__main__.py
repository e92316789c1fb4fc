"""``python -m workflows.demo.story``: play it against AUTONOMY_URL; the last line is one JSON object."""

from __future__ import annotations

import json
import subprocess
import sys
import time

import httpx

from workflows.demo.story import acts, attempts, hiring
from workflows.demo.story.stage import Stage
from workflows.demo.story.visitor import Surprise

# What ends the story early is a result like any other, and must not hide the table.
STOPS = (
    Surprise,
    AssertionError,
    LookupError,
    OSError,
    ValueError,
    httpx.HTTPError,
    subprocess.SubprocessError,
)


def main() -> int:
    """Play everything; return 0 only if everything is as it should be."""
    stage = Stage.from_environment()
    score = stage.score
    error = ""
    try:
        stage.wait_for_the_erp()
        agent = hiring.hire(stage)
        stale = attempts.Stale(stage, agent)
        acts.play(stage, agent)
        attempts.play(stage, agent, hiring.colleague(stage), stale)
        score.counts["events"] = stage.position()
        score.counts["bills"] = len([bill for bill in stage.inspector.bills() if stage.mark in bill.reference])
    except STOPS as surprise:
        error = f"{type(surprise).__name__}: {surprise}"
        score.check("the story goes on to its end", ok=False, seen=error)
    _table(stage)
    result = {
        "ok": score.ok,
        "checks": len(score.checks),
        "failed": score.failed,
        **score.counts,
        "seconds": round(time.monotonic() - score.began, 1),
        **({"error": error[:500]} if error else {}),
    }
    print(json.dumps(result), flush=True)
    return 0 if score.ok else 1


def _table(stage: Stage) -> None:
    print()
    for check in stage.score.checks:
        print(f"  {'ok' if check.ok else 'NO':3} {check.what}")
    passed = sum(check.ok for check in stage.score.checks)
    print(f"\n  {passed} of {len(stage.score.checks)} as they should be\n", flush=True)


if __name__ == "__main__":
    sys.exit(main())
