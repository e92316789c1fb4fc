"""Attestation: the sponsor says from time to time that the agent is still needed, with what it may do."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta

from django.db import transaction
from django.utils import timezone

from agents import policies, registry, selectors
from agents.decision.employment import READ_ONLY, is_overdue
from agents.models import Agent, Certificate
from agents.services import certificates, probation
from agents.services.history import stamp
from agents.services.lifecycle import locked, own_operations, record
from audit.vocabulary import Actor, Refusal, RefusalKind

# Where the terms name no period, the next confirmation is as far away as this.
DAYS_IF_NONE = 365


def attest_agent(
    *,
    actor: Actor,
    agent: Agent,
    still_needed: bool,
    digest: str,
    reason: str,
    take_away: Iterable[str] = (),
) -> Agent:
    """Record that who answers for an agent has read its record and contract, and that it still needs both.

    ``digest`` names the contract that was read. ``take_away``: codes of operations granted to the agent itself
    that it needs no longer; they are revoked at once. The next day is set by the terms of employment. It gives
    nothing back: one that was overdue may only read until a second person agrees.
    Raises Refusal: not the sponsor, ``not_active``, ``not_stated``, ``contract_changed``,
    ``not_granted_itself``.
    """
    with transaction.atomic():
        agent = locked(agent, exclusively=True)
        policies.require(policies.may_attest_agent(actor, agent))
        policies.require_reason(reason)
        _require_active(agent)
        _require_stated(agent, still_needed)
        contract = selectors.contract_of(agent)
        if digest != contract.digest:
            raise Refusal(
                "contract_changed",
                f"Nothing was confirmed: what binds {agent.name} is no longer what you read.",
                detail={"digest": contract.digest},
                kind=RefusalKind.CONFLICT,
                next_step="Read it again and confirm that.",
            )
        drop_if_overdue(agent)  # what the clock has not done yet is not undone by being late
        taken = _take_away(actor, agent, sorted(set(take_away)), reason)
        evidence, terms = selectors.evidence_of(agent), selectors.terms_for(agent.role_id)
        agent.attest_by = timezone.now().date() + timedelta(days=terms.attest_every_days or DAYS_IF_NONE)
        stamp(agent, actor=actor, reason=reason).save(update_fields=["attest_by"])
        following = selectors.day(agent.attest_by)
        sentence = f"{actor.label} confirmed that {agent.name} is still needed, next by {following}."
        record(actor, "agents.agent_attested", agent, sentence, reason)
        certificates.issue_certificate(
            actor=actor,
            agent=agent,
            kind=Certificate.Kind.ATTESTATION,
            sentence=sentence,
            reason=reason,
            lines=[
                f"Taken away: {', '.join(taken)}." if taken else "It still needs all that it may do.",
                f"It stands so: {selectors.state_words(agent)}.",
            ],
            evidence=evidence,
            contract_digest=selectors.contract_of(agent).digest,
        )
        registry.tell_employment(actor, agent, "attested", sentence)
        return agent


def drop_overdue(*, agent_id: object) -> bool:
    """Let an agent only read whose confirmation is overdue past its grace; say whether it was done now."""
    with transaction.atomic():
        agent = Agent.objects.filter(pk=agent_id).first()  # type: ignore[misc]
        return agent is not None and drop_if_overdue(locked(agent, exclusively=True))


def drop_if_overdue(agent: Agent) -> bool:
    """Do the same to an agent that is locked exclusively."""
    grace = selectors.terms_for(agent.role_id).attest_grace_days
    late = is_overdue(agent.attest_by, grace, timezone.now().date())
    is_free = agent.lifecycle == Agent.Lifecycle.ACTIVE and agent.autonomy != Agent.Autonomy.READ_ONLY
    if not (late and is_free and agent.attest_by):
        return False
    day = selectors.day(agent.attest_by)
    why = f"It had to be confirmed by {day}, and nobody did within {grace} days of it."
    probation.put_back(
        actor=probation.PORTAL,
        agent=agent,
        to=READ_ONLY,
        why=why,
        reason=f"Not confirmed: {why}",
        news="overdue",
    )
    return True


def _take_away(actor: Actor, agent: Agent, codes: list[str], reason: str) -> list[str]:
    if not codes:
        return []
    own = own_operations(agent)
    if others := sorted(set(codes) - set(own)):
        raise Refusal(
            "not_granted_itself",
            f"Nothing was confirmed: {', '.join(others)[:300]} is not granted to {agent.name} itself.",
            kind=RefusalKind.INVALID,
            next_step="What comes with its role is taken from the role, by a manager.",
        )
    registry.withdraw_grants(actor, agent, codes, reason)
    return codes


def _require_stated(agent: Agent, still_needed: bool) -> None:
    if not still_needed:
        raise Refusal(
            "not_stated",
            f"Nothing was confirmed: say that {agent.name} still needs what it may do.",
            kind=RefusalKind.INVALID,
            next_step="If it does not, name what to take away, put it back, or have it retired.",
        )


def _require_active(agent: Agent) -> None:
    if agent.lifecycle != Agent.Lifecycle.ACTIVE:
        raise Refusal(
            "not_active",
            f"Nothing was confirmed: {agent.name} is {agent.get_lifecycle_display().lower()}.",
            kind=RefusalKind.CONFLICT,
        )
