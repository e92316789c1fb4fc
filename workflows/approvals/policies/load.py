"""How approvals go: how many wait by when, how long a decision takes, and what became of it. Pure.

Small numbers are not judged: under FEW decisions there is no share, no median and no remark.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from statistics import median
from typing import TypeVar

FEW = 5
K = TypeVar("K", bound=Hashable)
Slot = tuple[int, int]  # weekday (Monday is 0), hour of the day


@dataclass(frozen=True, slots=True)
class Decided:
    """One vote. ``seconds``: from having it open to the vote; None: it was never open. ``rules``: by name."""

    person: str
    approved: bool
    seconds: float | None
    rules: tuple[str, ...] = ()
    reversed_later: bool = False


@dataclass(frozen=True, slots=True)
class Figures:
    """What a number of decisions shows; None where there are too few to say. Shares are from 0 to 1."""

    decided: int
    approved: int
    median_seconds: float | None = None
    unopened_share: float | None = None
    override_rate: float | None = None
    reversed_share: float | None = None


@dataclass(frozen=True, slots=True)
class Thresholds:
    """From when on decisions count as too quick to have been read."""

    decisions: int = 20
    seconds: float = 5
    unopened_percent: int = 80


def figures_of(decided: Sequence[Decided]) -> Figures:
    """Return what these decisions show. Unopened and reversed are shares of what was approved."""
    approved = [one for one in decided if one.approved]
    times = [one.seconds for one in decided if one.seconds is not None]
    return figures_from(
        len(decided),
        len(approved),
        len(times),
        median(times) if times else None,
        sum(one.seconds is None for one in approved),
        sum(one.reversed_later for one in approved),
    )


def figures_from(
    decided: int, approved: int, timed: int, middle: float | None, unopened: int, reversed_later: int
) -> Figures:
    """Return the same from numbers: how many were decided, approved, and open before the vote; the median
    seconds of those; how many of the approved were never open, and how many undone later."""
    if decided < FEW:
        return Figures(decided, approved)
    return Figures(
        decided=decided,
        approved=approved,
        median_seconds=round(middle, 1) if middle is not None and timed >= FEW else None,
        unopened_share=_share(unopened, approved),
        override_rate=(decided - approved) / decided,
        reversed_share=_share(reversed_later, approved),
    )


def _share(some: int, of_all: int) -> float | None:
    return some / of_all if of_all >= FEW else None


def in_order(found: Mapping[K, Figures]) -> tuple[tuple[K, Figures], ...]:
    """Return figures by key, the most decisions first."""
    return tuple(sorted(found.items(), key=lambda item: (-item[1].decided, str(item[0]))))


def too_quick(figures: Figures, limits: Thresholds) -> str:
    """Say in words why decisions look as if they were not read, or nothing. Few decisions say nothing."""
    if figures.decided < max(FEW, limits.decisions):
        return ""
    share = figures.unopened_share
    if share is not None and share * 100 >= limits.unopened_percent:
        return (
            f"{round(share * 100)} % of {figures.approved} approvals were given without the request being open"
        )
    if figures.median_seconds is not None and figures.median_seconds < limits.seconds:
        return f"half of {figures.decided} decisions took {figures.median_seconds:g} seconds or less"
    return ""


def forecast(
    waiting: int,
    *,
    now: datetime,
    until: datetime,
    arrivals: Mapping[Slot, int],
    decisions: Mapping[Slot, int],
    weeks: float,
    zone: tzinfo,
) -> float:
    """Return how many will wait by then, hour by hour, as the last weeks went; never fewer than none.

    ``arrivals`` and ``decisions``: how many there were in all those weeks, by weekday and hour in ``zone``.
    """
    left, at = float(waiting), now
    while at < until:
        ends = min(until, _next_hour(at))
        part = (ends - at) / timedelta(hours=1)
        local = at.astimezone(zone)
        slot = (local.weekday(), local.hour)
        per_hour = (arrivals.get(slot, 0) - decisions.get(slot, 0)) / weeks
        left = max(0.0, left + per_hour * part)
        at = ends
    return left


def _next_hour(at: datetime) -> datetime:
    return at.replace(minute=0, second=0, microsecond=0) + timedelta(hours=1)
