"""Which operations an agent holds, and which of them a rule or a limit speaks of."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from agents.decision.facts import AgentFacts, GrantFacts, MeasureDefinition, OperationFacts, RuleFacts
from agents.decision.patterns import operations_hit, scope_binds


@dataclass(frozen=True, slots=True)
class Reach:
    """Which granted operations a rule or limit speaks of; ``broken`` when that cannot be told: then all."""

    codes: tuple[str, ...]
    broken: bool = False


def granted(
    agent: AgentFacts, grants: Iterable[GrantFacts], operations: Mapping[str, OperationFacts]
) -> Iterator[OperationFacts]:
    """Yield the operations that are switched on and granted to the agent or to a group it is in, each once."""
    holders = {("user", agent.user_id), *(("group", key) for key in agent.group_ids)}
    codes = {it.operation for it in grants if (it.holder_kind, it.holder_id) in holders}
    for code in sorted(codes):
        if operation := operations.get(code):
            yield operation


def reach_of_rule(rule: RuleFacts, agent: AgentFacts, held: Mapping[str, OperationFacts]) -> Reach:
    """Return what of the operations held a rule speaks of; nothing when it does not bind the agent."""
    return _reach(rule.scope_kind, rule.scope_id, rule.operations, rule.effects, agent, held)


def reach_of_limit(measure: MeasureDefinition, agent: AgentFacts, held: Mapping[str, OperationFacts]) -> Reach:
    """Return what of the operations held a limit counts; nothing when it does not bind the agent."""
    return _reach(measure.scope_kind, measure.scope_id, measure.operations, (), agent, held)


def _reach(
    kind: str,
    key: str,
    pattern: str,
    effects: tuple[str, ...],
    agent: AgentFacts,
    held: Mapping[str, OperationFacts],
) -> Reach:
    try:
        if not scope_binds(kind, key, agent):
            return Reach(())
        found = [operation.code for operation in operations_hit(pattern, effects, held.values())]
    except ValueError:
        return Reach(tuple(sorted(held)), broken=True)
    return Reach(tuple(sorted(found)))
