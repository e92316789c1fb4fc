"""Probation: two people end it on evidence; a breach brings it back at once, by one person or by itself."""

from __future__ import annotations

import hashlib
from datetime import timedelta

import rfc8785
from django.db import transaction
from django.utils import timezone

from agents import policies, registry, selectors
from agents.decision.employment import PROBATION, READ_ONLY, Terms, breaches, evidence_from, evidence_words
from agents.models import Agent, Certificate, ChangeRequest
from agents.selectors.employment import PROMOTE
from agents.services import certificates, changes
from agents.services.history import lock_row, stamp
from agents.services.lifecycle import file_version, locked, record, require_not_retired, start_probation
from audit.vocabulary import Actor, Refusal, RefusalKind

PORTAL = Actor.system("terms of employment")
# Of a company whose new agents have no probation: one who is put back has one all the same.
DAYS_IF_NONE = 30


def register_change_kinds() -> None:
    """Tell the registry how a promotion is applied, and what makes a proposal of it stale."""
    registry.register_change_kind(PROMOTE, _apply_promotion, _current_version)


def propose_promotion(*, actor: Actor, agent: Agent, reason: str) -> ChangeRequest:
    """Ask that a probation ends. A second person approves exactly the numbers and the contract of this moment.

    Raises Refusal: not allowed, ``not_on_probation``, ``already_proposed``.
    """
    with transaction.atomic():
        agent = locked(agent)
        policies.require(policies.may_promote_agent(actor, agent))
        policies.require_reason(reason)
        _require_on_probation(agent)
        found, contract = selectors.evidence_of(agent), selectors.contract_of(agent)
        return changes.propose_change(
            actor=actor,
            kind=PROMOTE,
            target=agent.as_ref(),
            payload={
                "record": evidence_words(found),
                "evidence": found.as_data(),
                "evidence_digest": found.digest,
                "contract_digest": contract.digest,
                "probation_since": agent.probation_since.isoformat() if agent.probation_since else "",
            },
            summary=f"End the probation of {agent.name}. {_in_brief(agent, found.asked, found.denied)}",
            reason=reason,
            target_version=_version(agent, contract.digest),
        )


def demote_agent(*, actor: Actor, agent: Agent, to: str, reason: str) -> Agent:
    """Put an agent back on probation, or let it only read: at once, and one person is enough.

    ``to``: ``probation`` or ``read_only``. Raises Refusal: not allowed, ``demotion_unknown``, ``not_active``,
    ``no_change``.
    """
    with transaction.atomic():
        agent = locked(agent, exclusively=True)
        policies.require(policies.may_demote_agent(actor, agent))
        policies.require_reason(reason)
        _require_active(agent)
        return put_back(actor=actor, agent=agent, to=to, why="", reason=reason)


def demote_on_breach(*, agent_id: object) -> Agent | None:
    """Put an agent back whose record has reached a term of its employment; None when none is reached.

    What was decided about it last is the beginning: what put it back once does not do so again. Raises nothing
    but what the database does.
    """
    agent = Agent.objects.filter(pk=agent_id).first()  # type: ignore[misc]
    # Counted before the lock as well: nearly all are looked at in vain, and their calls need not wait for it.
    if agent is None or not _reached_terms(agent, selectors.terms_for(agent.role_id)):
        return None
    with transaction.atomic():
        agent = locked(agent, exclusively=True)
        terms = selectors.terms_for(agent.role_id)
        reached = _reached_terms(agent, terms)
        if not reached:
            return None
        why = f"{'; '.join(reached)}."
        return put_back(actor=PORTAL, agent=agent, to=terms.breach_then, why=why, reason=f"Breach: {why}")


def _reached_terms(agent: Agent, terms: Terms) -> list[str]:
    """Return in words which terms its record has reached since the last decision; none if it cannot fall."""
    if (
        not terms.watches
        or agent.lifecycle != Agent.Lifecycle.ACTIVE
        or not _can_fall(agent, terms.breach_then)
    ):
        return []
    window = timezone.now() - timedelta(days=terms.window_days)
    since = max(window, selectors.watched_since(agent))
    return breaches(registry.breach_counts(agent, since), terms)


