"""What the verbs of an agent's life share: its lock, its version, what is recorded, what is refused."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping

import rfc8785

from agents import registry
from agents.decision.facts import GrantFacts
from agents.models import Agent, ChangeRequest, User
from agents.services import stops
from agents.services.history import lock_row
from audit.services import record_event
from audit.vocabulary import Actor, Ref, Refusal, RefusalKind

GOVERNED = ("sponsor", "department", "role", "risk_tier", "attest_by")


def granted_operations(agent: Agent, grants: Iterable[GrantFacts] | None = None) -> list[str]:
    """Return the codes of the operations granted to the agent or to its role, sorted; fresh unless given."""
    holders = {("user", str(agent.user_id)), ("group", str(agent.role.group_id))}
    found = registry.grants() if grants is None else grants
    return sorted({grant.operation for grant in found if (grant.holder_kind, grant.holder_id) in holders})


def own_operations(agent: Agent) -> list[str]:
    """Return the codes of the operations granted to the agent itself, not to its role."""
    return granted_operations(agent, [grant for grant in registry.grants() if grant.holder_kind == "user"])


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


def current_version(change_request: ChangeRequest) -> str:
    """Return the version of the file of the agent that a change is about, locked."""
    return file_version(lock_row(Agent, change_request.target_id))


def locked(agent: Agent, *, exclusively: bool = False) -> Agent:
    """Return the agent's row, locked; ``exclusively``: no call of it begins until the transaction ends."""
    if exclusively:
        stops.lock_scope(Ref("agent", str(agent.pk), agent.name))
    return lock_row(Agent, agent.pk)


def record(
    actor: Actor,
    verb: str,
    agent: Agent,
    sentence: str,
    reason: str,
    before: Mapping[str, str] | None = None,
) -> None:
    """Write one fact about an agent into the ledger, in the caller's transaction; ``before``: what it was."""
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
            **({"pause_at": agent.pause_at.isoformat()} if agent.pause_at else {}),
            **({"before": dict(before)} if before is not None else {}),
        },
    )
    registry.tell_agent_changed(agent, verb)


def require_people(*people: User | None) -> None:
    """Raise Refusal unless each of these is an active person."""
    for person in people:
        if person is not None and not person.is_active_person:
            raise Refusal(
                "not_a_person",
                f"{person} cannot answer for an agent: only an active person can.",
                kind=RefusalKind.INVALID,
                next_step="Name another sponsor or deputy.",
            )


def require_not_retired(agent: Agent) -> None:
    """Raise Refusal for an agent that has been retired."""
    if agent.lifecycle == Agent.Lifecycle.RETIRED:
        raise Refusal("agent_retired", f"{agent.name} has been retired.", kind=RefusalKind.CONFLICT)
