"""The contract of an agent as it stands now, and what was signed of it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from django.conf import settings
from django.utils import timezone

from agents import registry
from agents.decision.clauses import write_contract
from agents.decision.contract import Contract, ContractFacts, Difference, Names, ThrottleFacts, difference
from agents.models import Agent, ContractSignature, Department, Policy, PolicyScope, Throttle, User
from agents.selectors.authority import agent_facts, authority_snapshot


@dataclass(frozen=True, slots=True)
class Signing:
    """Who signed what. ``current``: the signatures of the version in force, newest first.

    ``last`` is the newest of all, and ``changed`` what is different since then; both only when the version in
    force is not signed.
    """

    current: tuple[ContractSignature, ...] = ()
    last: ContractSignature | None = None
    changed: Difference = field(default_factory=Difference)


def contract_of(agent: Agent) -> Contract:
    """Return what binds an agent now, fresh from the database."""
    agent = Agent.objects.select_related("sponsor", "deputy", "role", "department").get(pk=agent.pk)
    facts = agent_facts(agent)
    departments = Department.objects.filter(pk__in=facts.department_ids).values_list("pk", "name")
    scopes = {(PolicyScope.DEPARTMENT.value, str(key)): name for key, name in departments}
    written = write_contract(
        ContractFacts(
            agent=facts,
            purpose=agent.purpose,
            snapshot=authority_snapshot(),
            operations={it.code: it for it in registry.all_operations()},
            today=timezone.now().date(),
            throttles=tuple(_throttle(it) for it in Throttle.objects.filter(is_enabled=True)),
            names=Names(
                sponsor=_name(agent.sponsor),
                deputy=_name(agent.deputy) if agent.deputy else "",
                role=agent.role.name,
                department=agent.department.name,
                ordinary_approvers=settings.DEFAULT_APPROVER_GROUP,
                scopes={**scopes, (PolicyScope.ROLE.value, facts.role_id): agent.role.name},
                policies={str(key): name for key, name in Policy.objects.values_list("pk", "name")},
                systems={it.id: it.label for it in registry.stop_targets("system")},
            ),
        )
    )
    return replace(written, standing=(*written.standing, *registry.contract_notes(agent)))


def signing_of(agent: Agent, contract: Contract) -> Signing:
    """Return who signed the version in force, or what has changed since somebody last signed one."""
    signatures = ContractSignature.objects.filter(agent=agent)
    if current := tuple(signatures.filter(digest=contract.digest)):
        return Signing(current=current)
    last = signatures.first()
    return Signing(last=last, changed=difference(last.content, contract)) if last else Signing()


def _throttle(throttle: Throttle) -> ThrottleFacts:
    return ThrottleFacts(
        scope_kind=throttle.scope_kind,
        scope_id=throttle.scope_id,
        label=throttle.name,
        most_at_once=throttle.most_at_once,
        most=throttle.most,
        per_seconds=throttle.per_seconds,
    )


def _name(user: User) -> str:
    return user.get_full_name() or user.username
