"""Facts about the agent and the operation that no rule can change: the first gate that is shut denies."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from agents.decision import wording
from agents.decision.employment import is_overdue
from agents.decision.facts import DecisionRequest, Effect, GrantFacts, Snapshot, StopFacts

_EFFECTS = frozenset(Effect)
Shut = tuple[str, str] | None


def first_shut(request: DecisionRequest, snapshot: Snapshot) -> Shut:
    """Return (code, why) of the first gate that is shut, or None when all are open."""
    for gate in (
        _policy_gate,
        _operation_gate,
        _agent_gate,
        _answered_gate,
        _stop_gate,
        _grant_gate,
        _autonomy_gate,
        _money_gate,
    ):
        if refusal := gate(request, snapshot):
            return refusal
    return None


def standing(request: DecisionRequest, snapshot: Snapshot) -> Shut:
    """Return (code, why) if the agent may not act at all now, whatever it were to do; None when it may."""
    return _agent_gate(request, snapshot) or _answered_gate(request, snapshot) or _stop_gate(request, snapshot)


def _policy_gate(request: DecisionRequest, snapshot: Snapshot) -> Shut:
    if snapshot.version < 1 or snapshot.policies < 1:
        return "no_policy", "no policy of the company is loaded, so nothing is permitted"
    return None


def _operation_gate(request: DecisionRequest, snapshot: Snapshot) -> Shut:
    operation = request.operation
    if operation is None or operation.code != request.operation_code:
        return "unknown_operation", f"the operation {wording.shown(request.operation_code)} is not known"
    if operation.effect not in _EFFECTS:
        return "unknown_effect", f"nobody has said what {operation.name} does to the world"
    return None


def _agent_gate(request: DecisionRequest, snapshot: Snapshot) -> Shut:
    agent = request.agent
    if agent.lifecycle != "active":
        return "agent_not_active", f"{agent.name} is not active"
    if agent.brake == "paused":
        return "agent_paused", f"{agent.name} is paused"
    if agent.brake != "none":
        return "agent_suspended", f"{agent.name} is suspended"
    return None


def _answered_gate(request: DecisionRequest, snapshot: Snapshot) -> Shut:
    """Nobody answers for it, or nobody said in time that it is still needed: then it may only read.

    The portal also takes its autonomy back to that; this holds before it has, and whatever it was set to since.
    """
    agent = request.agent
    if request.operation is not None and request.operation.effect == Effect.READ:
        return None
    if not agent.sponsor_active:
        return "sponsor_inactive", f"{agent.name} has no active sponsor who answers for it, so it may only read"
    if is_overdue(agent.attest_by, grace_of(agent.role_id, snapshot), request.now.date()):
        why = f"{agent.name} had to be confirmed by its sponsor by {agent.attest_by}, so it may only read"
        return "attestation_overdue", why
    return None


def grace_of(role_id: str, snapshot: Snapshot) -> int:
    """Return how many days past its attestation an agent of a role may still write; 0 where nobody said."""
    return snapshot.grace_days.get(role_id, snapshot.grace_days.get("", 0))


def _stop_gate(request: DecisionRequest, snapshot: Snapshot) -> Shut:
    reads = request.operation is not None and request.operation.effect == Effect.READ
    for stop in stops_that_hit(request, snapshot):
        # An unknown stage is taken for a full stop.
        if stop.stage == "held" or (stop.stage == "look" and reads):
            continue
        what = stop.scope_label or "everything"
        only = ", and agents may only read for now" if stop.stage == "look" else ""
        return "stopped", f"a person stopped {what}{only}: {stop.reason}"
    return None


def stops_that_hit(request: DecisionRequest, snapshot: Snapshot) -> list[StopFacts]:
    """Return the stops in whose scope this call is, at whatever stage, in a stable order."""
    agent, operation = request.agent, request.operation
    hit: Mapping[str, Any] = {
        "everything": ("",),
        "department": agent.department_ids,
        "role": (agent.role_id,),
        "agent": (agent.agent_id,),
        "system": (operation.system_id,) if operation else (),
        "operation": (operation.code,) if operation else (),
        "workflow": (request.workflow_id,) if request.workflow_id else (),
    }
    found = [stop for stop in snapshot.stops if stop.scope_id in hit.get(stop.scope_kind, ())]
    return sorted(found, key=lambda stop: stop.stop_id)


def grants_used(request: DecisionRequest, snapshot: Snapshot) -> list[GrantFacts]:
    """Return every grant that lets this agent use this operation; in a stable order."""
    agent = request.agent
    return [
        grant
        for grant in _grants_on(request.operation_code, snapshot)
        if (grant.holder_kind == "user" and grant.holder_id == agent.user_id)
        or (grant.holder_kind == "group" and grant.holder_id in agent.group_ids)
    ]


def _grants_on(operation: str, snapshot: Snapshot) -> tuple[GrantFacts, ...]:
    """Return the grants on an operation in a stable order; looked for once in a snapshot."""
    key = ("grants", operation)
    found = snapshot.index.get(key)
    if found is None:
        on_it = (grant for grant in snapshot.grants if grant.operation == operation)
        found = tuple(sorted(on_it, key=lambda grant: (grant.holder_kind, grant.grant_id)))
        snapshot.index[key] = found
    return found


def _grant_gate(request: DecisionRequest, snapshot: Snapshot) -> Shut:
    if grants_used(request, snapshot):
        return None
    name = request.operation.name if request.operation else request.operation_code
    return "no_grant", f"{request.agent.name} has no grant to use {name}"


def _autonomy_gate(request: DecisionRequest, snapshot: Snapshot) -> Shut:
    reads = request.operation is not None and request.operation.effect == Effect.READ
    if request.agent.autonomy in ("by_contract", "hold_writes") or (
        request.agent.autonomy == "read_only" and reads
    ):
        return None
    return "autonomy_read_only", f"{request.agent.name} may only read"


def _money_gate(request: DecisionRequest, snapshot: Snapshot) -> Shut:
    if request.operation is not None and request.operation.money_path and request.money is None:
        return "amount_missing", f"{request.operation.name} moves money and no amount with a currency is stated"
    return None
