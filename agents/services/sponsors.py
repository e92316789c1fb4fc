"""Who answers for agents: when a sponsor leaves, their agents may only read, and others are asked."""

from __future__ import annotations

from django.db import transaction

from agents import policies, registry, selectors
from agents.decision.employment import READ_ONLY
from agents.models import Agent, ChangeRequest, User
from agents.services import lifecycle, probation, stops
from audit.vocabulary import Actor, Ref, Refusal, RefusalKind


def hold_agents_of(person: User) -> list[Agent]:
    """Lock and return the agents a person answers for: no call of theirs begins until the transaction ends.

    Before the row of the person is locked, and in one order: who changes an agent locks it before its people.
    """
    found = list(Agent.objects.filter(sponsor=person).exclude(lifecycle=Agent.Lifecycle.RETIRED).order_by("pk"))
    stops.lock_scopes(Ref("agent", str(agent.pk), agent.name) for agent in found)
    return [lifecycle.locked(agent) for agent in found]


def drop_agents_of(*, actor: Actor, person: User, reason: str) -> int:
    """Let every agent of a person who has left only read, in the caller's transaction; return how many.

    Who stands in is asked to take over. Those that may only read already need somebody as well. Called again
    when the person comes back, for what went unnoticed: nobody is given anything back by that.
    """
    dropped = 0
    for agent in hold_agents_of(person):
        if agent.sponsor_id != person.pk or agent.lifecycle == Agent.Lifecycle.RETIRED:
            continue
        why = f"{person}, who answers for it, {'was away' if person.is_active else 'has left'}."
        if agent.lifecycle == Agent.Lifecycle.ACTIVE and agent.autonomy != Agent.Autonomy.READ_ONLY:
            probation.put_back(
                actor=actor, agent=agent, to=READ_ONLY, why=why, reason=f"{why} {reason}"[:2000], news="dropped"
            )
            dropped += 1
        if not person.is_active:
            sentence = f"{agent.name} needs a sponsor: {why}"
            registry.tell_employment(actor, agent, "sponsor_left", sentence)
    return dropped


def propose_takeover(*, actor: Actor, agent: Agent, reason: str) -> ChangeRequest:
    """Ask to become the sponsor of an agent whose sponsor has left; a second person applies it.

    Its deputy may, the head of its department or of one above, and whoever may reassign it. What it dropped
    from stays taken: that is given back by another change.
    """
    with transaction.atomic():
        agent = lifecycle.locked(agent)
        policies.require(may_take_over(actor, agent))
        policies.require_reason(reason)
        if agent.sponsor.is_active_person:
            raise Refusal(
                "sponsor_present",
                f"Nothing was proposed: {agent.sponsor} still answers for {agent.name}.",
                kind=RefusalKind.CONFLICT,
                next_step="Ask a manager to reassign it.",
            )
        user = policies.user_of(actor)
        return lifecycle.propose_sponsor(actor=actor, agent=agent, sponsor=user, reason=reason)


def may_take_over(actor: Actor, agent: Agent) -> Refusal | None:
    """Its deputy and the heads over its department may ask to answer for it; so may who may reassign it."""
    if refusal := policies.may_act_as_person(actor, f"answer for {agent.name}"):
        return refusal
    steps_in = {str(agent.deputy_id), *(str(head.pk) for head in selectors.heads_over(agent))}
    if actor.id in steps_in:
        return None
    return policies.may_activate_agent(actor, agent)
