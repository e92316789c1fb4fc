"""The authority of all agents at one moment, with what each holds and what reaches it looked up once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property

from agents.decision.contract import Names
from agents.decision.facts import AgentFacts, GrantFacts, MeasureDefinition, OperationFacts, RuleFacts, Snapshot
from agents.decision.reach import granted, reach_of_limit, reach_of_rule

Holders = frozenset[tuple[str, str]]  # those of an agent and its groups that something was granted to
Reached = Mapping[str, tuple[AgentFacts, frozenset[str]]]


@dataclass(frozen=True, slots=True)
class Authority:
    """What lets agents do something at one moment: rules, limits and grants, and who the agents are.

    ``agents``: all that were not retired. ``operations``: those that are switched on, by code.
    """

    snapshot: Snapshot
    agents: tuple[AgentFacts, ...]
    operations: Mapping[str, OperationFacts]
    names: Names = field(default_factory=Names)


class World:
    """One of the two moments, with what each agent holds looked up once."""

    def __init__(self, authority: Authority) -> None:
        self.snapshot, self.operations = authority.snapshot, authority.operations
        self.agents = {agent.agent_id: agent for agent in authority.agents}
        self._held: dict[Holders, dict[str, OperationFacts]] = {}

    @cached_property
    def at_work(self) -> list[AgentFacts]:
        """The agents that were activated and not retired; a brake is lifted again, so those count too."""
        return [agent for agent in self.agents.values() if agent.lifecycle == "active"]

    @cached_property
    def _grants(self) -> dict[tuple[str, str], list[GrantFacts]]:
        found: dict[tuple[str, str], list[GrantFacts]] = {}
        for grant in self.snapshot.grants:
            found.setdefault((grant.holder_kind, grant.holder_id), []).append(grant)
        return found

    def held(self, agent: AgentFacts) -> dict[str, OperationFacts]:
        """Return the operations that an agent may use, by code."""
        # Most agents of a role hold what its group was granted and nothing more: it is looked up once for all.
        holders = self._holders(agent)
        if holders not in self._held:
            grants = [grant for holder in holders for grant in self._grants[holder]]
            found = granted(agent, grants, self.operations)
            self._held[holders] = {operation.code: operation for operation in found}
        return self._held[holders]

    def _holders(self, agent: AgentFacts) -> Holders:
        known = (("user", agent.user_id), *(("group", key) for key in agent.group_ids))
        return frozenset(holder for holder in known if holder in self._grants)

    def grants_alike(self, other: World) -> bool:
        """Say whether in another world the same is granted to the same, of the same operations."""
        return self.snapshot.grants == other.snapshot.grants and self.operations == other.operations

    def of_rule(self, rule: RuleFacts | None, agents: Iterable[AgentFacts]) -> Reached:
        """Return whom of these a rule reaches, with the granted operations it speaks of."""
        if rule is None:
            return {}
        reached = ((agent, reach_of_rule(rule, agent, self.held(agent)).codes) for agent in agents)
        return {agent.agent_id: (agent, frozenset(codes)) for agent, codes in reached if codes}

    def of_limit(self, measure: MeasureDefinition | None, agents: Iterable[AgentFacts]) -> list[AgentFacts]:
        """Return whom of these a limit reaches."""
        if measure is None:
            return []
        return [agent for agent in agents if reach_of_limit(measure, agent, self.held(agent)).codes]
