"""An agent's life: registered, activated by two people, braked, freed, retired; each with a name and a reason.

How its probation ends is in ``probation``, how its sponsor confirms it in ``attesting``.

Order everywhere: lock, ask, change, record. A brake first takes its stop scope exclusively, so that no dispatch
of this agent commits after the brake has (architecture, invariant 8).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from datetime import date, timedelta
from typing import Any

import rfc8785
from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils import timezone

from agents import policies, registry, selectors
from agents.decision.facts import GrantFacts
from agents.models import Agent, Certificate, ChangeRequest, Department, OAuthApplication, Role, User
from agents.services import certificates, changes, credentials, handing_over, stops
from agents.services.handing_over import Settlement
from agents.services.history import lock_row, stamp
from audit.services import record_event
from audit.vocabulary import Actor, Ref, Refusal, RefusalKind

ACTIVATE = "agents.agent.activate"
REASSIGN = "agents.agent.reassign"
LOOSEN_AUTONOMY = "agents.agent.autonomy"

# What says nothing about authority may be changed at any time; the rest of the file only while it is a draft.
UNGOVERNED = ("name", "purpose", "deputy", "provider", "model", "version", "labels", "reached_by")
GOVERNED = ("sponsor", "department", "role", "risk_tier", "attest_by")
FREEDOM = (Agent.Autonomy.READ_ONLY, Agent.Autonomy.HOLD_WRITES, Agent.Autonomy.BY_CONTRACT)
RELATIONS: dict[str, Any] = {"sponsor": User, "department": Department, "role": Role, "deputy": User}


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


def update_agent(*, actor: Actor, agent: Agent, changes: Mapping[str, Any], reason: str) -> Agent:
    """Change the agent's file. A draft's may change freely; later only what gives no authority (UNGOVERNED).

    Raises Refusal ``field_governed``: ``propose_reassignment`` or another verb must change those.
    """
    with transaction.atomic():
        agent = locked(agent)
        policies.require(policies.may_change_agent(actor, agent))
        policies.require_reason(reason)
        allowed = {*UNGOVERNED, *(GOVERNED if agent.lifecycle == Agent.Lifecycle.DRAFT else ())}
        if closed := sorted(set(changes) - allowed):
            raise Refusal(
                "field_governed",
                f"{agent.name} was not changed: {', '.join(closed)} can only be changed by a verb of its own.",
                next_step="Propose a reassignment, or use the button for it.",
            )
        require_people(changes.get("sponsor"), changes.get("deputy"))
        return _write(actor, agent, changes, reason, "agents.agent_updated")


def label_agent(*, actor: Actor, agent: Agent, labels: Iterable[str], reason: str) -> Agent:
    """Say anew what an agent can do. It is no authority, so that nobody else is asked."""
    return update_agent(actor=actor, agent=agent, changes={"labels": sorted(set(labels))}, reason=reason)


def propose_reassignment(
    *, actor: Actor, agent: Agent, changes_wanted: Mapping[str, Any], reason: str
) -> ChangeRequest:
    """Ask for another sponsor, department, role, risk tier or attestation date; a second person applies it."""
    with transaction.atomic():
        agent = locked(agent)
        policies.require(policies.may_activate_agent(actor, agent))
        policies.require_reason(reason)
        if unknown := sorted(set(changes_wanted) - set(GOVERNED)):
            raise Refusal(
                "field_unknown", f"{', '.join(unknown)} cannot be reassigned.", kind=RefusalKind.INVALID
            )
        return _propose_place(actor, agent, changes_wanted, reason)


def propose_sponsor(*, actor: Actor, agent: Agent, sponsor: User | None, reason: str) -> ChangeRequest:
    """Ask for another sponsor; for a service that has locked the agent and asked whether the actor may."""
    return _propose_place(actor, agent, {"sponsor": sponsor}, reason)


def _propose_place(actor: Actor, agent: Agent, changes_wanted: Mapping[str, Any], reason: str) -> ChangeRequest:
    require_people(changes_wanted.get("sponsor"), None)
    wanted = {field: _as_text(value) for field, value in changes_wanted.items()}
    words = ", ".join(f"{field} {changes_wanted[field]}" for field in sorted(changes_wanted))
    return changes.propose_change(
        actor=actor,
        kind=REASSIGN,
        target=agent.as_ref(),
        payload=wanted,
        summary=f"Give {agent.name}: {words}.",
        reason=reason,
        target_version=file_version(agent),
    )


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


def pause_agent(*, actor: Actor, agent: Agent, reason: str) -> Agent:
    """Refuse every further call of this agent at once; it keeps its token and learns why from each refusal."""
    with transaction.atomic():
        agent = locked(agent, exclusively=True)
        policies.require(policies.may_pause_agent(actor, agent))
        policies.require_reason(reason)
        _require_brake(agent, Agent.Brake.NONE, "paused")
        return _brake(actor, agent, Agent.Brake.PAUSED, reason, "agents.agent_paused", "paused")


def suspend_agent(*, actor: Actor, agent: Agent, reason: str) -> Agent:
    """Close the agent's access: calls are refused, tokens void, and none is issued until the brake is off."""
    with transaction.atomic():
        agent = locked(agent, exclusively=True)
        policies.require(policies.may_suspend_agent(actor, agent))
        policies.require_reason(reason)
        _require_brake(agent, Agent.Brake.PAUSED, "suspended")
        _brake(actor, agent, Agent.Brake.SUSPENDED, reason, "agents.agent_suspended", "suspended")
        credentials.drop_tokens(actor=actor, agent=agent, reason=reason)
        return agent


