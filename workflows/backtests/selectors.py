"""The recorded actions a rule is tried on, and who may see a back-test."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import Q, QuerySet

from agents.decision import AgentFacts, DecisionRequest, MeasureFacts, MoneyFacts, OperationFacts
from agents.decision.backtest import Past
from agents.decision.limit_replay import DONE, FAILED, NOTHING, Attempt
from agents.decision.patterns import pattern_matches
from agents.models import User
from agents.registry import all_operations
from agents.selectors import facts_by_key, visible_measures, visible_rules
from workflows.actions.models import Action
from workflows.actions.policies.words import records_in
from workflows.backtests.models import Backtest
from workflows.runs.choices import Undone

_READ = (
    "pk", "agent_id", "operation_code", "arguments", "provenance", "currency", "amount_minor",
    "amount_company_minor", "on_behalf_of_id", "requested_at", "state", "references", "explanation__limits",
    "code", "step__undone",
)  # fmt: skip
# Besides, for a limit: when it was let go and ended, what kept it out, what its system said.
_READ_MORE = (
    "decided_at", "authorization_id", "finished_at", "result", "explanation__deciding", "explanation__rules",
)  # fmt: skip
# Superseded for any other reason than these means that a person put another action in its place.
_NOT_EDITED = frozenset({"operation_changed", "arguments_changed"})
_CAME_TO = {
    "confirmed": DONE,
    "failed": FAILED,
    **dict.fromkeys(("denied", "stopped", "expired", "withdrawn"), NOTHING),
}


def visible_to(user: User) -> QuerySet[Backtest]:
    """Return the back-tests of rules somebody may see, and their own; newest first."""
    found = Backtest.objects.select_related("asked_by", "rule", "limit")
    if not user.is_active or user.kind != User.Kind.PERSON:
        return found.none()
    if not user.has_perm("backtests.view_backtest"):
        return found.filter(asked_by=user)
    of_rules = Q(rule__in=visible_rules(user)) | Q(limit__in=visible_measures(user))
    return found.filter(of_rules | Q(rule=None, limit=None))


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
        row[:13]
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
        run_id=str(refs.get("run_id", "")),
        workflow_id=str(refs.get("workflow_id", "")),
    )
    return Past(str(action), request, state, _reversed_as(state, row[13], row[14]))


def _reversed_as(state: str, code: str, undone: str | None) -> str:
    """Return what people did to an action later, if anything: undone, edited or rejected."""
    if state == "confirmed":
        return "undone" if undone == Undone.DONE else ""
    if state == "superseded":
        return "" if code in _NOT_EDITED else "edited"
    return "rejected" if state == "rejected" else ""


def decided(
    codes: Iterable[str], since: datetime, until: datetime, after: tuple[datetime, str] | None = None
) -> QuerySet[Action]:
    """Return what was decided about these operations in a period, in the order of the decisions."""
    found = Action.objects.filter(
        operation_code__in=list(codes), decided_at__gte=since, decided_at__lt=until
    ).order_by("decided_at", "pk")
    if after:
        at, key = after
        found = found.filter(Q(decided_at__gt=at) | Q(decided_at=at, pk__gt=key))
    return found


def attempts(
    actions: QuerySet[Action],
    operations: Mapping[str, OperationFacts],
    agents: dict[UUID, AgentFacts],
    measure_id: str,
) -> list[Attempt]:
    """Return actions as a limit met them."""
    rows = list(actions.values_list(*_READ, *_READ_MORE))
    if unknown := {row[1] for row in rows} - agents.keys():
        agents.update(facts_by_key(unknown))
    return [_attempt(row, operations, agents, measure_id) for row in rows]


def _attempt(
    row: tuple[Any, ...],
    operations: Mapping[str, OperationFacts],
    agents: dict[UUID, AgentFacts],
    measure_id: str,
) -> Attempt:
    at, authorization, ended_at, result, deciding, rules = row[len(_READ) :]
    past = _past(row, operations[row[2]], agents[row[1]])
    denying = {
        one["rule_id"] for one in rules or () if one["verdict"] == "deny" and one["rule_id"] in (deciding or ())
    }
    return Attempt(
        past=replace(past, request=replace(past.request, now=at)),
        at=at,
        let_go=authorization is not None,
        kept_out=past.came_to == "denied" and denying == {measure_id},
        ended_at=ended_at,
        came_to=_CAME_TO.get(past.came_to, ""),
        records=records_in(result) if isinstance(result, dict) else None,
    )


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
