"""What a person at the terminal sees: numbered steps with their seconds, and one clear message if it fails."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Iterator
from typing import TextIO

from autonomy.launch.failure import LaunchFailure


class Console:
    """Progress on one stream; ``demo`` uses the error stream, because its result owns the other."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self.stream = stream or sys.stdout
        self.began = time.monotonic()

    def say(self, text: str = "") -> None:
        """Print a line at once."""
        with contextlib.suppress(BrokenPipeError, OSError):
            print(text, file=self.stream, flush=True)

    def detail(self, text: str) -> None:
        """Print what a step in progress does now, over its title where that stands on a terminal."""
        line = f"            {text}"
        self.say(line.ljust(79) if self.stream.isatty() else line)

    @contextlib.contextmanager
    def step(self, title: str) -> Iterator[Step]:
        """Announce a step, and print its seconds when it is done."""
        step = Step()
        started = time.monotonic()
        if self.stream.isatty():
            print(f"  ... {title}", end="\r", file=self.stream, flush=True)
        try:
            yield step
        except BaseException:
            self.say(f"  [failed] {title}")
            raise
        note = f"  ({step.note})" if step.note else ""
        self.say(f"  [{time.monotonic() - started:5.1f} s] {title}{note}")

    def fail(self, failure: LaunchFailure) -> None:
        """Print what went wrong and what to do."""
        print(f"\n  {failure.message}\n  What to do: {failure.cure}\n", file=sys.stderr, flush=True)

    @property
    def seconds(self) -> float:
        """Return the seconds since the start."""
        return time.monotonic() - self.began


class Step:
    """One step in progress; ``note`` is printed beside it in the end."""

    note = ""
