"""Say that one has an approval in hand, or give it back; and put it off for oneself."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from django.db import transaction

from agents.models import User
from agents.policies import may_act_as_person, require, require_reason, user_of
from audit.vocabulary import Actor, Refusal, RefusalKind
from workflows.approvals import selectors
from workflows.approvals.models import Approval
from workflows.approvals.services.deciding import lock
from workflows.tasks.services import end_snooze, hold_task, release_task, snooze_task

HOLD_SECONDS = 3600


@transaction.atomic
def claim(*, actor: Actor, approval_id: UUID | str, over: bool = False, reason: str = "") -> Approval:
    """Say that one has it: for an hour nobody is reminded of it and it goes to no next level. Its end stays.

    ``over``: take it from whoever has it, with a reason. Raises Refusal people_only, not_found,
    approval_closed, not_an_approver, task_taken, reason_missing.
    """
    person, approval = _waiting(actor, approval_id, "take an approval in hand")
    if not selectors.seats_open_to(person, approval):
        message = f"{approval.subject_label!r} was not taken: it is not for you to decide."
        raise Refusal("not_an_approver", message)
    if over:
        require_reason(reason)
    hold_task(actor=actor, task_id=approval.task_id, seconds=HOLD_SECONDS, over=over, reason=reason)
    return approval


@transaction.atomic
def give_back(*, actor: Actor, approval_id: UUID | str) -> Approval:
    """End one's claim: who was asked is reminded again. Raises Refusal not_found, task_not_claimed."""
    _, approval = _waiting(actor, approval_id, "give an approval back")
    release_task(actor=actor, task_id=approval.task_id)
    return approval


@transaction.atomic
def snooze(*, actor: Actor, approval_id: UUID | str, until: datetime | None) -> Approval:
    """Put it off for oneself until then; None: have it back now. Its deadline stays, and so do all others.

    Raises Refusal people_only, not_found, approval_closed, snooze_invalid.
    """
    _, approval = _waiting(actor, approval_id, "put an approval off")
    if until is None:
        end_snooze(actor=actor, task_id=approval.task_id)
    else:
        snooze_task(actor=actor, task_id=approval.task_id, until=until)
    return approval


def _waiting(actor: Actor, approval_id: UUID | str, deed: str) -> tuple[User, Approval]:
    require(may_act_as_person(actor, deed))
    person = user_of(actor)
    if person is None or not selectors.visible_to(person).filter(pk=approval_id).exists():
        raise Refusal("not_found", f"There is no approval {approval_id} for you.", kind=RefusalKind.NOT_FOUND)
    approval = lock(approval_id)
    if approval.state != Approval.State.PENDING:
        message = f"{approval.subject_label!r} was not changed: it is already {approval.state}."
        raise Refusal("approval_closed", message, kind=RefusalKind.CONFLICT)
    return person, approval
