"""An agent contests a denial, once. Nothing is decided or allowed by it: people are asked."""

from __future__ import annotations

from datetime import timedelta
from functools import partial
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.db.models import Q

from agents.decision import Mode
from agents.decision.money import format_minor
from agents.models import Agent, Measure, Rule, User
from agents.selectors import company_currency, measure_definition, rule_facts
from audit.services import record_event, record_refusal
from audit.vocabulary import Actor, ActorKind, Refusal, RefusalKind
from workflows.actions.broadcast import tell_changed
from workflows.actions.models import Action
from workflows.actions.policies.words import plain_text
from workflows.actions.selectors import hidden_in_action
from workflows.actions.services.moving import references
from workflows.appeals import policies, selectors
from workflows.appeals.choices import ANSWERS, Against, State
from workflows.appeals.models import Appeal
from workflows.appeals.services.proposing import ripen
from workflows.tasks.models import Task
from workflows.tasks.selectors import database_now
from workflows.tasks.services import open_task

REASON_LEAST, REASON_MOST = 5, 2000


def contest_action(*, actor: Actor, action_id: UUID | str, reason: str) -> Appeal:
    """Contest a denial of the agent's own; whoever may change what denied it is asked.

    Raises Refusal ``not_found`` (of an action of somebody else), ``reason_invalid``, ``already_contested`` (the
    first stands in the detail), ``not_contestable``, ``too_many_appeals``.
    """
    try:
        with transaction.atomic():
            return _contest(actor, action_id, reason)
    except Refusal as refusal:
        own = (
            Action.objects.select_related("agent", "operation")
            .filter(pk=action_id, agent__user__pk=actor.id)
            .first()
        )
        if own:
            verb, about = "appeals.appeal_refused", references(own)
            record_refusal(actor=actor, verb=verb, subject=own.as_ref(), refusal=refusal, **about)
        raise


def _contest(actor: Actor, action_id: UUID | str, reason: str) -> Appeal:
    action = _own(actor, action_id)
    text = _checked(reason)
    if first := Appeal.objects.filter(action=action).first():
        raise _already(first)
    if refusal := policies.why_not_contestable(label=action.label, state=action.state, code=action.code):
        raise refusal
    _require_room(action.agent)
    appeal = Appeal.objects.create(
        action=action,
        agent=action.agent,
        operation_code=action.operation_code,
        reason=text,
        grounds=_grounds(action),
    )
    appeal.task = _ask_people(actor, appeal)
    appeal.save(update_fields=["task"])
    record_event(
        actor=actor,
        verb="appeals.appeal_made",
        subject=appeal.as_ref(),
        sentence=f"{action.agent.name} contests: {action.label}",
        reason=text,
        payload={"grounds": appeal.grounds, "denied": action.sentence},
        **references(action),
    )
    ripen(appeal)
    transaction.on_commit(partial(tell_changed, action.pk, State.OPEN.value))
    return appeal


def _own(actor: Actor, action_id: UUID | str) -> Action:
    found = (
        Action.objects.select_for_update(of=("self",))
        .select_related(
            "agent__user", "agent__sponsor", "agent__deputy", "agent__department", "operation__system"
        )
        .filter(pk=action_id)
        .first()
    )
    if found is None or actor.kind is not ActorKind.AGENT or str(found.agent.user_id) != actor.id:
        raise Refusal("not_found", f"There is no action {action_id} for you.", kind=RefusalKind.NOT_FOUND)
    return found


def _checked(reason: str) -> str:
    text = reason.strip()
    if not REASON_LEAST <= len(text) <= REASON_MOST or "\x00" in text:
        raise Refusal(
            "reason_invalid",
            f"Nothing was contested: say why in {REASON_LEAST} to {REASON_MOST} characters, none of them NUL.",
            kind=RefusalKind.INVALID,
            next_step="Contest it once more with a reason that people can check.",
        )
    return text


def _already(first: Appeal) -> Refusal:
    return Refusal(
        "already_contested",
        f"{first.action.label} was contested before; an action is contested once.",
        detail={"appeal": {"id": str(first.pk), "state": first.state, "answer": first.answer}},
        kind=RefusalKind.CONFLICT,
        next_step=first.next_step,
    )


def _require_room(agent: Agent) -> None:
    """Refuse a flood: under the lock of the agent, so that many at once are counted, too."""
    Agent.objects.select_for_update(of=("self",), no_key=True).get(pk=agent.pk)
    since = database_now() - timedelta(days=1)
    most = selectors.appeals_per_day()
    if Appeal.objects.filter(agent=agent, created_at__gt=since).count() >= most:
        raise Refusal(
            "too_many_appeals",
            f"Nothing was contested: {agent.name} has contested {most} denials in the last 24 hours, "
            "which is as many as it may.",
            kind=RefusalKind.LIMITED,
            next_step="Wait, and contest what matters most; or ask your sponsor.",
        )


