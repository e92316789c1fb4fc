"""An agent's file and its place: changed at once where that gives no authority, by two people elsewhere."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date
from typing import Any

from django.db import transaction

from agents import policies, registry
from agents.models import Agent, ChangeRequest, Department, Role, User
from agents.services import changes
from agents.services.history import lock_row, stamp
from agents.services.lifecycle.parts import (
    GOVERNED,
    file_version,
    locked,
    record,
    require_not_retired,
    require_people,
)
from audit.vocabulary import Actor, Refusal, RefusalKind

REASSIGN = "agents.agent.reassign"
# What says nothing about authority may be changed at any time; the rest of the file only while it is a draft.
UNGOVERNED = ("name", "purpose", "deputy", "provider", "model", "version", "labels", "reached_by")
RELATIONS: dict[str, Any] = {"sponsor": User, "department": Department, "role": Role, "deputy": User}


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


def apply_reassignment(actor: Actor, change_request: ChangeRequest) -> None:
    """Give an agent the place that was agreed."""
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


def _as_text(value: Any) -> str | None:
    return None if value is None else str(getattr(value, "pk", value))


def _from_text(field: str, text: str | None) -> Any:
    if text is None:
        return None
    if field in RELATIONS:
        return lock_row(RELATIONS[field], text)
    return date.fromisoformat(text) if field == "attest_by" else text
