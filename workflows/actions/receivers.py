"""What actions do when people decide, and who sees their events."""

from __future__ import annotations

from collections.abc import Mapping
from functools import reduce
from operator import or_
from typing import Any
from uuid import UUID

from django.db.models import OuterRef, Q
from django.urls import reverse

from agents.models import Agent, Throttle, User
from audit.lookups import AsUUID, EachRow, named_by
from audit.registry import Opening, Telling
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
    if selectors.sees_every_action(user):
        return Q()
    seen = selectors.visible_to(user, kept=True).order_by().filter(pk=AsUUID(OuterRef("subject_id")))
    return Q(EachRow(seen))


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
    agreed, visible = selectors.visible_standing_ids(user), selectors.visible_to(user)
    about = [Q(subject_kind="actions.standingapproval", subject_id__in=agreed)] if agreed.exists() else []
    if user.has_perm("actions.view_action"):
        about.append(~Q(action_id=""))
    elif visible.exists():
        about.append(named_by("action_id", selectors.visible_to(user, kept=True)))
    return reduce(or_, about) if about else None


ACTION = ApprovalSubject(
    describe=selectors.approval_description,
    on_approved=on_approved,
    on_rejected=services.rejected,
    on_expired=services.expired,
    visible_to=shown_to,
    few_seen=selectors.few_asked,
    agent_of=agent_of,
    shapes_of=selectors.shapes_of,
)


def opening_of(user: Any, key: UUID) -> Opening | None:
    """Return how the story of an action begins: who asked for what, for whom, and where it stands."""
    action = (
        selectors.visible_to(user).select_related("agent", "on_behalf_of", "operation").filter(pk=key).first()
    )
    if action is None:
        return None
    behalf = f", for {action.on_behalf_of}" if action.on_behalf_of else ""
    deed = action.operation.name if action.operation else action.operation_code
    return Opening(
        title=action.label,
        sentence=f"{action.agent.name}{behalf} asked to {deed[:1].lower()}{deed[1:]}: {action.label}",
        at=action.requested_at,
        link=reverse("action", args=[action.pk]),
        ends=f"{action.get_state_display()}. {action.sentence[:1].upper()}{action.sentence[1:]}",
    )


def rules_told(event: Any, payload: Mapping[str, Any]) -> list[str]:
    """Return by which rules it was decided, in their own words."""
    told = payload.get("explanation")
    if not isinstance(told, Mapping):
        return []
    deciding = told.get("deciding") or ()
    return [
        f"By the rule “{rule.get('name', '')}”: {rule.get('sentence', '')}"
        for rule in told.get("rules") or ()
        if isinstance(rule, Mapping) and rule.get("rule_id") in deciding
    ]


_DECIDED = ("denied", "held", "held_again", "authorized", "stopped", "expired")
_CAME_BACK = frozenset(f"actions.action_{end}" for end in ("confirmed", "failed", "in_doubt"))
_BEGUN = frozenset({"actions.action_dispatched", "actions.action_stopped", "actions.action_expired"})
TELLINGS = {
    **{f"actions.action_{end}": Telling(more=rules_told) for end in _DECIDED},
    "actions.action_put_off": Telling(waits_for=lambda event: "its turn", until=_BEGUN),
    "actions.action_dispatched": Telling(waits_for=lambda event: "the answer of the system", until=_CAME_BACK),
    "actions.action_in_doubt": Telling(
        waits_for=lambda event: "somebody to find out whether it was done", until=_CAME_BACK
    ),
}
