"""Who may vote on what: pure questions with plain answers."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from agents.vocabulary import StepUp
from audit.vocabulary import Actor, ActorKind, Refusal, RefusalKind
from workflows.approvals.policies.seats import Seat


@dataclass(frozen=True)
class Ballot:
    """What a vote is judged by. ``voted`` are the ids of those who voted or were voted for, ``names`` those of
    people by id; ``now`` is the time its clock shows. ``turn``: whose turn it is, for a voter who decides at
    another of its stages. ``step_up``: how long it counts, by the clock of the database (``clock``), that
    whoever approves has shown again who they are; None where nobody has to."""

    label: str
    state: str
    digest: str
    expires_at: datetime
    requester_id: str
    excluded_ids: Collection[str]
    voted: Collection[str]
    groups: str
    now: datetime
    names: Mapping[str, str] = field(default_factory=dict)
    turn: str = ""
    step_up: timedelta | None = None
    clock: datetime | None = None


def why_not_vote(
    actor: Actor,
    ballot: Ballot,
    *,
    digest: str,
    is_member: bool,
    seat: Seat | None = None,
    approves: bool = True,
    proof: StepUp | None = None,
) -> Refusal | None:
    """Return why a vote is refused, or None. Four eyes: never the requester nor who acted for the same side.

    ``seat`` says whom it counts for (left out: the voter), ``is_member`` whether that person may decide now.
    ``proof`` is how the voter themselves has shown again who they are: where that is asked, none is a refusal.
    """
    seat = seat or Seat((actor.id,))
    return (
        _kind(actor, ballot)
        or _state(ballot)
        or _four_eyes(actor, ballot, seat)
        or _membership(actor, ballot, seat, is_member=is_member)
        or _what_was_seen(ballot, digest)
        or (_step_up(actor, ballot, proof) if approves else None)
    )


def _kind(actor: Actor, ballot: Ballot) -> Refusal | None:
    if actor.kind is ActorKind.PERSON:
        return None
    return Refusal(
        "people_only",
        f"The vote on {ballot.label!r} was refused: only people approve. Wait for their decision.",
        next_step="Read the action to learn the decision.",
    )


def _state(ballot: Ballot) -> Refusal | None:
    if ballot.state != "pending":
        return Refusal(
            "approval_closed",
            f"The vote on {ballot.label!r} was refused: it is already {ballot.state}.",
            kind=RefusalKind.CONFLICT,
            next_step="Reload the inbox; nothing is left to do here.",
        )
    if ballot.expires_at <= ballot.now:
        return Refusal(
            "approval_expired",
            f"The vote on {ballot.label!r} was refused: it expired at {ballot.expires_at:%Y-%m-%d %H:%M} UTC.",
            kind=RefusalKind.CONFLICT,
            next_step="Whoever asked may ask again.",
        )
    return None


def _four_eyes(actor: Actor, ballot: Ballot, seat: Seat) -> Refusal | None:
    """Ask of everybody it goes through: who is barred is so through others too, and a place is taken once."""
    for person in reversed(seat.people):
        if person == ballot.requester_id or person in ballot.excluded_ids:
            return Refusal(
                "four_eyes",
                f"{_who(actor, ballot, person)} may not vote on {ballot.label!r}: "
                f"who asks or is served does not approve{_nor_through(actor, person)}.",
                next_step=f"Another member of {ballot.groups} must decide.",
            )
    for person in reversed(seat.people):
        if person in ballot.voted:
            return Refusal(
                "already_voted",
                f"{_who(actor, ballot, person)} has already voted on {ballot.label!r}, "
                "in person or through somebody. A vote is not changed.",
                kind=RefusalKind.CONFLICT,
                next_step=f"Another member of {ballot.groups} must vote.",
            )
    return None


def _membership(actor: Actor, ballot: Ballot, seat: Seat, *, is_member: bool) -> Refusal | None:
    if is_member:
        return None
    if ballot.turn:
        return Refusal(
            "not_their_stage",
            f"The vote on {ballot.label!r} was refused: it waits for {ballot.turn}.",
            kind=RefusalKind.CONFLICT,
            next_step=f"{ballot.groups} must decide now. Read it meanwhile; whoever is next is told.",
        )
    return Refusal(
        "not_an_approver",
        f"{_who(actor, ballot, seat.counts_for)} may not vote on {ballot.label!r}: "
        f"not a member of {ballot.groups}{_nor_through(actor, seat.counts_for)}.",
        next_step=f"Ask a member of {ballot.groups}.",
    )


def _who(actor: Actor, ballot: Ballot, person: str) -> str:
    return actor.label if person == actor.id else ballot.names.get(person, "Whoever is away")


def _nor_through(actor: Actor, person: str) -> str:
    return "" if person == actor.id else f", nor does {actor.label} in their place"


def _step_up(actor: Actor, ballot: Ballot, proof: StepUp | None) -> Refusal | None:
    within, now = ballot.step_up, ballot.clock or ballot.now
    if within is None or (proof is not None and proof.holds(user_id=actor.id, now=now, within=within)):
        return None
    return Refusal(
        "step_up_required",
        f"The vote on {ballot.label!r} was refused: whoever approves it must have signed in again in the last "
        f"{max(1, round(within.total_seconds() / 60))} minutes, in this session.",
        next_step="Enter your password on the page /confirm/ or at POST /api/v1/step-up, then vote again.",
    )


def _what_was_seen(ballot: Ballot, digest: str) -> Refusal | None:
    if digest == ballot.digest:
        return None
    return Refusal(
        "digest_changed",
        f"The vote on {ballot.label!r} was refused: it is not what you were shown.",
        kind=RefusalKind.CONFLICT,
        next_step="Reload the page, read it again and decide.",
    )
