"""Agents at work: as long as the portal runs, invoices arrive and three agents work on them.

This is the mail room. It drops one invoice after the other into the portal's watched folder, as a scanner or a
mail gateway would, and starts any agent anew that has ended. What is held waits in the inbox for a person.
"""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from workflows.demo.crew import CREW, Crew
from workflows.demo.invoices import generator

FOLDER = "invoices"
LOOK_SECONDS = 1.0


def main() -> None:
    """Let invoices arrive until somebody asks to stop."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    data = Path(os.environ.get("AUTONOMY_DATA_DIR", "var")).resolve()
    address = os.environ.get("AUTONOMY_URL") or os.environ.get("PUBLIC_URL", "http://127.0.0.1:8000")
    pace = float(os.environ.get("DEMO_PACE_SECONDS", "45"))
    incoming = Path(os.environ.get("INCOMING_DIR") or data / "incoming") / FOLDER
    crew = Crew(address, data)
    with contextlib.suppress(KeyboardInterrupt):
        try:
            work(crew, mail(data / "mail-room"), incoming, pace)
        finally:
            crew.stop()


def work(crew: Crew, arriving: Iterator[Path], incoming: Path, pace: float) -> None:
    """Drop one file after the other, ``pace`` seconds apart on average, and keep the agents going."""
    ended: dict[str, float] = {}
    next_mail = time.monotonic() + min(3.0, pace)
    while True:
        _start_again(crew, ended, pace)
        if time.monotonic() >= next_mail:
            drop(next(arriving), incoming)
            next_mail = time.monotonic() + pace * random.uniform(0.7, 1.3)  # noqa: S311
        time.sleep(min(LOOK_SECONDS, pace))


def _start_again(crew: Crew, ended: dict[str, float], pace: float) -> None:
    """Start agents that are not at work: at once the first time, then not before a pace has passed.

    One may end because its credential was revoked; then it would end at once, again and again.
    """
    now = time.monotonic()
    for code in CREW:
        if not crew.is_at_work(code) and now - ended.get(code, -pace) >= pace:
            crew.start(code)
            ended[code] = now


def mail(folder: Path) -> Iterator[Path]:
    """Yield invoices for ever: forty at a time, with numbers and days of their own, each brought once."""
    while True:
        waiting = sorted(folder.glob("*.xml"))
        if not waiting:
            shutil.rmtree(folder, ignore_errors=True)
            generator.write(folder, seed=int(time.time()))
            waiting = sorted(folder.glob("*.xml"))
        yield waiting[0]


def drop(path: Path, incoming: Path) -> None:
    """Put a file into the watched folder as a whole: written beside it under a hidden name, then renamed."""
    incoming.mkdir(parents=True, exist_ok=True)
    hidden = incoming / f".{path.name}"
    shutil.copyfile(path, hidden)
    hidden.rename(incoming / path.name)
    path.unlink()


if __name__ == "__main__":
    main()
