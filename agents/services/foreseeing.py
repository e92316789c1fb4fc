"""What authority will be once a proposed change is applied: read by a second person before they agree.

Nothing here writes or locks; what a change really does is in the module that applies it.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import Any, TypeVar

from agents import registry
from agents.decision.authority import Authority
from agents.decision.facts import AgentFacts
from agents.models import Agent, ChangeRequest, Department, Measure, Rule
from agents.selectors import departments_around, measure_definition, rule_facts
from agents.selectors.authority import facts_of_agents
from agents.selectors.clones import remark_on_activation
from agents.selectors.difference import with_limits, with_rules, with_scope, without_rule
from agents.selectors.employment import PROMOTE
from agents.services import lifecycle, organisation, policies

M = TypeVar("M", Rule, Measure, Agent)


def register_foresights() -> None:
    """Tell the registry what each kind of change of this room will make of authority."""
    registry.register_foresight(policies.CHANGE_RULE, _rule_changed)
    registry.register_foresight(policies.REMOVE_RULE, _rule_removed)
    registry.register_foresight(policies.CHANGE_MEASURE, _limit_changed)
    registry.register_foresight(policies.MOVE_POLICY, _policy_moved)
    registry.register_foresight(lifecycle.ACTIVATE, _agent_starts)
    registry.register_remark(lifecycle.ACTIVATE, remark_on_activation)
    registry.register_foresight(lifecycle.LOOSEN_AUTONOMY, _autonomy_changed)
    registry.register_foresight(PROMOTE, _probation_ends)
    registry.register_foresight(lifecycle.REASSIGN, _agent_reassigned)
    registry.register_foresight(organisation.MOVE_DEPARTMENT, _department_moved)
    registry.register_foresight(organisation.CHANGE_CURRENCY, _currency_changed)


def _rule_changed(change: ChangeRequest, now: Authority) -> Authority:
    rule = Rule.objects.select_related("policy", "approver_group").get(pk=change.target_id)
    return with_rules(now, [rule_facts(_with(rule, change.payload))])


def _rule_removed(change: ChangeRequest, now: Authority) -> Authority:
    return without_rule(now, change.target_id)


def _limit_changed(change: ChangeRequest, now: Authority) -> Authority:
    measure = Measure.objects.get(pk=change.target_id)
    return with_limits(now, [measure_definition(_with(measure, change.payload))])


def _policy_moved(change: ChangeRequest, now: Authority) -> Authority:
    return with_scope(now, change.target_id, change.payload["scope_kind"], change.payload["scope_id"])


def _agent_starts(change: ChangeRequest, now: Authority) -> Authority:
    starts = _agent(now, change.target_id)
    watched = bool(change.payload.get("probation_days"))
    due = change.payload.get("attest_by")
    attest_by = date.fromisoformat(due) if due else starts.attest_by
    state = change.payload["lifecycle"]
    return _with_agent(now, replace(starts, lifecycle=state, on_probation=watched, attest_by=attest_by))


def _probation_ends(change: ChangeRequest, now: Authority) -> Authority:
    return _with_agent(now, replace(_agent(now, change.target_id), on_probation=False))


def _autonomy_changed(change: ChangeRequest, now: Authority) -> Authority:
    return _with_agent(now, replace(_agent(now, change.target_id), autonomy=change.payload["autonomy"]))


def _agent_reassigned(change: ChangeRequest, now: Authority) -> Authority:
    agent = Agent.objects.select_related("user", "role", "sponsor").get(pk=change.target_id)
    left = str(agent.role.group_id)
    facts = facts_of_agents([_with(agent, change.payload)])[agent.pk]
    groups = (facts.group_ids - {left}) | {str(agent.role.group_id)}
    return _with_agent(now, replace(facts, group_ids=groups))


def _department_moved(change: ChangeRequest, now: Authority) -> Authority:
    parent = change.payload["parent"]
    above = departments_around(Department.objects.get(pk=parent))[0] if parent else []
    moved = [_below(agent, change.target_id, above) for agent in now.agents]
    return replace(now, agents=tuple(moved))


def _below(agent: AgentFacts, department_id: str, above: list[str]) -> AgentFacts:
    if department_id not in agent.department_ids:
        return agent
    own = agent.department_ids[: agent.department_ids.index(department_id) + 1]
    return replace(agent, department_ids=(*own, *above))


def _currency_changed(change: ChangeRequest, now: Authority) -> Authority:
    return replace(now, snapshot=replace(now.snapshot, company_currency=change.payload["currency"]))


def _with(instance: M, payload: Any) -> M:
    """Return an instance with the plain values of a payload; other rows are named by their keys."""
    for name, value in payload.items():
        column: Any = instance._meta.get_field(name)
        setattr(instance, column.attname, column.to_python(value))
    return instance


def _agent(now: Authority, agent_id: str) -> AgentFacts:
    for agent in now.agents:
        if agent.agent_id == agent_id:
            return agent
    raise LookupError(agent_id)


def _with_agent(now: Authority, agent: AgentFacts) -> Authority:
    others = [each for each in now.agents if each.agent_id != agent.agent_id]
    return replace(now, agents=(*others, agent))
