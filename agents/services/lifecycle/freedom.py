"""How freely an agent works: its brake, by one person at once, and its autonomy, of which more takes two."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from django.db import transaction

from agents import policies
from agents.models import Agent, ChangeRequest
from agents.services import changes, credentials
from agents.services.history import lock_row, stamp
from agents.services.lifecycle.parts import file_version, locked, record, require_not_retired
from audit.selectors import database_now
from audit.vocabulary import Actor, Refusal, RefusalKind

LOOSEN_AUTONOMY = "agents.agent.autonomy"
SHORTEST_FINISH, LONGEST_FINISH = 5, 86_400  # seconds
FREEDOM = (Agent.Autonomy.READ_ONLY, Agent.Autonomy.HOLD_WRITES, Agent.Autonomy.BY_CONTRACT)


def pause_agent(*, actor: Actor, agent: Agent, reason: str) -> Agent:
    """Refuse every further call of this agent at once; it keeps its token and learns why from each refusal."""
    with transaction.atomic():
        agent = locked(agent, exclusively=True)
        policies.require(policies.may_pause_agent(actor, agent))
        policies.require_reason(reason)
        _require_brake(agent, Agent.Brake.NONE, "paused")
        sentence = f"{actor.label} paused {agent.name}."
        return _brake(actor, agent, Agent.Brake.PAUSED, reason, "agents.agent_paused", sentence)


def let_finish(*, actor: Actor, agent: Agent, seconds: int, reason: str) -> Agent:
    """Give an agent no new work and let it finish what it has; after so many seconds it is paused by itself.

    Said again, the time counts anew. Raises Refusal ``brake_already_on``, ``time_unfit``.
    """
    with transaction.atomic():
        agent = locked(agent, exclusively=True)
        policies.require(policies.may_pause_agent(actor, agent))
        policies.require_reason(reason)
        if not SHORTEST_FINISH <= seconds <= LONGEST_FINISH:
            raise Refusal(
                "time_unfit",
                f"{agent.name} was not paused: give it from {SHORTEST_FINISH} seconds to a day to finish.",
                kind=RefusalKind.INVALID,
            )
        require_not_retired(agent)
        if agent.brake != Agent.Brake.NONE:
            raise _already_braked(agent, "told to finish")
        before = _as_it_stands(agent)
        agent.pause_at = database_now() + timedelta(seconds=seconds)
        agent.pause_because = reason
        stamp(agent, actor=actor, reason=reason).save(update_fields=["pause_at", "pause_because"])
        sentence = f"{actor.label} lets {agent.name} finish what it has; then it is paused."
        record(actor, "agents.agent_finishing", agent, sentence, reason, before=before)
        return agent


def pause_finished(agent_id: UUID) -> Agent | None:
    """Pause an agent that was told to finish, for whoever keeps its time; None if somebody was first."""
    actor = Actor.system("sweeper")
    with transaction.atomic():
        agent = locked(Agent(pk=agent_id), exclusively=True)
        if agent.pause_at is None or agent.lifecycle == Agent.Lifecycle.RETIRED:
            return None
        reason = agent.pause_because
        sentence = f"{agent.name} was told to finish, and is paused now."
        return _brake(actor, agent, Agent.Brake.PAUSED, reason, "agents.agent_paused", sentence)


def suspend_agent(*, actor: Actor, agent: Agent, reason: str) -> Agent:
    """Close the agent's access: calls are refused, tokens void, and none is issued until the brake is off."""
    with transaction.atomic():
        agent = locked(agent, exclusively=True)
        policies.require(policies.may_suspend_agent(actor, agent))
        policies.require_reason(reason)
        _require_brake(agent, Agent.Brake.PAUSED, "suspended")
        sentence = f"{actor.label} suspended {agent.name}."
        _brake(actor, agent, Agent.Brake.SUSPENDED, reason, "agents.agent_suspended", sentence)
        credentials.drop_tokens(actor=actor, agent=agent, reason=reason)
        return agent


def lift_brake(*, actor: Actor, agent: Agent, reason: str) -> Agent:
    """Take the brake off; lifecycle and autonomy stay. What was refused is not repeated by itself."""
    with transaction.atomic():
        agent = locked(agent, exclusively=True)
        policies.require(policies.may_lift_brake(actor, agent))
        policies.require_reason(reason)
        if agent.brake == Agent.Brake.NONE and not agent.is_finishing:
            raise Refusal("no_brake", f"{agent.name} has no brake on.", kind=RefusalKind.CONFLICT)
        sentence = f"{actor.label} lifted the brake of {agent.name}."
        return _brake(actor, agent, Agent.Brake.NONE, reason, "agents.brake_lifted", sentence)


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
            _set(actor, agent, wanted, reason)
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


def apply_loosening(actor: Actor, change_request: ChangeRequest) -> None:
    """Let an agent work as freely as was agreed."""
    agent = lock_row(Agent, change_request.target_id)
    require_not_retired(agent)
    _set(actor, agent, Agent.Autonomy(change_request.payload["autonomy"]), change_request.reason)


def _set(actor: Actor, agent: Agent, wanted: Agent.Autonomy, reason: str) -> None:
    agent.autonomy = wanted
    stamp(agent, actor=actor, reason=reason).save(update_fields=["autonomy"])
    sentence = f"{actor.label} set the autonomy of {agent.name}: {wanted.label.lower()}."
    record(actor, "agents.autonomy_set", agent, sentence, reason)


def _brake(actor: Actor, agent: Agent, brake: str, reason: str, verb: str, sentence: str) -> Agent:
    before = _as_it_stands(agent)
    agent.brake, agent.pause_at, agent.pause_because = brake, None, ""
    stamp(agent, actor=actor, reason=reason).save(update_fields=["brake", "pause_at", "pause_because"])
    record(actor, verb, agent, sentence, reason, before=before)
    return agent


def _as_it_stands(agent: Agent) -> dict[str, str]:
    """Return what a brake changes, for the entry that says what was before."""
    return {"brake": str(agent.brake), "pause_at": agent.pause_at.isoformat() if agent.pause_at else ""}


def _require_brake(agent: Agent, at_most: str, becoming: str) -> None:
    require_not_retired(agent)
    tighter = [Agent.Brake.NONE, Agent.Brake.PAUSED, Agent.Brake.SUSPENDED]
    if tighter.index(Agent.Brake(agent.brake)) > tighter.index(Agent.Brake(at_most)):
        raise _already_braked(agent, becoming)


def _already_braked(agent: Agent, becoming: str) -> Refusal:
    return Refusal(
        "brake_already_on",
        f"{agent.name} was not {becoming}: it is already {agent.get_brake_display().lower()}.",
        kind=RefusalKind.CONFLICT,
    )
