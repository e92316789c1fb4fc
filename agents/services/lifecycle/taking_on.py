"""An agent is registered as a draft, and two people let it start work."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, timedelta

from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils import timezone

from agents import policies, selectors
from agents.models import Agent, Certificate, ChangeRequest, Department, OAuthApplication, Role, User
from agents.services import certificates, changes
from agents.services.history import lock_row, stamp
from agents.services.lifecycle.parts import file_version, granted_operations, locked, record, require_people
from audit.vocabulary import Actor, Refusal, RefusalKind

ACTIVATE = "agents.agent.activate"


def register_agent(
    *,
    actor: Actor,
    name: str,
    code: str,
    purpose: str,
    sponsor: User,
    department: Department,
    role: Role,
    reason: str,
    deputy: User | None = None,
    provider: str = "",
    model: str = "",
    version: str = "",
    labels: Iterable[str] = (),
    reached_by: str = Agent.ReachedBy.POLLS,
    autonomy: str = Agent.Autonomy.HOLD_WRITES,
    risk_tier: str = Agent.RiskTier.MEDIUM,
    attest_by: date | None = None,
) -> Agent:
    """Take an agent on as a draft: identity (no password), OAuth client, place. It may do nothing yet.

    Raises Refusal: not allowed, reason missing, sponsor not an active person; ValidationError for a field.
    """
    policies.require(policies.may_register_agent(actor))
    policies.require_reason(reason)
    require_people(sponsor, deputy)
    with transaction.atomic():
        user = _identity(actor, code, name, role, reason)
        agent = Agent(
            user=user,
            name=name,
            code=code,
            purpose=purpose,
            sponsor=sponsor,
            deputy=deputy,
            department=department,
            role=role,
            provider=provider,
            model=model,
            version=version,
            labels=list(labels),
            reached_by=reached_by,
            autonomy=autonomy,
            risk_tier=risk_tier,
            attest_by=attest_by,
        )
        agent.full_clean()
        stamp(agent, actor=actor, reason=reason).save()
        application = OAuthApplication(agent=agent, user=user, name=code)
        application.full_clean()
        stamp(application, actor=actor, reason=reason).save()
        sentence = f"{actor.label} registered {name} ({role}) for {department}; {sponsor} answers for it."
        record(actor, "agents.agent_registered", agent, sentence, reason)
        return agent


def activate_agent(*, actor: Actor, agent: Agent, reason: str) -> ChangeRequest:
    """Ask that a draft starts work. Another person approves exactly this file and these grants.

    Raises Refusal: not allowed, not a draft, sponsor not active.
    """
    with transaction.atomic():
        agent = locked(agent)
        policies.require(policies.may_activate_agent(actor, agent))
        policies.require_reason(reason)
        _require_draft(agent)
        require_people(agent.sponsor, agent.deputy)
        codes = granted_operations(agent)
        may_do = ", ".join(codes) if codes else "no operation yet"
        terms = selectors.terms_for(agent.role_id)
        days, attest_by = terms.probation_days, agent.attest_by
        if attest_by is None and terms.attest_every_days:
            attest_by = timezone.now().date() + timedelta(days=terms.attest_every_days)
        watched = f" It begins on a probation of {days} days: a person approves every write." if days else ""
        return changes.propose_change(
            actor=actor,
            kind=ACTIVATE,
            target=agent.as_ref(),
            payload={
                "lifecycle": Agent.Lifecycle.ACTIVE.value,
                "operations": codes,
                "probation_days": days,
                "attest_by": attest_by.isoformat() if attest_by else None,
            },
            summary=f"Let {agent.name} ({agent.role}, {agent.get_autonomy_display().lower()}) start work. "
            f"It may use: {may_do}.{watched}",
            reason=reason,
            target_version=file_version(agent),
        )


def apply_activation(actor: Actor, change_request: ChangeRequest) -> None:
    """Let a draft start work, on the probation that whoever approved read."""
    agent = lock_row(Agent, change_request.target_id)
    _require_draft(agent)
    require_people(agent.sponsor, agent.deputy)
    agent.lifecycle = Agent.Lifecycle.ACTIVE
    # Whoever approved read how long it is; terms that have become stricter since count as well.
    proposed = int(change_request.payload.get("probation_days", 0))
    start_probation(agent, max(proposed, selectors.terms_for(agent.role_id).probation_days))
    if attest_by := change_request.payload.get("attest_by"):
        agent.attest_by = date.fromisoformat(attest_by)
    stamp(agent, actor=actor, reason=change_request.reason).save(
        update_fields=["lifecycle", "probation_since", "probation_until", "attest_by"]
    )
    proposer = change_request.proposer.as_actor().label
    sentence = f"{agent.name} started work: {proposer} asked for it and {actor.label} approved."
    record(actor, "agents.agent_activated", agent, sentence, change_request.reason)
    codes = granted_operations(agent)
    certificates.issue_certificate(
        actor=actor,
        agent=agent,
        kind=Certificate.Kind.ACTIVATION,
        sentence=sentence,
        reason=change_request.decision_reason or change_request.reason,
        lines=[
            f"It stands so: {selectors.state_words(agent)}.",
            f"It may use: {', '.join(codes)}." if codes else "It may use no operation yet.",
        ],
        proposer=change_request.proposer,
        contract_digest=selectors.contract_of(agent).digest,
    )


def start_probation(agent: Agent, days: int) -> None:
    """Put a locked agent on a probation that is planned for so many days; the caller saves. 0: on none."""
    now = timezone.now()
    agent.probation_since = now if days else None
    agent.probation_until = now.date() + timedelta(days=days) if days else None


def _identity(actor: Actor, code: str, name: str, role: Role, reason: str) -> User:
    user = User(username=f"agent.{code}", first_name=name[:150], kind=User.Kind.AGENT)
    user.set_unusable_password()
    try:
        user.full_clean(exclude=["password"])
    except ValidationError as error:
        raise ValidationError({"code": error.messages}) from error
    stamp(user, actor=actor, reason=reason).save()
    user.groups.add(role.group)
    return user


def _require_draft(agent: Agent) -> None:
    if agent.lifecycle != Agent.Lifecycle.DRAFT:
        raise Refusal(
            "not_a_draft",
            f"{agent.name} cannot be activated: it is {agent.get_lifecycle_display().lower()}.",
            kind=RefusalKind.CONFLICT,
        )
