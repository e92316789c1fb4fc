"""Who can take a piece of work: what is known of the agents of a role, read once per look and role."""

from __future__ import annotations

from collections.abc import Collection, Hashable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import Count

from agents import registry
from agents.decision import (
    AgentFacts,
    DecisionRequest,
    Mode,
    OperationFacts,
    RuleFacts,
    Snapshot,
    Verdict,
    decide,
)
from agents.decision.gates import standing
from agents.decision.patterns import pattern_matches
from agents.models import Agent, Department
from agents.selectors import authority_snapshot, facts_of_agents, money_facts
from workflows.actions.models import Action
from workflows.runs.policies import Candidate, Choice, Sticky, choose
from workflows.runs.services.holding import down
from workflows.tasks.models import Task
from workflows.tasks.selectors import database_now

Refused = tuple[str, str] | None
# Of a rule that reads a limit nothing is known without its counter: the gate will say.
NOT_KNOWN_HERE = frozenset({"rule_error", "arguments_not_decidable", "internal_error"})


@dataclass
class Member:
    """One agent of a role as it was read; ``load`` grows with what it is given meanwhile."""

    agent: Agent
    facts: AgentFacts
    load: int


@dataclass
class Roster:
    """The agents of some roles at one moment. What is decided is decided again where the work is asked for."""

    members: dict[str, list[Member]] = field(default_factory=dict)
    departments: dict[str, str] = field(default_factory=dict)
    operations: dict[str, OperationFacts | None] = field(default_factory=dict)
    authority: tuple[Snapshot, datetime] | None = None
    is_down: dict[str, str] = field(default_factory=dict)
    refusals: dict[Hashable, Refused] = field(default_factory=dict)
    ruled: dict[str, bool] = field(default_factory=dict)

    def down(self, operation: str) -> str:
        """Say why the system of an operation cannot be called now, '' if it can, or may be tried."""
        if operation not in self.is_down:
            self.is_down[operation] = down(operation, may_try=True)
        return self.is_down[operation]

    def choose_for_operation(
        self,
        *,
        role: str,
        department: str,
        operation: str,
        arguments: Mapping[str, Any],
        workflow_id: str,
        needs: Collection[str] = (),
        sticky: Sticky | None = None,
    ) -> tuple[Agent | None, Choice]:
        """Choose who asks for an operation. Limits are not read here: the gate does."""
        members = self._of(role)
        facts = self._operation(operation)
        found = [
            replace(
                self._candidate(one, department, workflow_id),
                refused=self._refused(one, operation, facts, arguments, workflow_id),
            )
            for one in members
        ]
        choice = choose(found, needs=needs, sticky=sticky)
        if choice.agent is None:
            return None, choice
        chosen = next(one for one in members if one.agent.code == choice.agent.code)
        chosen.load += 1
        return chosen.agent, choice

    def look_at(
        self,
        *,
        role: str,
        department: str,
        workflow_id: str,
        needs: Collection[str] = (),
        sticky: Sticky | None = None,
    ) -> tuple[Agent | None, Choice]:
        """Say who could take a task of the role; the work is offered to all of them, they come for it."""
        members = self._of(role)
        choice = choose(
            [self._candidate(one, department, workflow_id) for one in members], needs=needs, sticky=sticky
        )
        chosen = [one.agent for one in members if choice.agent and one.agent.code == choice.agent.code]
        return (chosen[0] if chosen else None), choice

    def _candidate(self, one: Member, department: str, workflow_id: str) -> Candidate:
        snapshot, now = self._authority()
        request = DecisionRequest(
            agent=one.facts, operation_code="", operation=None, arguments={}, now=now, workflow_id=workflow_id
        )
        return Candidate(
            id=one.facts.agent_id,
            code=one.agent.code,
            name=one.agent.name,
            load=one.load,
            labels=frozenset(one.agent.labels),
            is_placed=not department or self._department(department) in one.facts.department_ids,
            shut=standing(request, snapshot) or _finishing(one.agent),
        )

    def _refused(
        self,
        one: Member,
        code: str,
        operation: OperationFacts | None,
        arguments: Mapping[str, Any],
        workflow_id: str,
    ) -> Refused:
        """Say whether grants and rules would deny it outright, by the same pure decision as the gate's.

        Where no rule is about the operation, its arguments mean nothing to that, but for an amount.
        """
        if operation is None or operation.money_path or self._is_ruled(code):
            return self._decided(one, code, operation, arguments, workflow_id)
        place = (one.facts.agent_id, code, workflow_id)
        if place not in self.refusals:
            self.refusals[place] = self._decided(one, code, operation, {}, workflow_id)
        return self.refusals[place]

    def _decided(
        self,
        one: Member,
        code: str,
        operation: OperationFacts | None,
        arguments: Mapping[str, Any],
        workflow_id: str,
    ) -> Refused:
        snapshot, now = self._authority()
        request = DecisionRequest(
            agent=one.facts,
            operation_code=code,
            operation=operation,
            arguments=arguments,
            now=now,
            money=money_facts(operation, arguments, now.date()) if operation else None,
            workflow_id=workflow_id,
        )
        decision = decide(request, replace(snapshot, measures=()))
        if decision.verdict is not Verdict.DENY or decision.code in NOT_KNOWN_HERE:
            return None
        return decision.code, decision.sentence.removeprefix("Denied: ").rstrip(".")

    def _of(self, role: str) -> list[Member]:
        if role not in self.members:
            self.members[role] = _read(role)
        return self.members[role]

    def _is_ruled(self, operation: str) -> bool:
        if operation not in self.ruled:
            self.ruled[operation] = any(_is_about(rule, operation) for rule in self._authority()[0].rules)
        return self.ruled[operation]

    def _authority(self) -> tuple[Snapshot, datetime]:
        if self.authority is None:
            self.authority = authority_snapshot(), database_now()
        return self.authority

    def _operation(self, code: str) -> OperationFacts | None:
        if code not in self.operations:
            self.operations[code] = registry.find_operation(code)
        return self.operations[code]

    def _department(self, code: str) -> str:
        if not self.departments:
            self.departments = {one: str(key) for one, key in Department.objects.values_list("code", "pk")}
        return self.departments.get(code, "nowhere")


