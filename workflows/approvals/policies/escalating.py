"""Whom an undecided approval is put to as well, and when. Pure.

A level stands in for one group at one stage only: where several rules ask several groups, none lets others in
for another's. It adds people that may vote, never takes one away, and the quorum stays what it was. Nothing
here approves. Times count from the beginning of the stage.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime

GROUP, REFUSE = "group", "refuse"
WALL, WORKING = "wall", "working"
Moment = Callable[[float, str], datetime]


@dataclass(frozen=True, slots=True)
class Level:
    """After so many seconds these may vote, too: ``kind`` group (named ``to``), sponsor, manager or head of
    department; refuse: from then on nobody may, and it counts as refused."""

    seconds: int
    kind: str = GROUP
    to: str = ""


@dataclass(frozen=True, slots=True)
class Voice:
    """What one rule says of its group (no name: the ordinary approvers) at one stage; no levels: as the
    company says."""

    group: str = ""
    levels: tuple[Level, ...] = ()
    clock: str = WALL
    stage: int = 1


@dataclass(frozen=True, slots=True)
class Span:
    """So many seconds by each clock, whichever is over later; 0 by both: never."""

    wall: int = 0
    working: int = 0

    def over(self, moment: Moment) -> tuple[datetime, str]:
        """Return when all of it has passed, and by which clock. ``moment(seconds, clock)``: the same."""
        said = ((self.wall, WALL), (self.working, WORKING))
        return max((moment(seconds, clock), clock) for seconds, clock in said if seconds)


@dataclass(frozen=True, slots=True)
class Planned:
    """One level of one group as it comes: its place from 1, its time, and whom it asks; they must be all of
    these. ``at``, by the ``clock`` it was counted by: None before its stage has begun."""

    group: str
    place: int
    span: Span
    whom: tuple[tuple[str, str], ...]
    at: datetime | None = None
    clock: str = WALL


def levels_of(
    voices: Iterable[Voice], *, company: Voice, moment: Moment | None = None, end: datetime | None = None
) -> tuple[Planned, ...]:
    """Return what counts of what every voice of one stage says of its group, in the order of groups and times.

    Who says nothing says what the company does (``company``, whose group does not matter). All who ask for a
    group must let others in: there are as many levels as the shortest has, and where they name several at one,
    who stands in belongs to each; the latest time counts. What comes no sooner than the end never comes.
    ``moment(seconds, clock)``: when so much time has passed; left out: the stage has not begun.
    """
    by_group: dict[str, set[Voice]] = {}
    for one in voices:
        by_group.setdefault(one.group, set()).add(_meant(one, company))
    found: list[Planned] = []
    for group, all_ in sorted(by_group.items()):
        asked = [[(level, voice.clock) for level in voice.levels if level.kind != REFUSE] for voice in all_]
        for place, together in enumerate(zip(*asked, strict=False), start=1):
            whom = {(level.kind, level.to) for level, _ in together}
            span = Span(*(_latest(together, clock) for clock in (WALL, WORKING)))
            planned = Planned(group, place, span, tuple(sorted(whom)))
            if (GROUP, group) in whom:
                continue
            if moment is None:
                found.append(planned)
                continue
            at, clock = span.over(moment)
            if end is None or at < end:
                found.append(Planned(group, place, span, planned.whom, at, clock))
    return tuple(found)


def _meant(one: Voice, company: Voice) -> Voice:
    return one if one.levels else Voice(one.group, company.levels, company.clock, one.stage)


def _latest(together: Iterable[tuple[Level, str]], clock: str) -> int:
    return max((level.seconds for level, by in together if by == clock), default=0)


def refused_after(voices: Iterable[Voice], *, company: Voice) -> tuple[int, int]:
    """Return after how many seconds of a stage, of any and of working time, it counts as refused, by the
    soonest of all voices; 0: none says. Of both the sooner counts."""
    said = [
        (level.seconds, voice.clock)
        for voice in (_meant(one, company) for one in voices)
        for level in voice.levels
        if level.kind == REFUSE
    ]
    wall, working = (min((s for s, by in said if by == clock), default=0) for clock in (WALL, WORKING))
    return wall, working


def end_of(refused: tuple[int, int], *, moment: Moment) -> tuple[datetime, str] | None:
    """Return when it counts as refused (``refused_after``), and by which clock; None: nobody says."""
    said = zip(refused, (WALL, WORKING), strict=True)
    return min(((moment(seconds, clock), clock) for seconds, clock in said if seconds), default=None)


def remind_after(seconds: int, *, share: float, within: float) -> float | None:
    """Return after how many seconds people are reminded: as a rule says, else after a share of the time."""
    wanted = seconds or within * share / 100
    return wanted if 0 < wanted < within else None
