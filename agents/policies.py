"""Who may do what to whom: questions that answer None (yes) or the Refusal to raise (no, because).

Agents are refused by kind before anything else is asked: no agent manages, brakes or frees another, or itself.
A process of the portal itself (Actor.system) may do what its code says; it never counts as a second person.
"""

from __future__ import annotations

from django.db import models

from agents.models import Agent, Policy, User
from audit.once import once
from audit.vocabulary import Actor, ActorKind, Refusal, RefusalKind

REASON_MIN_LENGTH = 5
REASON_MAX_LENGTH = 2000


def require(refusal: Refusal | None) -> None:
    """Raise the refusal a question answered with, if it did."""
    if refusal is not None:
        raise refusal


def require_reason(reason: str) -> None:
    """Raise Refusal unless ``reason`` says something: it goes into the ledger under a name."""
    _require_holdable(reason)
    if not REASON_MIN_LENGTH <= len(reason.strip()) <= REASON_MAX_LENGTH:
        raise Refusal(
            "reason_missing",
            f"Nothing was changed: say why, in {REASON_MIN_LENGTH} to {REASON_MAX_LENGTH} characters.",
            kind=RefusalKind.INVALID,
            next_step="Repeat it with a reason.",
        )


def _require_holdable(reason: str) -> None:
    if "\x00" in reason:
        raise Refusal(
            "reason_invalid",
            "Nothing was changed: the reason contains the character NUL, which no record can hold. Remove it.",
            kind=RefusalKind.INVALID,
        )


def user_of(actor: Actor) -> User | None:
    """Return the active User behind a person or an agent; None for a process of the portal or nobody."""
    if actor.kind == ActorKind.SYSTEM:
        return None
    return once(("user", actor.id), User.objects.filter(pk=actor.id, is_active=True).first)


def may_act_as_person(actor: Actor, doing: str) -> Refusal | None:
    """Return why ``actor`` cannot be a person who does ``doing``: agents and unknown accounts are refused."""
    if actor.kind == ActorKind.SYSTEM:
        return None
    user = user_of(actor)
    if user is None:
        return Refusal("not_signed_in", f"You cannot {doing}: your account is not active.")
    if actor.kind == ActorKind.AGENT or user.is_agent:
        return Refusal(
            "agents_refused",
            f"An agent cannot {doing}. Only a person can.",
            next_step="Ask your sponsor.",
        )
    return None


def may(actor: Actor, permission: str, doing: str, target: models.Model | None = None) -> Refusal | None:
    """Return why ``actor`` lacks ``app_label.codename``, globally and on ``target``; None when it is held."""
    if refusal := may_act_as_person(actor, doing):
        return refusal
    user = user_of(actor)
    if user is None or _holds(user, permission, target):
        return None
    return Refusal(
        "permission_missing",
        f"You cannot {doing}: your groups do not include this right ({permission}).",
        next_step="Ask a manager.",
    )


def _holds(user: User, permission: str, target: models.Model | None) -> bool:
    return user.has_perm(permission) or (target is not None and user.has_perm(permission, target))


def may_change_person(actor: Actor, person: User) -> Refusal | None:
    """Administrators change accounts of people; the identity of an agent changes with its agent only."""
    if person.is_agent:
        return Refusal(
            "not_a_person", f"{person} is the identity of an agent: it changes with its agent, never by hand."
        )
    return may(actor, "agents.change_user", f"change the account of {person}", person)


def may_register_agent(actor: Actor) -> Refusal | None:
    """Managers register agents."""
    return may(actor, "agents.add_agent", "register an agent")


def may_change_agent(actor: Actor, agent: Agent) -> Refusal | None:
    """Managers change what is not governed; so may somebody given this one agent."""
    return may(actor, "agents.change_agent", f"change {agent.name}", agent)


def may_activate_agent(actor: Actor, agent: Agent) -> Refusal | None:
    """Managers ask for an activation; a second person approves it."""
    return may(actor, "agents.activate_agent", f"activate {agent.name}", agent)


def may_pause_agent(actor: Actor, agent: Agent) -> Refusal | None:
    """Managers and operators may; so may the agent's own sponsor or deputy (see SponsorBackend)."""
    return may(actor, "agents.pause_agent", f"pause {agent.name}", agent)


def may_suspend_agent(actor: Actor, agent: Agent) -> Refusal | None:
    """Managers and operators may; so may the agent's own sponsor or deputy (see SponsorBackend)."""
    return may(actor, "agents.suspend_agent", f"suspend {agent.name}", agent)


def may_lift_brake(actor: Actor, agent: Agent) -> Refusal | None:
    """Giving back the right to act is a manager's decision; stopping is easy, starting again is not."""
    return may(actor, "agents.lift_brake", f"lift the brake of {agent.name}", agent)


def may_retire_agent(actor: Actor, agent: Agent) -> Refusal | None:
    """Managers retire agents."""
    return may(actor, "agents.retire_agent", f"retire {agent.name}", agent)


