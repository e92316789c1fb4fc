"""What of an action may be seen, and by whom."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from django.db.models import OuterRef, Q, QuerySet

from agents.models import User
from agents.selectors import sees_every_agent, visible_agents
from audit.lookups import EachRow
from workflows.actions.models import Action
from workflows.actions.policies import money_words, redacted
from workflows.actions.selectors.edits import edits_of, hidden_in_action
from workflows.approvals.models import Approval
from workflows.approvals.policies import Shape, may_go_together
from workflows.approvals.selectors import asked_of, handed_to, seats_for
from workflows.approvals.selectors.asking import listed, narrowed, sides_of


def visible_to(user: User, *, kept: bool = False) -> QuerySet[Action]:
    """Return the actions a user may see.

    An agent: its own. A person: those of agents they may see, those they are asked to decide, those done on
    their behalf; all with ``actions.view_action``. ``kept``: asked again and again later as it is, and so of
    what comes then, too; quick where it is asked by key.
    """
    actions = Action.objects.select_related(
        "agent__user", "operation__system", "approval", "waits_for", "edited_by"
    )
    if not user.is_active:
        return actions.none()
    if user.kind == User.Kind.AGENT:
        return actions.filter(agent__user=user)
    if sees_every_action(user):
        return actions
    mine = list(user.groups.values_list("pk", flat=True))
    later = Q(escalations__group__in=mine) | Q(escalations__person=user)
    of_mine = Q(approver_groups__in=mine) | Q(stages__groups__in=mine)
    of_mine |= later & Q(escalations__done_at__isnull=False)
    asked = Approval.objects.filter(of_mine, subject_kind="actions.action", pk=OuterRef("approval"))
    shown = Q(agent__in=visible_agents(user).values("pk")) | Q(on_behalf_of=user)
    shown |= Q(approval__isnull=False) & Q(EachRow(asked))
    if handed_to(user):
        stood_in = asked_of(user, kept=True).filter(pk=OuterRef("approval"))
        shown |= Q(approval__isnull=False) & Q(EachRow(stood_in))
    sides = None if kept else _sides(user, Action.objects.order_by())
    return actions.filter(shown if sides is None else narrowed(shown, sides))


def _sides(user: User, among: QuerySet[Action]) -> list[QuerySet[Any, Any]] | None:
    """Return from where the actions come that a person may see, and maybe some more; None where it is much."""
    agents = listed([visible_agents(user).values_list("pk")])
    if agents is None:
        return None
    people = [seat.counts_for for seat in seats_for(user)]
    found = [among.filter(agent__pk__any_of=agents), among.filter(on_behalf_of=user)]
    found += [among.filter(approval__in=side.order_by()) for side in sides_of(people)]
    return [side.values_list("pk") for side in found]


def sees_every_action(user: User) -> bool:
    """Say whether the actions a user may see are all of them: by right, as each is some agent's."""
    return user.is_active_person and (user.has_perm("actions.view_action") or sees_every_agent(user))


def few_asked(user: User) -> list[str] | None:
    """Return the ids of the actions people were asked about that a user may see, and maybe of some more; None
    where they are many."""
    sides = None if sees_every_action(user) else _sides(user, Action.objects.filter(approval__isnull=False))
    found = None if sides is None else listed(sides)
    return None if found is None else [str(key) for key in found]


def in_doubt(user: User) -> QuerySet[Action]:
    """Return the actions in doubt a user may see, oldest first."""
    return visible_to(user).filter(state=Action.State.IN_DOUBT).order_by("pk")


def shown_arguments(action: Action) -> dict[str, Any]:
    """Return the arguments as pages show them: what a rule asks to redact is hidden."""
    return redacted(action.arguments, hidden_in_action(action))


def amount_words(action: Action) -> str:
    """Return the amount of an action for people, or nothing."""
    return money_words(action.amount_minor, action.currency)


def shapes_of(approvals: Sequence[Approval]) -> dict[UUID, Shape]:
    """Return in what held actions are alike, by the key of their approval; without those to look at alone."""
    wanted = {str(approval.pk): approval for approval in approvals}
    found: dict[UUID, Shape] = {}
    held = Action.objects.filter(approval__in=list(wanted)).select_related("agent", "operation")
    for action in held.only("approval", "operation_code", "agent__risk_tier", "operation__effect"):
        approval = wanted[str(action.approval_id)]
        effect = action.operation.effect if action.operation else ""
        if may_go_together(effect=effect, risk_tier=action.agent.risk_tier, quorum=approval.quorum):
            found[approval.pk] = Shape(
                operation=action.operation_code,
                code=str(approval.explanation.get("code", "")),
                rules=tuple(sorted(approval.explanation.get("deciding", ()))),
                quorum=approval.quorum,
                groups=tuple(sorted(group.name for group in approval.approver_groups.all())),
            )
    return found


def approval_description(approval: Approval) -> dict[str, Any]:
    """Return what somebody must see before they vote on an action: the whole of it, agent's words apart."""
    action = Action.objects.select_related("agent__sponsor", "operation__system", "on_behalf_of").get(
        pk=approval.subject_id
    )
    return {
        "kind": "action",
        "label": action.label,
        "agent": {"id": str(action.agent_id), "name": action.agent.name, "code": action.agent.code},
        "sponsor": str(action.agent.sponsor),
        "on_behalf_of": str(action.on_behalf_of or ""),
        "operation": {
            "code": action.operation_code,
            "name": action.operation.name if action.operation else action.operation_code,
            "effect": action.operation.effect if action.operation else "",
            "system": str(action.operation.system) if action.operation else "",
            "environment": action.operation.system.environment if action.operation else "",
        },
        "amount": amount_words(action),
        "arguments": shown_arguments(action),
        "untrusted": {
            "reason": action.reason,
            "evidence": action.evidence,
            "confidence": action.confidence,
            "provenance": action.provenance,
        },
        "edits": [
            {
                "by": edit.who,
                "reason": edit.reason,
                "replaces": edit.replaced_id,
                "changes": [
                    {"path": one.path, "name": one.name, "before": one.before, "after": one.after}
                    for one in edit.differences
                ],
            }
            for edit in edits_of(action)
        ],
        "why_held": approval.sentence,
        "limits": approval.explanation.get("limits", []),
        "rules": approval.explanation.get("rules", []),
        "notes": approval.explanation.get("obligations", {}).get("notes", []),
    }
