"""Whom an undecided approval is put to as well, and when. Pure.

A level stands in for one group only: where several rules ask several groups, none lets others in for another's.
It adds people that may vote, never takes one away, and the quorum stays what it was.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Level:
    """After so many seconds members of ``to`` may vote where those of ``group`` may; no name: the company's.

    ``stage``: at which stage of the approval, from whose beginning the seconds count.
    """

    group: str
    to: str = ""
    seconds: int = 0
    stage: int = 1


def levels_of(said: Iterable[Level], *, company: Level, within: float) -> list[Level]:
    """Return what counts of what every voice says of its group, in the order of groups.

    Who says nothing says what the company does (``company``, whose group does not matter). All who ask for a
    group must let others in; where they name several, who stands in belongs to each; the latest time counts,
    and where one says never (0), it is never.
    What comes no sooner than the end, ``within`` so many seconds, never comes.
    """
    by_group: dict[str, set[Level]] = {}
    for one in said:
        meant = one if one.to else Level(one.group, company.to, company.seconds)
        by_group.setdefault(one.group, set()).add(meant)
    found: list[Level] = []
    for group, voices in sorted(by_group.items()):
        others = {one.to for one in voices}
        times = {one.seconds for one in voices}
        seconds = max(times)
        if not others & {"", group} and min(times) > 0 and seconds < within:
            found += [Level(group, to, seconds) for to in sorted(others)]
    return found


def remind_after(seconds: int, *, share: int, within: float) -> float | None:
    """Return after how many seconds people are reminded: as a rule says, else after a share of the time."""
    wanted = seconds or within * share / 100
    return wanted if 0 < wanted < within else None
