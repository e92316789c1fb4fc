"""Putting a name to what binds an agent: exactly the version that was read, with a reason, for good."""

from __future__ import annotations

from django.db import transaction

from agents import policies, selectors
from agents.decision.contract import Contract, as_signed, as_text
from agents.models import Agent, ContractSignature, User
from agents.services.history import lock_row
from audit.services import record_event
from audit.vocabulary import Actor, Refusal, RefusalKind


def sign_contract(*, actor: Actor, agent: Agent, digest: str, reason: str) -> ContractSignature:
    """Record that a person read and signs the version ``digest``: evidence, which gives and takes no right.

    Raises Refusal: not allowed, reason missing, ``agent_retired``, ``contract_changed`` when another version is
    in force by now, ``already_signed``.
    """
    with transaction.atomic():
        agent = lock_row(Agent, agent.pk)
        policies.require(policies.may_sign_contract(actor, agent))
        policies.require_reason(reason)
        _require_employed(agent)
        contract = selectors.contract_of(agent)
        _require_version(agent, contract, digest)
        signer = policies.user_of(actor)
        _require_first(agent, digest, signer)
        content = as_signed(contract)
        signature = ContractSignature(
            agent=agent,
            signer=signer,
            signer_label=actor.label[:200],
            capacity=_capacity(actor, agent),
            digest=digest,
            content=content,
            text=as_text(content),
            reason=reason.strip(),
        )
        signature.full_clean()
        signature.save(force_insert=True)
        record_event(
            actor=actor,
            verb="agents.contract_signed",
            subject=agent.as_ref(),
            sentence=f"{actor.label} signed the contract of {agent.name} as its {signature.capacity}.",
            reason=reason,
            payload={"signature": str(signature.pk), "digest": digest, "text": signature.text},
            **agent.event_refs(),
        )
    return signature


def _require_employed(agent: Agent) -> None:
    if agent.lifecycle == Agent.Lifecycle.RETIRED:
        raise Refusal(
            "agent_retired",
            f"Nothing was signed: {agent.name} has been retired. Its signed versions stay on record.",
            kind=RefusalKind.CONFLICT,
        )


def _require_version(agent: Agent, contract: Contract, digest: str) -> None:
    if digest != contract.digest:
        raise Refusal(
            "contract_changed",
            f"Nothing was signed: what binds {agent.name} is no longer what you read.",
            detail={"digest": contract.digest},
            kind=RefusalKind.CONFLICT,
            next_step="Read it again and sign that version.",
        )


def _require_first(agent: Agent, digest: str, signer: User | None) -> None:
    if ContractSignature.objects.filter(agent=agent, digest=digest, signer=signer).exists():
        raise Refusal(
            "already_signed",
            f"You have signed this version of the contract of {agent.name} already.",
            kind=RefusalKind.CONFLICT,
            next_step="Nothing is left to do until the contract changes.",
        )


def _capacity(actor: Actor, agent: Agent) -> str:
    if actor.id == str(agent.sponsor_id):
        return ContractSignature.Capacity.SPONSOR
    if actor.id == str(agent.deputy_id):
        return ContractSignature.Capacity.DEPUTY
    return ContractSignature.Capacity.MANAGER
