"""Whose place a vote takes: one's own, or that of somebody who is away. Pure: no dates, no database.

A vote counts once, for whom it is cast. It takes the place of everybody it went through: of who is away, of who
handed it on between, and of who casts it. So nobody counts twice, and nobody who is barred through another.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass

LONGEST = 2  # links: a delegation, and a delegation of it


@dataclass(frozen=True, slots=True)
class Handing:
    """Somebody who is away now, and who decides for them. Both are ids of people with active accounts.

    ``by_others``: two others agreed on it, for somebody who could not say so.
    """

    giver: str
    delegate: str
    by_others: bool = False


@dataclass(frozen=True, slots=True)
class Seat:
    """The people a vote goes through: whom it counts for first, who casts it last."""

    people: tuple[str, ...]

    @property
    def counts_for(self) -> str:
        """Return whose right it is."""
        return self.people[0]

    @property
    def voter(self) -> str:
        """Return who casts it."""
        return self.people[-1]

    @property
    def through(self) -> str:
        """Return who handed it on between; '' when nobody did."""
        return self.people[1] if len(self.people) > LONGEST else ""

    @property
    def is_own(self) -> bool:
        """Say whether nobody stands in for anybody."""
        return len(self.people) == 1


def seats_of(voter: str, handings: Iterable[Handing]) -> tuple[Seat, ...]:
    """Return every seat somebody may sit on: their own first, then those of who is away, nearest first.

    A chain longer than ``LONGEST`` counts for nothing, and none comes back to somebody who is in it. What
    others agreed on for somebody is not handed on: they agreed on one person, and on nobody that person names.
    """
    known = tuple(handings)
    found = last = [Seat((voter,))]
    for _ in range(LONGEST):
        last = [
            Seat((one.giver, *seat.people))
            for seat in last
            for one in known
            if one.delegate == seat.counts_for
            and one.giver not in seat.people
            and (seat.is_own or not one.by_others)
        ]
        found = [*found, *last]
    return tuple(dict.fromkeys(found))


def open_seats(
    seats: Iterable[Seat], *, barred: Collection[str], taken: Collection[str], may_decide: Collection[str]
) -> tuple[Seat, ...]:
    """Return the seats a vote may be cast from, the best for each person: nobody in it is barred or has voted,
    and whoever it counts for may decide now."""
    out = {*barred, *taken}
    best: dict[str, Seat] = {}
    for seat in seats:
        if seat.counts_for in may_decide and not out & set(seat.people):
            best.setdefault(seat.counts_for, seat)
    return tuple(best.values())