def _is_about(rule: RuleFacts, operation: str) -> bool:
    try:
        return rule.mode != Mode.DRAFT and pattern_matches(rule.operations, operation)
    except ValueError:
        return True


def _read(role: str) -> list[Member]:
    """Read the agents of a role that were not retired, and what each has to do; five queries in all."""
    agents = list(
        Agent.objects.select_related("user", "role", "sponsor", "department")
        .filter(role__code=role)
        .exclude(lifecycle=Agent.Lifecycle.RETIRED)
        .order_by("code")
    )
    facts, loads = facts_of_agents(agents), _loads(agents)
    return [Member(agent, facts[agent.pk], loads.get(agent.pk, 0)) for agent in agents]


def _loads(agents: Iterable[Agent]) -> dict[UUID, int]:
    """Count open actions and claimed tasks; what ended is not looked at, however much it is."""
    by_user = {agent.user_id: agent.pk for agent in agents}
    asked = Action.objects.filter(agent__in=by_user.values(), finished_at__isnull=True).order_by()
    found = dict(asked.values_list("agent").annotate(Count("pk")))
    taken = Task.objects.filter(claimed_by__in=list(by_user), state=Task.State.CLAIMED).order_by()
    for user_id, count in taken.values_list("claimed_by").annotate(Count("pk")):
        found[by_user[user_id]] = found.get(by_user[user_id], 0) + count
    return found


def _finishing(agent: Agent) -> tuple[str, str] | None:
    """Say that an agent gets nothing new, because a person lets it finish what it has and pauses it then."""
    if not agent.is_finishing:
        return None
    return "agent_finishing", f"{agent.name} finishes what it has and is paused then"