def may_set_autonomy(actor: Actor, agent: Agent) -> Refusal | None:
    """Managers change autonomy; more of it waits for a second person."""
    return may(actor, "agents.set_autonomy", f"change the autonomy of {agent.name}", agent)


def may_sign_contract(actor: Actor, agent: Agent) -> Refusal | None:
    """The agent's own sponsor or deputy signs (see SponsorBackend), or a manager; a signature frees nothing."""
    if actor.kind == ActorKind.SYSTEM:
        return Refusal("person_required", "Nothing was signed: only a person puts a name to a contract.")
    return may(actor, "agents.sign_contract", f"sign the contract of {agent.name}", agent)


def may_promote_agent(actor: Actor, agent: Agent) -> Refusal | None:
    """The agent's own sponsor or deputy asks that its probation ends (see SponsorBackend), or a manager."""
    return may(actor, "agents.promote_agent", f"ask that the probation of {agent.name} ends", agent)


def may_demote_agent(actor: Actor, agent: Agent) -> Refusal | None:
    """Managers and operators may; so may the agent's own sponsor or deputy (see SponsorBackend)."""
    return may(actor, "agents.demote_agent", f"put {agent.name} back", agent)


def may_attest_agent(actor: Actor, agent: Agent) -> Refusal | None:
    """Only who answers for it: its sponsor, or its deputy while the sponsor is gone. No right replaces that."""
    if actor.kind == ActorKind.SYSTEM:
        return Refusal("person_required", "Nothing was confirmed: only who answers for an agent confirms it.")
    if refusal := may_act_as_person(actor, f"confirm {agent.name}"):
        return refusal
    sponsor_here = agent.sponsor.is_active_person
    if actor.id == str(agent.sponsor_id) or (actor.id == str(agent.deputy_id) and not sponsor_here):
        return None
    who = agent.sponsor if sponsor_here else agent.deputy or "a new sponsor"
    return Refusal(
        "not_the_sponsor",
        f"You cannot confirm {agent.name}: only who answers for it can, which is {who}.",
        next_step=f"Ask {who}." if sponsor_here or agent.deputy else "Have a sponsor named first.",
    )


def may_issue_credentials(actor: Actor, agent: Agent) -> Refusal | None:
    """Managers give agents their secrets."""
    return may(actor, "agents.issue_credentials", f"issue credentials to {agent.name}", agent)


def may_revoke_credentials(actor: Actor, agent: Agent) -> Refusal | None:
    """Whoever may pause the agent or issue its credentials may take them away."""
    if may_pause_agent(actor, agent) is None:
        return None
    return may(actor, "agents.issue_credentials", f"revoke credentials of {agent.name}", agent)


def may_authenticate(agent: Agent) -> Refusal | None:
    """Return why the agent may not prove who it is: retired or suspended. A pause is for the decision."""
    if agent.lifecycle == Agent.Lifecycle.RETIRED:
        code, words = "agent_retired", "has been retired. Its credentials are void for good."
    elif agent.brake == Agent.Brake.SUSPENDED:
        code, words = "agent_suspended", "is suspended. Its sponsor must have the brake lifted."
    elif not agent.user.is_active:
        code, words = "agent_disabled", "has no active identity. Its sponsor must have it restored."
    else:
        return None
    return Refusal(
        code,
        f"Access was refused: {agent.name} {words}",
        kind=RefusalKind.UNAUTHENTICATED,
        next_step="Stop, and tell your sponsor.",
    )


def may_hold_credentials(agent: Agent) -> Refusal | None:
    """A retired agent gets no new secret; every other one may have it before it may use it."""
    if agent.lifecycle != Agent.Lifecycle.RETIRED:
        return None
    return Refusal(
        "agent_retired",
        f"No secret was issued: {agent.name} has been retired. Register a new agent instead.",
        kind=RefusalKind.CONFLICT,
    )


def may_publish_rule(actor: Actor, policy: Policy | None = None) -> Refusal | None:
    """Managers write policies, rules and limits; so may somebody given one policy, for its rules."""
    return may(actor, "agents.publish_rule", "change rules and limits", policy)


def may_decide_change(actor: Actor) -> Refusal | None:
    """Whoever may give more authority on somebody else's proposal."""
    return may(actor, "agents.decide_changerequest", "decide this change")


def may_raise_stop(actor: Actor) -> Refusal | None:
    """Managers and operators may stop work."""
    return may(actor, "agents.raise_stop", "stop work")


def may_lift_stop(actor: Actor) -> Refusal | None:
    """Stopping is easy; starting again is a manager's decision, never that of a part of the portal."""
    if actor.kind == ActorKind.SYSTEM:
        return Refusal(
            "person_required",
            "The stop was not lifted: only a person may decide that work goes on.",
            next_step="A manager lifts it, in the portal or with manage.py lift --as.",
        )
    return may(actor, "agents.lift_stop", "lift a stop")