def lift_brake(*, actor: Actor, agent: Agent, reason: str) -> Agent:
    """Take the brake off; lifecycle and autonomy stay. What was refused is not repeated by itself."""
    with transaction.atomic():
        agent = locked(agent, exclusively=True)
        policies.require(policies.may_lift_brake(actor, agent))
        policies.require_reason(reason)
        if agent.brake == Agent.Brake.NONE:
            raise Refusal("no_brake", f"{agent.name} has no brake on.", kind=RefusalKind.CONFLICT)
        return _brake(actor, agent, Agent.Brake.NONE, reason, "agents.brake_lifted", "lifted the brake of")


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


def set_autonomy(*, actor: Actor, agent: Agent, autonomy: str, reason: str) -> ChangeRequest | None:
    """Change how freely the agent works: less at once (returns None), more as a change for a second person.

    A draft's may be set either way: its activation is approved as a whole.
    """
    wanted = Agent.Autonomy(autonomy)
    with transaction.atomic():
        agent = locked(agent, exclusively=True)
        policies.require(policies.may_set_autonomy(actor, agent))
        policies.require_reason(reason)
        require_not_retired(agent)
        if wanted == agent.autonomy:
            raise Refusal("no_change", f"{agent.name} already has this autonomy.", kind=RefusalKind.CONFLICT)
        loosens = FREEDOM.index(wanted) > FREEDOM.index(Agent.Autonomy(agent.autonomy))
        if not loosens or agent.lifecycle == Agent.Lifecycle.DRAFT:
            apply_autonomy(actor, agent, wanted, reason)
            return None
        return changes.propose_change(
            actor=actor,
            kind=LOOSEN_AUTONOMY,
            target=agent.as_ref(),
            payload={"autonomy": wanted.value},
            summary=f"Let {agent.name} work more freely: {agent.get_autonomy_display().lower()} becomes "
            f"{wanted.label.lower()}.",
            reason=reason,
            target_version=file_version(agent),
        )


# --- what a second person applies


def register_change_kinds() -> None:
    """Tell the registry how this room's changes to an agent are applied, and what makes one stale."""
    registry.register_change_kind(ACTIVATE, _apply_activation, _current_version)
    registry.register_change_kind(REASSIGN, _apply_reassignment, _current_version)
    registry.register_change_kind(LOOSEN_AUTONOMY, _apply_loosening, _current_version)


def granted_operations(agent: Agent, grants: Iterable[GrantFacts] | None = None) -> list[str]:
    """Return the codes of the operations granted to the agent or to its role, sorted; fresh unless given."""
    holders = {("user", str(agent.user_id)), ("group", str(agent.role.group_id))}
    found = registry.grants() if grants is None else grants
    return sorted({grant.operation for grant in found if (grant.holder_kind, grant.holder_id) in holders})


def own_operations(agent: Agent) -> list[str]:
    """Return the codes of the operations granted to the agent itself and not to its role, sorted; fresh."""
    return granted_operations(agent, [it for it in registry.grants() if it.holder_kind == "user"])


def file_version(agent: Agent) -> str:
    """Return a digest of all that gives the agent authority: its governed fields and its grants."""
    state = {
        **{field: str(getattr(agent, f"{field}_id", None) or getattr(agent, field)) for field in GOVERNED},
        "lifecycle": agent.lifecycle,
        "autonomy": agent.autonomy,
        "probation": [str(agent.probation_since or ""), str(agent.probation_until or "")],
        "operations": granted_operations(agent),
    }
    return hashlib.sha256(rfc8785.dumps(state)).hexdigest()


def _current_version(change_request: ChangeRequest) -> str:
    return file_version(lock_row(Agent, change_request.target_id))


def _apply_activation(actor: Actor, change_request: ChangeRequest) -> None:
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


def _apply_reassignment(actor: Actor, change_request: ChangeRequest) -> None:
    agent = lock_row(Agent, change_request.target_id)
    require_not_retired(agent)
    found = {field: _from_text(field, value) for field, value in change_request.payload.items()}
    require_people(found.get("sponsor"), None)
    old = agent.sponsor_id
    if (new := found.get("sponsor")) is not None and new.pk == agent.deputy_id:
        found["deputy"] = None  # nobody stands in for themselves
    _write(actor, agent, found, change_request.reason, "agents.agent_reassigned")
    if agent.sponsor_id != old:
        registry.tell_employment(
            actor, agent, "sponsor_changed", f"{agent.sponsor} answers for {agent.name} now."
        )


