"""What a copied agent may do beside its original, in sentences: read by whoever lets it start work."""

from __future__ import annotations

import re
from dataclasses import replace

from agents.decision.authority import Authority, authority_difference
from agents.decision.facts import AgentFacts, MeasureDefinition, RuleFacts
from agents.decision.said import NOTHING, Said, tighter
from agents.models import Agent, ChangeRequest, Department, User
from agents.registry import AgentPanel
from agents.selectors.affected import departments_around
from agents.selectors.authority import facts_by_key
from agents.selectors.difference import authority_over


def difference_to_original(agent: Agent, present: Authority | None = None) -> tuple[Said, ...]:
    """Return how what a copy may do differs from what its original may, looser first; nothing if it is none.

    Both are taken as at work: it is authority that is compared, not what stops either of them just now.
    """
    if agent.cloned_from is None:
        return ()
    original = agent.cloned_from
    found = facts_by_key([agent.pk, original.pk])
    now = present or authority_over(agent, original)
    was, copy = (replace(found[key], lifecycle="active") for key in (original.pk, agent.pk))
    before = replace(now, agents=(was,))
    said = authority_difference(_without(before, copy), _as_original(now, was, copy))
    if [it.text for it in said] == [tighter(f"{NOTHING}: no agent at work is concerned").text]:
        return (tighter(f"Compared with {original.name}: it may do just the same"),)
    return tuple(replace(it, text=f"Compared with {original.name}: {it.text}") for it in said)


def remark_on_activation(change: ChangeRequest, now: Authority) -> tuple[Said, ...]:
    """Return the same for the activation of a copy."""
    agent = (
        Agent.objects.select_related("cloned_from", "sponsor", "department").filter(pk=change.target_id).first()
    )
    if agent is None or agent.cloned_from is None:
        return ()
    found = difference_to_original(agent, now)
    if answers_there(agent.sponsor, agent.department):
        return found
    return (*found, tighter(f"{agent.sponsor}, who answers for it, is not of {agent.department}"))


def answers_there(person: User, department: Department) -> bool:
    """Tell whether a person works in a department or above it, or manages one of these."""
    above = departments_around(department)[0]
    return str(person.department_id) in above or person.managed_departments.filter(pk__in=above).exists()


def clone_panel(agent: Agent, user: User) -> AgentPanel | None:
    """Return, on the page of a copy, how it differs from its original."""
    if agent.cloned_from is None or not user.has_perm("agents.view_agent"):
        return None
    rows = [(said.text,) for said in difference_to_original(agent)]
    return AgentPanel(title=f"Copied from {agent.cloned_from.name}", columns=("What is different",), rows=rows)


def _without(world: Authority, copy: AgentFacts) -> Authority:
    snapshot = world.snapshot
    rules = tuple(it for it in snapshot.rules if not _is_of(it, copy))
    measures = tuple(it for it in snapshot.measures if not _is_of(it, copy))
    return replace(world, snapshot=replace(snapshot, rules=rules, measures=measures))


def _as_original(world: Authority, was: AgentFacts, copy: AgentFacts) -> Authority:
    """Return the world in which the copy stands where the original does, with its own rules and limits."""
    snapshot = world.snapshot
    old_rules = {it.name: it for it in snapshot.rules if _is_of(it, was)}
    old_limits = {it.name: it for it in snapshot.measures if _is_of(it, was)}
    rules = [
        _rule_in_place(it, old_rules.get(it.name), was) if _is_of(it, copy) else it
        for it in snapshot.rules
        if not _is_of(it, was)
    ]
    measures = [
        _limit_in_place(it, old_limits.get(it.name), was) if _is_of(it, copy) else it
        for it in snapshot.measures
        if not _is_of(it, was)
    ]
    return replace(
        world,
        agents=(replace(copy, agent_id=was.agent_id),),
        snapshot=replace(snapshot, rules=tuple(rules), measures=tuple(measures)),
    )


def _rule_in_place(rule: RuleFacts, old: RuleFacts | None, was: AgentFacts) -> RuleFacts:
    """A rule of the same name is the same rule: then only what it says counts as different."""
    placed = replace(rule, scope_id=was.agent_id)
    if old is None:
        return placed
    condition = old.condition if _renamed_alike(rule.condition, old.condition) else rule.condition
    field = old.field if condition == old.condition else rule.field
    also = old.also if condition == old.condition else rule.also
    return replace(
        placed,
        rule_id=old.rule_id,
        policy_id=old.policy_id,
        policy_code=old.policy_code,
        version=old.version,
        condition=condition,
        field=field,
        also=also,
    )


def _limit_in_place(
    limit: MeasureDefinition, old: MeasureDefinition | None, was: AgentFacts
) -> MeasureDefinition:
    placed = replace(limit, scope_id=was.agent_id)
    return (
        placed
        if old is None
        else replace(placed, measure_id=old.measure_id, code=old.code, version=old.version)
    )


def _is_of(bound: RuleFacts | MeasureDefinition, agent: AgentFacts) -> bool:
    return (bound.scope_kind, bound.scope_id) == ("agent", agent.agent_id)


def _renamed_alike(condition: str, old: str) -> bool:
    """A copied rule reads the copy's own limit: that is no difference."""
    return _LIMIT.sub("measures._", condition) == _LIMIT.sub("measures._", old)


_LIMIT = re.compile(r"measures\.\w+")
