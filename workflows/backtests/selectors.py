"""The recorded actions a rule is tried on, and who may see a back-test."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import Q, QuerySet

from agents.decision import AgentFacts, DecisionRequest, MeasureFacts, MoneyFacts, OperationFacts
from agents.decision.backtest import Past
from agents.decision.patterns import pattern_matches
from agents.models import User
from agents.registry import all_operations
from agents.selectors import facts_by_key, visible_rules
from workflows.actions.models import Action
from workflows.backtests.models import Backtest

_READ = (
    "pk", "agent_id", "operation_code", "arguments", "provenance", "currency", "amount_minor",
    "amount_company_minor", "on_behalf_of_id", "requested_at", "state", "references", "explanation__limits",
)  # fmt: skip


def visible_to(user: User) -> QuerySet[Backtest]:
    """Return the back-tests of rules somebody may see, and their own; newest first."""
    found = Backtest.objects.select_related("asked_by", "rule")
    if not user.is_active or user.kind != User.Kind.PERSON:
        return found.none()
    if not user.has_perm("backtests.view_backtest"):
        return found.filter(asked_by=user)
    return found.filter(Q(rule__in=visible_rules(user)) | Q(rule=None))


def visible_events(user: User) -> Q | None:
    """Events about back-tests belong to those who may see them."""
    return Q(subject_kind="backtests.backtest") if user.has_perm("backtests.view_backtest") else None


def concerned(pattern: str) -> dict[str, OperationFacts]:
    """Return the operations of today that a pattern names, by their codes."""
    return {facts.code: facts for facts in all_operations() if pattern_matches(pattern, facts.code)}


def recorded(codes: Iterable[str], since: datetime, until: datetime) -> QuerySet[Action]:
    """Return the recorded actions of these operations in a period, in the order they were asked for."""
    return Action.objects.filter(
        operation_code__in=list(codes), requested_at__gte=since, requested_at__lt=until
    ).order_by("pk")


def pasts(
    actions: QuerySet[Action], operations: Mapping[str, OperationFacts], agents: dict[UUID, AgentFacts]
) -> list[Past]:
    """Return actions as the decision reads them; ``agents`` keeps what was read of agents before."""
    rows = list(actions.values_list(*_READ))
    if unknown := {row[1] for row in rows} - agents.keys():
        agents.update(facts_by_key(unknown))
    return [_past(row, operations[row[2]], agents[row[1]]) for row in rows]


def _past(row: tuple[Any, ...], operation: OperationFacts, agent: AgentFacts) -> Past:
    action, _, code, arguments, provenance, currency, minor, company_minor, behalf, at, state, refs, limits = (
        row
    )
    request = DecisionRequest(
        agent=agent,
        operation_code=code,
        operation=operation,
        arguments=arguments,
        now=at,
        on_behalf_of=str(behalf or ""),
        provenance=provenance,
        money=MoneyFacts(currency, minor, company_minor) if minor is not None else None,
        measures={one["code"]: _reading(one) for one in limits or () if "settled" in one},
        workflow_id=str(refs.get("workflow_id", "")),
    )
    return Past(str(action), request, state)


def _reading(told: Mapping[str, Any]) -> MeasureFacts:
    return MeasureFacts(
        code=told["code"],
        name=told["name"],
        unit=told["unit"],
        key=told["key"],
        amount=told["adds"],
        reserved=told["reserved"],
        settled=told["settled"],
        ceiling=told["ceiling"],
        error=told["error"],
    )