def put_back(
    *,
    actor: Actor,
    agent: Agent,
    to: str,
    why: str,
    reason: str,
    news: str = "demoted",
) -> Agent:
    """Put an exclusively locked, active agent back; for services that have asked whether it may be."""
    if to not in (PROBATION, READ_ONLY):
        raise Refusal(
            "demotion_unknown",
            f"{agent.name} was not put back: it goes on probation, or may only read.",
            kind=RefusalKind.INVALID,
            next_step="Say probation or read_only.",
        )
    if not _can_fall(agent, to):
        stands = "on probation" if to == PROBATION else "only reading"
        raise Refusal(
            "no_change", f"{agent.name} was not put back: it is {stands} already.", kind=RefusalKind.CONFLICT
        )
    evidence = selectors.evidence_of(agent)
    if to == PROBATION:
        start_probation(agent, selectors.terms_for(agent.role_id).probation_days or DAYS_IF_NONE)
        fields, now = (
            ["probation_since", "probation_until"],
            "is on probation again: a person approves every write",
        )
    else:
        agent.autonomy = Agent.Autonomy.READ_ONLY
        fields, now = ["autonomy"], "may only read"
    stamp(agent, actor=actor, reason=reason[: policies.REASON_MAX_LENGTH]).save(update_fields=fields)
    sentence = f"{agent.name} {now}. {why or f'{actor.label} decided it: {reason.strip()}'}"
    record(actor, "agents.agent_demoted", agent, sentence, reason)
    certificates.issue_certificate(
        actor=actor,
        agent=agent,
        kind=Certificate.Kind.DEMOTION,
        sentence=sentence,
        reason=reason,
        lines=["A second person must agree before it gets back what it had."],
        evidence=evidence,
        contract_digest=selectors.contract_of(agent).digest,
    )
    registry.tell_employment(actor, agent, news, sentence)
    return agent


def _version(agent: Agent, contract_digest: str) -> str:
    """Return a digest of the agent's file and of what binds it: another contract is another promotion."""
    return hashlib.sha256(rfc8785.dumps([file_version(agent), contract_digest])).hexdigest()


def _current_version(change_request: ChangeRequest) -> str:
    agent = lock_row(Agent, change_request.target_id)
    return _version(agent, selectors.contract_of(agent).digest)


def _apply_promotion(actor: Actor, change_request: ChangeRequest) -> None:
    agent = lock_row(Agent, change_request.target_id)
    require_not_retired(agent)
    _require_on_probation(agent)
    agent.probation_since = agent.probation_until = None
    stamp(agent, actor=actor, reason=change_request.reason).save(
        update_fields=["probation_since", "probation_until"]
    )
    proposer = change_request.proposer.as_actor().label
    sentence = f"The probation of {agent.name} has ended: {proposer} asked for it and {actor.label} approved."
    record(actor, "agents.agent_promoted", agent, sentence, change_request.reason)
    payload = change_request.payload
    certificates.issue_certificate(
        actor=actor,
        agent=agent,
        kind=Certificate.Kind.PROMOTION,
        sentence=sentence,
        reason=change_request.decision_reason or change_request.reason,
        lines=[f"{proposer} asked for it: {change_request.reason}", f"Now: {selectors.state_words(agent)}."],
        proposer=change_request.proposer,
        evidence=evidence_from(payload["evidence"]),
        contract_digest=payload["contract_digest"],
    )
    registry.tell_employment(actor, agent, "promoted", sentence)


def _can_fall(agent: Agent, to: str) -> bool:
    if to == PROBATION:
        return not agent.on_probation and agent.autonomy != Agent.Autonomy.READ_ONLY
    return agent.autonomy != Agent.Autonomy.READ_ONLY


def _in_brief(agent: Agent, asked: int, denied: int) -> str:
    freely = agent.get_autonomy_display().lower()
    return f"Asked for since then: {asked:,}, of these refused: {denied:,}. Afterwards: {freely}."


def _require_on_probation(agent: Agent) -> None:
    if agent.lifecycle != Agent.Lifecycle.ACTIVE or not agent.on_probation:
        raise Refusal(
            "not_on_probation",
            f"Nothing was proposed: {agent.name} is not on probation.",
            kind=RefusalKind.CONFLICT,
            next_step="Nothing is left to do; how freely it works is changed by its autonomy.",
        )


def _require_active(agent: Agent) -> None:
    if agent.lifecycle != Agent.Lifecycle.ACTIVE:
        raise Refusal(
            "not_active",
            f"{agent.name} was not put back: it is {agent.get_lifecycle_display().lower()}.",
            kind=RefusalKind.CONFLICT,
        )