def _grounds(action: Action) -> list[dict[str, Any]]:
    """Return what denied an action as it stands now: rules and limits by what they compared, else the grant."""
    if action.code == "no_grant":
        return [_ground(Against.GRANT, "", f"No grant of {action.operation_code}"[:120], "", None, "")]
    told = action.explanation
    wanted = {
        one["rule_id"]
        for one in told.get("rules", ())
        if one["verdict"] == "deny" and one["rule_id"] in told.get("deciding", ())
    }
    keys = Q(pk__in=[key for key in wanted if selectors.as_key(key)])
    hidden = set(hidden_in_action(action))
    rules = Rule.objects.filter(keys, mode=Mode.ENFORCED).select_related("policy", "approver_group")
    limits = Measure.objects.filter(keys, mode=Mode.ENFORCED)
    return [
        *(_of_rule(action, rule, hidden) for rule in rules.order_by("name", "pk")),
        *(_of_limit(action, limit) for limit in limits.order_by("name", "pk")),
    ]


def _of_rule(action: Action, rule: Rule, hidden: set[str]) -> dict[str, Any]:
    facts = rule_facts(rule)
    kind = selectors.kind_of(facts)
    value = policies.value_at(facts.field, kind, action.arguments, action.amount_company_minor)
    if any(f"{facts.field}.".startswith(f"{path}.") for path in hidden):
        value = None
    shown = _shown(facts.field, value)
    return _ground(Against.RULE, str(rule.pk), rule.name, policies.shape_of_rule(facts), value, shown)


def _of_limit(action: Action, limit: Measure) -> dict[str, Any]:
    """A limit is contested by what the action would have added, where that is plain."""
    definition = measure_definition(limit)
    plain = {"count": 1, "failures": 1, "running": 1, "money": action.amount_company_minor}
    value = plain.get(definition.unit) if definition.amount.strip() in ("1", "amount") else None
    shape = selectors.shape_of_limit(definition)
    shown = _shown("amount", value) if definition.unit == "money" else ""
    return _ground(Against.LIMIT, str(limit.pk), limit.name, shape, value, shown)


def _ground(kind: str, key: str, name: str, shape: str, value: int | str | None, shown: str) -> dict[str, Any]:
    return {"kind": str(kind), "id": key, "name": name, "shape": shape, "value": value, "shown": shown}


def _shown(field: str, value: int | str | None) -> str:
    if value is None:
        return ""
    return (
        format_minor(value, company_currency())
        if field == "amount" and isinstance(value, int)
        else plain_text(value)
    )


def _ask_people(actor: Actor, appeal: Appeal) -> Task:
    """Ask who may change what denied it; where nothing did but a missing grant, who answers for the agent."""
    action, keys = appeal.action, [one["id"] for one in appeal.grounds if one["kind"] == Against.RULE]
    asked = [one["name"] for one in appeal.grounds if one["kind"] in (Against.RULE, Against.LIMIT)]
    groups, people = selectors.publishers([rule.policy for rule in map(selectors.rule_of, keys) if rule])
    sponsors = [it for it in (action.agent.sponsor, action.agent.deputy) if it and it.is_active]
    return open_task(
        actor=actor,
        kind=Task.Kind.EXCEPTION,
        title=f"{action.agent.name} contests a denial: {action.label}",
        body=(
            "Whatever you answer, this action stays denied. Say whether the rule is right, whether the agent "
            "may ask again, or that the rule is to be changed: that is a change of its own, by two people."
        ),
        subject=appeal.as_ref(),
        groups=groups if asked else (),
        users=people if asked else sponsors or _responsible(),
        work={
            "denied": action.sentence,
            "decided_by": asked or ["a missing grant"],
            "the_agent_says": appeal.reason,
        },
        answer_schema=ANSWER_SCHEMA,
        due_at=database_now() + timedelta(days=settings.APPEAL_DAYS),
        references=references(action),
    )


def _responsible() -> list[User]:
    """Where nobody answers for the agent any more, whoever may publish rules does."""
    groups, _ = selectors.publishers(())
    return list(User.objects.filter(groups__in=groups, is_active=True, kind=User.Kind.PERSON).distinct())


ANSWER_SCHEMA = {
    "type": "object",
    "additionalProperties": False,
    "required": ["decision", "reason"],
    "properties": {
        "decision": {
            "title": "Your answer",
            "type": "string",
            "enum": [state.value for state in ANSWERS],
        },
        "reason": {
            "title": "Why, as the agent reads it",
            "type": "string",
            "minLength": REASON_LEAST,
            "maxLength": REASON_MOST,
        },
    },
}
