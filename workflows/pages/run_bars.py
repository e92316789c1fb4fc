"""The bars of a timeline: pure, over spans of time; where each stands, and how long each kind was in all."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

WORK, PEOPLE, SYSTEMS = "work", "people", "systems"
ORDER = (WORK, SYSTEMS, PEOPLE)  # what is drawn later lies on top
NARROWEST = 0.4  # per cent: what was short is still to be seen
NICE = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14_400, 21_600, 43_200, 86_400)
MOST_TICKS = 6


@dataclass(frozen=True, slots=True)
class Span:
    """One stretch of time: work, waiting for people, or waiting for a system, a turn or an agent."""

    kind: str
    since: datetime
    until: datetime

    def within(self, since: datetime, until: datetime) -> Span | None:
        """Return the part of it between two times, if there is any."""
        begin, end = max(self.since, since), min(self.until, until)
        return Span(self.kind, begin, end) if end > begin else None


@dataclass(frozen=True, slots=True)
class Bar:
    """A span as it is drawn, in per cent of the width."""

    kind: str
    x: float
    width: float


@dataclass(frozen=True, slots=True)
class Tick:
    """A line of the scale, in per cent of the width, with the seconds it stands for."""

    x: float
    seconds: int


def bars_of(spans: Iterable[Span], since: datetime, until: datetime) -> list[Bar]:
    """Return spans as bars on a scale from one time to another, what waits on top of what works."""
    whole = max((until - since).total_seconds(), 0.001)
    found = []
    for span in sorted(spans, key=lambda one: ORDER.index(one.kind)):
        if (part := span.within(since, until)) is None:
            continue
        x = 100 * (part.since - since).total_seconds() / whole
        width = max(NARROWEST, 100 * (part.until - part.since).total_seconds() / whole)
        found.append(Bar(span.kind, round(min(x, 100 - NARROWEST), 3), round(min(width, 100 - x), 3)))
    return found


def lasted(spans: Iterable[Span], *kinds: str) -> timedelta:
    """Return how long spans of these kinds were, what two of them share counted once."""
    total, reached = timedelta(), None
    for span in sorted((one for one in spans if one.kind in kinds), key=lambda one: one.since):
        begin = span.since if reached is None else max(span.since, reached)
        if span.until > begin:
            total += span.until - begin
            reached = span.until
    return total


def worked(spans: Sequence[Span]) -> timedelta:
    """Return how long there was work during which nobody and nothing was waited for."""
    return lasted(spans, WORK, PEOPLE, SYSTEMS) - lasted(spans, PEOPLE, SYSTEMS)


def ticks_of(since: datetime, until: datetime) -> list[Tick]:
    """Return at most so many lines of the scale, a round time apart."""
    whole = (until - since).total_seconds()
    if whole <= 0:
        return [Tick(0.0, 0)]
    apart = next((step for step in NICE if whole / step <= MOST_TICKS), None)
    if apart is None:
        days = int(whole // 86_400 // MOST_TICKS) + 1
        apart = days * 86_400
    return [Tick(round(100 * at / whole, 3), at) for at in range(0, int(whole) + 1, apart)]
