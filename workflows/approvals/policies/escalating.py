"""Whom an undecided approval is put to as well, and when. Pure.

A level stands in for one group only: where several rules ask several groups, none lets others in for another's.
It adds people that may vote, never takes one away, and the quorum stays what it was. Nothing here approves.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime

GROUP, REFUSE = "group", "refuse"
WALL, WORKING = "wall", "working"
Moment = Callable[[int, str], datetime]


@dataclass(frozen=True, slots=True)
class Step:
    """After so many seconds these may vote, too: ``kind`` group (named ``to``), sponsor, manager or head of
    department; refuse: from then on nobody may, and it counts as refused."""

    seconds: int
    kind: str = GROUP
    to: str = ""


@dataclass(frozen=True, slots=True)
class Voice:
    """What one rule says of its group (no name: the ordinary approvers); no steps: as the company says."""

    group: str = ""
    steps: tuple[Step, ...] = ()
    clock: str = WALL


@dataclass(frozen=True, slots=True)
class Planned:
    """One level of one group as it comes: its place from 1, its time, and whom it asks; they must be all of
    these. ``clock``: the one its time was counted by."""

    group: str
    place: int
    at: datetime
    clock: str
    whom: tuple[tuple[str, str], ...]


def levels_of(voices: Iterable[Voice], *, company: Voice, moment: Moment, end: datetime) -> tuple[Planned, ...]:
    """Return what counts of what every voice says of its group, in the order of groups and times.

    Who says nothing says what the company does (``company``, whose group does not matter). All who ask for a
    group must let others in: there are as many levels as the shortest has, and where they name several at one,
    who stands in belongs to each; the latest time counts. What comes no sooner than the end never comes.
    ``moment(seconds, clock)``: when so much time has passed.
    """
    by_group: dict[str, set[Voice]] = {}
    for one in voices:
        meant = one if one.steps else Voice(one.group, company.steps, company.clock)
        by_group.setdefault(one.group, set()).add(meant)
    found: list[Planned] = []
    for group, all_ in sorted(by_group.items()):
        asked = [[(step, voice.clock) for step in voice.steps if step.kind != REFUSE] for voice in all_]
        for place, together in enumerate(zip(*asked, strict=False), start=1):
            at, clock = max((moment(step.seconds, clock), clock) for step, clock in together)
            whom = {(step.kind, step.to) for step, _ in together}
            if (GROUP, group) not in whom and at < end:
                found.append(Planned(group, place, at, clock, tuple(sorted(whom))))
    return tuple(found)


def end_of(voices: Iterable[Voice], *, company: Voice, moment: Moment) -> tuple[datetime, str] | None:
    """Return when it counts as refused, by the soonest of all voices, and by which clock; None: none says."""
    said = [
        (moment(step.seconds, clock), clock)
        for one in voices
        for steps, clock in [(one.steps, one.clock) if one.steps else (company.steps, company.clock)]
        for step in steps
        if step.kind == REFUSE
    ]
    return min(said, default=None)


def remind_after(seconds: int, *, share: int, within: float) -> float | None:
    """Return after how many seconds people are reminded: as a rule says, else after a share of the time."""
    wanted = seconds or within * share / 100
    return wanted if 0 < wanted < within else None
