"""Hand what waits to other people who may decide it, too. Nobody gains or loses a right by it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from django.db import transaction

from agents.models import User
from agents.policies import may_act_as_person, require, require_reason, user_of
from audit.services import record_event
from audit.vocabulary import Actor, Refusal, RefusalKind
from workflows.approvals import selectors
from workflows.approvals.models import Approval
from workflows.approvals.services.deciding import lock
from workflows.tasks.services import hand_to_people

FOR_ANYBODY = "approvals.reassign_approval"
MOST_PEOPLE = 10


@transaction.atomic
def reassign(
    *,
    actor: Actor,
    approval_id: UUID | str,
    people: Sequence[User],
    reason: str,
    until: datetime | None = None,
) -> Approval:
    """Ask named people in particular, who may decide it themselves. Who was asked before still may.

    ``until``: by when they are asked to; afterwards nothing happens by itself, its own end stays as it was.

    Whoever could vote on it may, and whoever hands on for others (``approvals.reassign_approval``). Raises
    Refusal: people_only, not_found, approval_closed, not_an_approver, nobody_named, same_right_needed,
    reason_missing.
    """
    require(may_act_as_person(actor, "hand on an approval"))
    person = user_of(actor)
    if person is None or not selectors.visible_to(person).filter(pk=approval_id).exists():
        raise Refusal("not_found", f"There is no approval {approval_id} for you.", kind=RefusalKind.NOT_FOUND)
    approval = lock(approval_id)
    about = f"{approval.subject_label!r} was not handed on:"
    if approval.state != Approval.State.PENDING:
        message = f"{about} it is already {approval.state}."
        raise Refusal("approval_closed", message, kind=RefusalKind.CONFLICT)
    if not (person.has_perm(FOR_ANYBODY) or selectors.seats_open_to(person, approval)):
        raise Refusal("not_an_approver", f"{about} it is not for you to decide.", next_step="Ask a manager.")
    _require_the_same_right(about, approval, people)
    require_reason(reason)
    hand_to_people(actor=actor, task_id=approval.task_id, people=people, reason=reason, until=until)
    names = ", ".join(map(str, people))
    record_event(
        actor=actor,
        verb="approvals.approval_reassigned",
        subject=approval.as_ref(),
        sentence=f"{actor.label} asks {names} to decide: {approval.subject_label}"[:500],
        reason=reason,
        payload={
            "people": [str(one.pk) for one in people],
            **({"until": until.isoformat()} if until else {}),
        },
        **approval.event_refs(),
    )
    return approval


def _require_the_same_right(about: str, approval: Approval, people: Sequence[User]) -> None:
    if not 0 < len(people) <= MOST_PEOPLE:
        message = f"{about} name one to {MOST_PEOPLE} people."
        raise Refusal("nobody_named", message, kind=RefusalKind.INVALID)
    for one in people:
        if not any(seat.is_own for seat in selectors.seats_open_to(one, approval)):
            raise Refusal(
                "same_right_needed",
                f"{about} {one} may not decide it, or has decided already.",
                kind=RefusalKind.INVALID,
                next_step="Choose somebody who may; handing on gives nobody a right.",
            )