def _apply_loosening(actor: Actor, change_request: ChangeRequest) -> None:
    agent = lock_row(Agent, change_request.target_id)
    require_not_retired(agent)
    apply_autonomy(actor, agent, Agent.Autonomy(change_request.payload["autonomy"]), change_request.reason)


# --- the parts


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


def locked(agent: Agent, *, exclusively: bool = False) -> Agent:
    """Return the agent's row, locked; ``exclusively``: no call of it begins until the transaction ends."""
    if exclusively:
        stops.lock_scope(Ref("agent", str(agent.pk), agent.name))
    return lock_row(Agent, agent.pk)


def _brake(actor: Actor, agent: Agent, brake: str, reason: str, verb: str, done: str) -> Agent:
    agent.brake = brake
    stamp(agent, actor=actor, reason=reason).save(update_fields=["brake"])
    record(actor, verb, agent, f"{actor.label} {done} {agent.name}.", reason)
    return agent


def apply_autonomy(actor: Actor, agent: Agent, wanted: Agent.Autonomy, reason: str) -> None:
    """Set the autonomy of a locked agent; for services that have asked whether it may be set."""
    agent.autonomy = wanted
    stamp(agent, actor=actor, reason=reason).save(update_fields=["autonomy"])
    sentence = f"{actor.label} set the autonomy of {agent.name}: {wanted.label.lower()}."
    record(actor, "agents.autonomy_set", agent, sentence, reason)


def _write(actor: Actor, agent: Agent, values: Mapping[str, Any], reason: str, verb: str) -> Agent:
    changed = [field for field, value in values.items() if getattr(agent, field) != value]
    if not changed:
        return agent
    old_group = agent.role.group
    for field in changed:
        setattr(agent, field, values[field])
    agent.full_clean()
    stamp(agent, actor=actor, reason=reason).save(update_fields=changed)
    if "role" in changed:
        stamp(agent.user, actor=actor, reason=reason)
        agent.user.groups.remove(old_group)
        agent.user.groups.add(agent.role.group)
    if "name" in changed:
        agent.user.first_name = agent.name[:150]
        stamp(agent.user, actor=actor, reason=reason).save(update_fields=["first_name"])
    words = ", ".join(changed)
    record(actor, verb, agent, f"{actor.label} changed {words} of {agent.name}.", reason)
    return agent


def record(actor: Actor, verb: str, agent: Agent, sentence: str, reason: str) -> None:
    """Write one fact about an agent into the ledger, in the caller's transaction."""
    record_event(
        actor=actor,
        verb=verb,
        subject=agent.as_ref(),
        **agent.event_refs(),
        sentence=sentence,
        reason=reason,
        payload={
            "lifecycle": agent.lifecycle,
            "autonomy": agent.autonomy,
            "brake": agent.brake,
            "on_probation": agent.on_probation,
        },
    )
    registry.tell_agent_changed(agent, verb)


def require_people(*people: User | None) -> None:
    """Raise Refusal unless each of these is an active person."""
    for person in people:
        if person is not None and (person.is_agent or not person.is_active):
            raise Refusal(
                "not_a_person",
                f"{person} cannot answer for an agent: only an active person can.",
                kind=RefusalKind.INVALID,
                next_step="Name another sponsor or deputy.",
            )


def _require_draft(agent: Agent) -> None:
    if agent.lifecycle != Agent.Lifecycle.DRAFT:
        raise Refusal(
            "not_a_draft",
            f"{agent.name} cannot be activated: it is {agent.get_lifecycle_display().lower()}.",
            kind=RefusalKind.CONFLICT,
        )


def require_not_retired(agent: Agent) -> None:
    """Raise Refusal for an agent that has been retired."""
    if agent.lifecycle == Agent.Lifecycle.RETIRED:
        raise Refusal("agent_retired", f"{agent.name} has been retired.", kind=RefusalKind.CONFLICT)


def _require_not_retired_twice(agent: Agent) -> None:
    if agent.lifecycle == Agent.Lifecycle.RETIRED:
        raise Refusal("agent_retired", f"{agent.name} is already retired.", kind=RefusalKind.CONFLICT)


def _require_brake(agent: Agent, at_most: str, becoming: str) -> None:
    require_not_retired(agent)
    tighter = [Agent.Brake.NONE, Agent.Brake.PAUSED, Agent.Brake.SUSPENDED]
    if tighter.index(Agent.Brake(agent.brake)) > tighter.index(Agent.Brake(at_most)):
        raise Refusal(
            "brake_already_on",
            f"{agent.name} was not {becoming}: it is already {agent.get_brake_display().lower()}.",
            kind=RefusalKind.CONFLICT,
        )


def _as_text(value: Any) -> str | None:
    return None if value is None else str(getattr(value, "pk", value))


def _from_text(field: str, text: str | None) -> Any:
    if text is None:
        return None
    if field in RELATIONS:
        return lock_row(RELATIONS[field], text)
    return date.fromisoformat(text) if field == "attest_by" else text
