"""The end of an agent's employment: what it has open is settled, its access ends, and that is checked."""

from __future__ import annotations

from collections.abc import Mapping

from django.db import transaction

from agents import policies, registry
from agents.models import Agent, Certificate
from agents.services import certificates, credentials, handing_over
from agents.services.handing_over import Settlement
from agents.services.history import stamp
from agents.services.lifecycle.parts import granted_operations, locked, record
from audit.vocabulary import Actor, Refusal, RefusalKind


def retire_agent(
    *, actor: Actor, agent: Agent, reason: str, settled: Mapping[str, Settlement] | None = None
) -> Agent:
    """End the agent's employment for good: access closed, secrets, tokens and grants revoked, its records kept.

    ``settled`` says of what is still open (by the key of ``registry.handover_items``) who gets it, or why it is
    left. Raises Refusal ``handover_open`` while something that blocks is neither; ``revocation_incomplete``
    when it could still do something afterwards: then nothing was changed.
    """
    with transaction.atomic():
        policies.require(policies.may_retire_agent(actor, agent))
        policies.require_reason(reason)
        _require_not_retired_twice(agent)
        # Before the lock of the agent: a call that begins has its action first, and this lock second.
        done = handing_over.settle(actor=actor, agent=agent, settled=settled or {})
        agent = locked(agent, exclusively=True)
        _require_not_retired_twice(agent)
        handing_over.require_nothing_open(agent, done)
        codes = granted_operations(agent)
        agent.lifecycle, agent.probation_since, agent.probation_until = Agent.Lifecycle.RETIRED, None, None
        stamp(agent, actor=actor, reason=reason).save(
            update_fields=["lifecycle", "probation_since", "probation_until"]
        )
        agent.user.is_active = False
        stamp(agent.user, actor=actor, reason=reason).save(update_fields=["is_active"])
        credentials.revoke_all(actor=actor, agent=agent, reason=reason)
        withdrawn = registry.withdraw_grants(actor, agent, None, reason)
        confirmed = handing_over.confirm_revoked(agent, codes, withdrawn)
        sentence = f"{actor.label} retired {agent.name}."
        record(actor, "agents.agent_retired", agent, sentence, reason)
        certificates.issue_certificate(
            actor=actor,
            agent=agent,
            kind=Certificate.Kind.RETIREMENT,
            sentence=sentence,
            reason=reason,
            lines=[*done.values(), *confirmed],
        )
        registry.tell_employment(actor, agent, "retired", sentence)
        return agent


def _require_not_retired_twice(agent: Agent) -> None:
    if agent.lifecycle == Agent.Lifecycle.RETIRED:
        raise Refusal("agent_retired", f"{agent.name} is already retired.", kind=RefusalKind.CONFLICT)
