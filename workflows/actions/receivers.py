"""What actions do when people decide, and who sees their events."""

from __future__ import annotations

from functools import reduce
from operator import or_
from typing import Any

from django.db.models import Q

from agents.models import Agent, Throttle, User
from audit.vocabulary import Actor, Refusal, RefusalKind
from workflows.actions import selectors, services
from workflows.actions.models import Action
from workflows.approvals.models import Approval
from workflows.approvals.registry import ApprovalSubject
from workflows.tasks.models import Task

VERBS = {
    "actions.request_refused": "A request was refused before it became an action.",
    "actions.action_denied": "An action was denied.",
    "actions.action_held": "An action waits for people.",
    "actions.action_held_again": "The rules changed, so people are asked again.",
    "actions.action_authorized": "An action may be done.",
    "actions.action_put_off": "An action waits for its turn, because a throttle leaves it no room now.",
    "actions.action_dispatched": "An action is being done.",
    "actions.action_confirmed": "An action was done.",
    "actions.action_failed": "An action was not done.",
    "actions.action_in_doubt": "Nobody can tell yet whether an action was done.",
    "actions.action_repeated": "An action was done once more, on evidence that the first call left nothing.",
    "actions.action_rejected": "People rejected an action.",
    "actions.action_expired": "An action was not decided or not begun in time.",
    "actions.action_withdrawn": "An action is no longer wanted: by its agent, or by the work it belonged to.",
    "actions.action_superseded": "What was approved is no longer what would be done.",
    "actions.action_stopped": "A stop or a brake prevented an action.",
    "actions.arguments_edited": "A person changed what an agent asked for; another person decides on it.",
    "actions.edit_refused": "A person's change of what an agent asked for was refused.",
    "actions.standing_given": "Two people approved the like of a request in advance.",
    "actions.standing_revoked": "A standing approval was ended before its time.",
    "actions.standing_used": "An action was let through by a standing approval, and nobody was asked.",
    "actions.withdrawal_refused": "A withdrawal was refused.",
    "actions.resolution_refused": "Resolving a doubt was refused.",
}
REMEDIES = {
    "actions.action_rejected": "rejected",
    "actions.action_expired": "expired",
    "actions.action_withdrawn": "withdrawn",
    "actions.action_superseded": "superseded",
    "actions.action_stopped": "stopped",
    "actions.action_failed": "reservation_released",
    "actions.action_in_doubt": "incident_opened",
    "actions.action_repeated": "repeated",
    "actions.standing_revoked": "approval_revoked",
}


def on_approved(actor: Actor, approval: Approval) -> None:
    """People approved: decide again, in the transaction of the last vote."""
    services.decide_again(actor=actor, approval=approval)


def agent_of(approval: Approval) -> Agent | None:
    """Return the agent that asks: it can be asked back."""
    action = Action.objects.select_related("agent__role__group", "agent__user").filter(pk=approval.subject_id)
    found = action.first()
    return found.agent if found else None


def on_throttle_loosened(throttle: Throttle) -> None:
    """Let who waits for a throttle that lets more begin be tried at once."""
    services.give_turns(throttle_id=throttle.pk)


def shown_to(user: User) -> Q | None:
    """Let those who may see an action see what was asked about it."""
    if user.has_perm("actions.view_action"):
        return Q()
    return Q(subject_id__in=selectors.visible_ids(user))


def is_awaited(task: Task, action_id: str) -> bool:
    """Say whether an action of this task is still open; its end cannot come before the task waits for it."""
    found = Action.objects.select_for_update(of=("self",)).filter(pk=action_id, task=task).first()
    if found is None:
        raise Refusal(
            "not_found",
            f"The task cannot wait for {action_id}: that is no action of this task.",
            kind=RefusalKind.INVALID,
            next_step="Name an action that was asked for with this task and its epoch.",
        )
    return not found.is_final


def visible_events(user: Any) -> Q | None:
    """Events of an action belong to whoever may see the action: its agent, its people, its approvers."""
    agreed, visible = selectors.visible_standing_ids(user), selectors.visible_ids(user)
    about = [Q(subject_kind="actions.standingapproval", subject_id__in=agreed)] if agreed.exists() else []
    if user.has_perm("actions.view_action"):
        about.append(~Q(action_id=""))
    elif visible.exists():
        about.append(Q(action_id__in=visible))
    return reduce(or_, about) if about else None


ACTION = ApprovalSubject(
    describe=selectors.approval_description,
    on_approved=on_approved,
    on_rejected=services.rejected,
    on_expired=services.expired,
    visible_to=shown_to,
    agent_of=agent_of,
    shapes_of=selectors.shapes_of,
)
