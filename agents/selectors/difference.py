"""What a change would let whom do: authority as it stands beside authority as it would be. Writes nothing."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from django.conf import settings
from django.core.exceptions import ObjectDoesNotExist
from django.db.models import QuerySet

from agents import registry
from agents.decision.authority import Authority, authority_difference
from agents.decision.contract import Names
from agents.decision.facts import AgentFacts, GrantFacts, MeasureDefinition, RuleFacts
from agents.decision.said import Said
from agents.models import Agent, ChangeRequest, Department, Policy, Role
from agents.selectors.authority import authority_now, authority_snapshot, facts_of_agents, facts_of_many


@dataclass(frozen=True, slots=True)
class Foreseen:
    """What a change lets whom do: as its proposer saw it, and as it would be today.

    ``now`` is None when it is decided, or says nothing about what agents may do. ``is_gone``: what it is about
    no longer exists.
    """

    then: tuple[str, ...]
    now: tuple[str, ...] | None = None
    is_gone: bool = False

    @property
    def has_moved(self) -> bool:
        """Tell whether it means something else today than when it was proposed."""
        return self.is_gone or (self.now is not None and self.now != self.then)


def present_authority() -> Authority:
    """Return all authority as it stands, with every agent that was not retired; a handful of queries.

    Who the agents are is read once for each version of authority, which moves with it; a name is no authority,
    so names are read anew.
    """
    present = authority_now()
    names = _names(Agent.objects.all())
    known = present.kept(("agents",), _facts_of_everybody)
    return Authority(
        snapshot=present.snapshot,
        agents=tuple(_named(agent, names) for agent in known),
        operations={operation.code: operation for operation in registry.all_operations()},
        names=names,
    )


def _facts_of_everybody() -> tuple[AgentFacts, ...]:
    return tuple(facts_of_many(Agent.objects.exclude(lifecycle=Agent.Lifecycle.RETIRED)).values())


def _named(agent: AgentFacts, names: Names) -> AgentFacts:
    name = names.scopes.get(("agent", agent.agent_id), agent.name)
    return agent if name == agent.name else replace(agent, name=name)


def authority_over(*agents: Agent) -> Authority:
    """Return the same with these agents alone: what is asked about one of them need not read ten thousand."""
    these = Agent.objects.filter(pk__in=[agent.pk for agent in agents])
    return Authority(
        snapshot=authority_snapshot(),
        agents=tuple(facts_of_agents(these.select_related("user", "role", "sponsor").order_by("pk")).values()),
        operations={operation.code: operation for operation in registry.all_operations()},
        names=_names(these),
    )


def difference_of_change(change_request: ChangeRequest, present: Authority | None = None) -> tuple[Said, ...]:
    """Return what applying a change would let whom do; nothing for a kind that is not about that.

    Raises LookupError or ObjectDoesNotExist when what it is about is gone.
    """
    foresee = registry.foresight(change_request.kind)
    if foresee is None:
        return ()
    now = present or present_authority()
    return (*authority_difference(now, foresee(change_request, now)), *registry.remarks(change_request, now))


def foreseen(change_request: ChangeRequest, present: Authority | None = None) -> Foreseen:
    """Return what a change means, and whether that is still what its proposer saw."""
    then = tuple(map(str, change_request.authority))
    pending = change_request.state == ChangeRequest.State.PENDING
    if not pending or registry.foresight(change_request.kind) is None:
        return Foreseen(then)
    try:
        return Foreseen(then, tuple(said.text for said in difference_of_change(change_request, present)))
    except (LookupError, ObjectDoesNotExist):
        return Foreseen(then, is_gone=True)


def difference_of_rules(*rules: RuleFacts) -> tuple[Said, ...]:
    """Return what would be different with these rules for those of the same ids, or beside them."""
    now = present_authority()
    return authority_difference(now, with_rules(now, rules))


def difference_of_limits(*measures: MeasureDefinition) -> tuple[Said, ...]:
    """Return what would be different with these limits for those of the same ids, or beside them."""
    now = present_authority()
    return authority_difference(now, with_limits(now, measures))


def difference_of_move(policy: Policy, scope_kind: str, scope_id: str) -> tuple[Said, ...]:
    """Return what would be different if a policy bound somebody else."""
    now = present_authority()
    return authority_difference(now, with_scope(now, str(policy.pk), scope_kind, scope_id))


def difference_of_grants(grants: Iterable[GrantFacts]) -> tuple[Said, ...]:
    """Return what would be different with these grants too."""
    now = present_authority()
    return authority_difference(now, with_grants(now, grants))


def differences_of_autonomy(agent: Agent) -> list[tuple[str, tuple[Said, ...]]]:
    """Return, for every other autonomy (by its label), what that would let an agent do."""
    now = authority_over(agent)
    found = []
    for autonomy in Agent.Autonomy:
        if autonomy != agent.autonomy:
            agents = (_with_autonomy(each, str(agent.pk), autonomy.value) for each in now.agents)
            after = replace(now, agents=tuple(agents))
            found.append((str(autonomy.label), authority_difference(now, after)))
    return found


def _with_autonomy(agent: AgentFacts, agent_id: str, autonomy: str) -> AgentFacts:
    return replace(agent, autonomy=autonomy) if agent.agent_id == agent_id else agent


def with_grants(now: Authority, grants: Iterable[GrantFacts]) -> Authority:
    """Return authority with some more grants."""
    return replace(now, snapshot=replace(now.snapshot, grants=now.snapshot.grants | set(grants)))


def with_rules(now: Authority, rules: Iterable[RuleFacts]) -> Authority:
    """Return authority with some rules changed or added."""
    wanted = {rule.rule_id: rule for rule in rules}
    kept = [rule for rule in now.snapshot.rules if rule.rule_id not in wanted]
    return replace(now, snapshot=replace(now.snapshot, rules=(*kept, *wanted.values())))


def without_rule(now: Authority, rule_id: str) -> Authority:
    """Return authority without a rule; raises LookupError when there is none."""
    kept = tuple(rule for rule in now.snapshot.rules if rule.rule_id != rule_id)
    if len(kept) == len(now.snapshot.rules):
        raise LookupError(rule_id)
    return replace(now, snapshot=replace(now.snapshot, rules=kept))


def with_limits(now: Authority, measures: Iterable[MeasureDefinition]) -> Authority:
    """Return authority with some limits changed or added."""
    wanted = {measure.measure_id: measure for measure in measures}
    kept = [measure for measure in now.snapshot.measures if measure.measure_id not in wanted]
    return replace(now, snapshot=replace(now.snapshot, measures=(*kept, *wanted.values())))


def with_scope(now: Authority, policy_id: str, scope_kind: str, scope_id: str) -> Authority:
    """Return authority with every rule of a policy binding somebody else."""
    rules = [rule for rule in now.snapshot.rules if rule.policy_id == policy_id]
    return with_rules(now, [replace(rule, scope_kind=scope_kind, scope_id=scope_id) for rule in rules])


def _names(agents: QuerySet[Agent]) -> Names:
    found: dict[str, QuerySet[Any]] = {
        "department": Department.objects.all(),
        "role": Role.objects.all(),
        "agent": agents,
    }
    scopes = {
        (kind, str(key)): name for kind, rows in found.items() for key, name in rows.values_list("pk", "name")
    }
    return Names(
        ordinary_approvers=settings.DEFAULT_APPROVER_GROUP,
        scopes=scopes,
        systems={system.id: system.label for system in registry.stop_targets("system")},
    )
