"""For whom a person may vote on an approval, and in words why they may not."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from django.utils import timezone

from agents.models import User
from workflows.approvals.models import Approval, Vote
from workflows.approvals.selectors import is_approver, names_of, seats_open_to, turn_of_others

_OVER: dict[str, str] = {
    Approval.State.EXPIRED: "Nobody decided in time, so it counts as refused. Whoever asked may ask again.",
    Approval.State.WITHDRAWN: "Whoever asked took it back. There is nothing left to decide.",
    Approval.State.SUPERSEDED: "It was asked anew in another form. There is nothing left to decide here.",
}


@dataclass(frozen=True, slots=True)
class Voter:
    """For whom this person may vote: themselves, or somebody who is away."""

    key: str
    name: str
    is_self: bool


def is_late(approval: Approval) -> bool:
    """Say whether the time to decide is over, as its own clock tells it."""
    return approval.expires_at <= (approval.clock_stopped_at or timezone.now())


def voters_of(approval: Approval, user: User) -> list[Voter]:
    """Return for whom this person may vote now, themselves first; nobody when there is nothing to decide."""
    if approval.state != Approval.State.PENDING or is_late(approval):
        return []
    seats = seats_open_to(user, approval)
    names = names_of([seat.counts_for for seat in seats])
    return [Voter(seat.counts_for, names[seat.counts_for], seat.is_own) for seat in seats]


def why_nobody(approval: Approval, user: User, votes: Iterable[Vote]) -> str:
    """Say why this person may not vote now. The service decides, this explains."""
    if approval.state != Approval.State.PENDING:
        return _OVER.get(approval.state, f"Already {approval.get_state_display().lower()}.")
    if is_late(approval):
        return "The time to decide is over. Whoever asked may ask again."
    if str(user.pk) == approval.requester_id or str(user.pk) in approval.excluded_ids:
        return "You asked for this, or it was asked for you, so another person decides."
    if said := next(filter(None, (_said(vote, user) for vote in votes)), ""):
        return f"{said} It still needs another person."
    return "" if is_approver(str(user.pk), approval) else _not_theirs(approval, user)


def _not_theirs(approval: Approval, user: User) -> str:
    if turn := turn_of_others(str(user.pk), approval):
        return f"It waits for {turn}. You decide at another stage; whoever is next is told."
    groups = " and ".join(group.name for group in approval.approver_groups.all())
    return f"Only members of {groups} decide this."


def _said(vote: Vote, user: User) -> str:
    if user.pk in (vote.user_id, vote.through_id):
        return "You have voted."
    return f"{vote.user} has voted for you." if vote.on_behalf_of_id == user.pk else ""
