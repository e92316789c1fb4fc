"""In which order people decide. Pure: stages and votes in, where an approval stands out.

Only the stage that is on counts votes; it is over when as many as its quorum have approved, and the next
begins. One rejection ends it all, the quorum of the last stage approves. A vote takes the places of everybody
it goes through at every stage, so as many different people approve as all quorums together.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum


class Outcome(StrEnum):
    """How an approval stands."""

    OPEN = "pending"
    APPROVED = "approved"
    REJECTED = "rejected"


@dataclass(frozen=True, slots=True)
class Step:
    """One stage: who decides (a voter belongs to every one of these groups; none: the ordinary approvers), and
    how many of them."""

    groups: tuple[str, ...]
    quorum: int = 1


@dataclass(frozen=True, slots=True)
class Cast:
    """One vote: at which stage (1, 2 ...), whether it approves, and the people whose places it takes."""

    stage: int
    approves: bool
    people: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Standing:
    """Which stage is on (of one that is over: at which it was decided), and how it stands."""

    stage: int
    outcome: Outcome


def standing(quorums: Sequence[int], votes: Iterable[Cast]) -> Standing:
    """Return where an approval stands after these votes in their order; one of another stage counts nothing,
    nor does a second of the same people, nor one after the end. ``quorums``: how many each stage needs."""
    stage, yes, taken = 1, 0, set[str]()
    for vote in votes:
        if not counts(vote, stage, taken):
            continue
        if not vote.approves:
            return Standing(stage, Outcome.REJECTED)
        taken |= set(vote.people)
        yes += 1
        if yes < quorums[stage - 1]:
            continue
        if stage == len(quorums):
            return Standing(stage, Outcome.APPROVED)
        stage, yes = stage + 1, 0
    return Standing(stage, Outcome.OPEN)


def counts(vote: Cast, stage: int, taken: Collection[str]) -> bool:
    """Say whether a vote counts while this stage is on and these places are taken."""
    return vote.stage == stage and not set(taken) & set(vote.people)
