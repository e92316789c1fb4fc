"""Find the seat from which somebody votes in the place of who is away, and hold on to what it rests on."""

from __future__ import annotations

from functools import reduce
from operator import or_

from django.db.models import Q

from agents.models import User
from audit.vocabulary import Actor, Refusal
from workflows.approvals import selectors
from workflows.approvals.models import Approval
from workflows.approvals.policies import Seat


def seat_of(actor: Actor, approval: Approval, whom: str) -> Seat:
    """Return the seat from which somebody votes for ``whom``, its delegations locked: withdrawn is withdrawn.

    Where several lead there, the nearest in which nobody is barred. Raises Refusal ``not_a_delegate``.
    """
    voter = User.objects.filter(pk=actor.id).first()
    found = [seat for seat in selectors.seats_for(voter) if seat.counts_for == whom] if voter else []
    barred = {approval.requester_id, *approval.excluded_ids, *selectors.taken_in(approval)}
    seat = next((one for one in found if not barred & set(one.people)), next(iter(found), None))
    if seat is None or not _holds(seat):
        raise Refusal(
            "not_a_delegate",
            f"{actor.label} may not vote on {approval.subject_label!r} for somebody else: "
            "nobody by that name has handed it on to them today.",
            next_step="Vote for yourself, if you may; or ask whoever is away to hand it on.",
        )
    return seat


def _holds(seat: Seat) -> bool:
    """Lock the delegations a seat rests on, and say whether all are still in force."""
    links = set(zip(seat.people[:-1], seat.people[1:], strict=True))
    wanted = reduce(or_, (Q(giver=giver, delegate=delegate) for giver, delegate in links))
    locked = selectors.in_force().filter(wanted).order_by("pk").select_for_update(of=("self",))
    return {(str(one.giver_id), str(one.delegate_id)) for one in locked} == links
