"""Answers that may be a little late, kept in this process."""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

T = TypeVar("T")


class Remembered(Generic[T]):
    """Answers by key, each asked for again after some seconds; with too many of them, all are forgotten.

    seconds: how late an answer may be. most: how many are kept. clock: seconds that never go back.
    """

    def __init__(self, seconds: float, most: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._seconds, self._most, self._clock = seconds, most, clock
        self._kept: dict[Hashable, tuple[float, T]] = {}

    def remembered(self, key: Hashable, ask: Callable[[], T]) -> T:
        """Return what was answered lately, or ask."""
        now = self._clock()
        found = self._kept.get(key)
        if found is not None and now < found[0]:
            return found[1]
        if len(self._kept) >= self._most:
            self._kept.clear()
        answer = ask()
        self._kept[key] = (now + self._seconds, answer)
        return answer

    def forget(self) -> None:
        """Ask afresh from now on."""
        self._kept.clear()
