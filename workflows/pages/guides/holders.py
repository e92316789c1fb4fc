"""Whose contract it is: an agent or a role, what it may use, and the policy that the guide keeps for it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from django.http import HttpRequest
from django.shortcuts import get_object_or_404
from django.urls import reverse

from agents.models import Agent, Measure, Policy, PolicyScope, Role, Rule
from agents.selectors import visible_agents
from connectors.models import Operation, OperationGroupObjectPermission
from connectors.models.operations import USE_OPERATION
from connectors.selectors import operations_for_agent
from workflows.pages.guides.contract_forms import Clause, clause_of
from workflows.pages.guides.parts import user_of

MOST = 50


@dataclass(frozen=True, slots=True)
class Holder:
    """An agent or a role that a contract binds."""

    thing: Agent | Role

    @property
    def is_agent(self) -> bool:
        """Whether it is one agent."""
        return isinstance(self.thing, Agent)

    @property
    def name(self) -> str:
        """Return its name."""
        return self.thing.name

    @property
    def scope(self) -> tuple[str, str]:
        """Return whom its policy binds."""
        return (PolicyScope.AGENT if self.is_agent else PolicyScope.ROLE).value, str(self.thing.pk)

    @property
    def policy_code(self) -> str:
        """Return the code of the policy that the guide keeps for it."""
        return f"{'agent' if self.is_agent else 'role'}-{self.thing.code}"[:50] + "-contract"

    def address(self, step: str) -> str:
        """Return where a step of its contract is."""
        if isinstance(self.thing, Agent):
            return f"{reverse('guide-contract-agent', args=[self.thing.pk])}?step={step}"
        return f"{reverse('guide-contract-role', args=[self.thing.code])}?step={step}"

    def operations(self) -> Sequence[Operation]:
        """Return what it may use, at most MOST."""
        if isinstance(self.thing, Agent):
            return list(operations_for_agent(self.thing).order_by("name")[:MOST])
        held = OperationGroupObjectPermission.objects.filter(
            group_id=self.thing.group_id, permission__codename=USE_OPERATION
        )
        found = Operation.objects.filter(pk__in=held.values("content_object"), current_revision__isnull=False)
        return list(found.select_related("system").order_by("name")[:MOST])

    def policy(self) -> Policy | None:
        """Return the policy that the guide keeps for it, if there is one yet."""
        kind, key = self.scope
        return Policy.objects.filter(code=self.policy_code, scope_kind=kind, scope_id=key).first()

    def rules(self) -> list[Rule]:
        """Return the rules of that policy."""
        policy = self.policy()
        if policy is None:
            return []
        return list(policy.rules.select_related("policy", "approver_group").order_by("name")[: 2 * MOST])

    def limits(self) -> list[Measure]:
        """Return the limits that bind exactly this agent or role."""
        kind, key = self.scope
        return list(Measure.objects.filter(scope_kind=kind, scope_id=key).order_by("name")[:MOST])

    def clauses(self) -> list[Clause]:
        """Return what is said of each operation it may use."""
        by_operation: dict[str, list[Rule]] = defaultdict(list)
        for rule in self.rules():
            by_operation[rule.operations].append(rule)
        return [clause_of(operation, by_operation[operation.code]) for operation in self.operations()]


def agent_holder(request: HttpRequest, agent_id: object) -> Holder:
    """Return an agent the reader may see as a holder, or answer 404."""
    found = visible_agents(user_of(request)).exclude(lifecycle=Agent.Lifecycle.RETIRED)
    return Holder(get_object_or_404(found.select_related("role", "department", "sponsor", "user"), pk=agent_id))


def role_holder(code: str) -> Holder:
    """Return a role as a holder, or answer 404."""
    return Holder(get_object_or_404(Role, code=code))


def holder_of(policy: Policy) -> Holder | None:
    """Return whom a policy binds, if it is an agent or a role that is there."""
    model: type[Agent] | type[Role] = Agent if policy.scope_kind == PolicyScope.AGENT else Role
    found = model.objects.filter(pk=policy.scope_id).first()
    return Holder(found) if found else None
