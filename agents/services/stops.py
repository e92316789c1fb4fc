"""Stop wins, also in a race: a dispatch shares a lock with every stop that could hit it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from functools import partial
from typing import Any

from django.db import connection, transaction
from django.db.models import Q, QuerySet
from django.db.models.functions import Now

from agents import policies, registry
from agents.decision.facts import AgentFacts, Effect, OperationFacts
from agents.models import Agent, AuthorityVersion, Stop
from agents.selectors import agent_facts
from agents.services.containment import contain, note_refused
from agents.services.history import lock_row, stamp
from audit.services import record_event
from audit.vocabulary import Actor, Ref, Refusal, RefusalKind

EVERYTHING = Ref("everything", "")
# From the strictest on; what comes after the last is to lift it.
STAGES = [Stop.Stage.STOP, Stop.Stage.LOOK, Stop.Stage.HELD]
WHOLE_AGENTS = ("everything", "department", "role", "agent")

# Asked before every effect, nearly always in vain: building the same with the ORM takes longer than asking it.
_ANY_STOP = """
SELECT EXISTS (SELECT 1 FROM agents_stop
                WHERE lifted_at IS NULL
                  AND (scope_kind, scope_id) IN (SELECT * FROM unnest(%(kinds)s::text[], %(ids)s::text[])))
    OR EXISTS (SELECT 1 FROM agents_agent
                WHERE id = ANY(%(agents)s::uuid[]) AND (brake <> 'none' OR lifecycle <> 'active'))
"""


def stop_scopes(agent: AgentFacts, operation: OperationFacts, *, workflow_id: str = "") -> list[Ref]:
    """Return every scope whose stop hits this call, from everything down to the operation."""
    scopes = agent_scopes(agent)
    scopes += [Ref("system", operation.system_id), Ref("operation", operation.code, operation.name)]
    return [*scopes, Ref("workflow", workflow_id)] if workflow_id else scopes


def agent_scopes(agent: AgentFacts) -> list[Ref]:
    """Return every scope whose stop hits whatever this agent does."""
    scopes = [EVERYTHING, *(Ref("department", key) for key in agent.department_ids)]
    return [*scopes, Ref("role", agent.role_id), Ref("agent", agent.agent_id, agent.name)]


def lock_and_check(scopes: Sequence[Ref]) -> None:
    """Share the lock of every scope until the transaction ends, then refuse if a stop or a brake is on.

    The locks come first and in a statement of their own: under READ COMMITTED the next statement then sees
    every stop that was committed before the lock was granted, and no later one can commit before this
    transaction ends. Raises Refusal ``stopped``, ``agent_paused``, ``agent_suspended`` or ``agent_not_active``;
    RuntimeError outside a transaction or under another isolation level.
    """
    share_lock(scopes)
    check(scopes)


def check(scopes: Sequence[Ref]) -> None:
    """Refuse like ``lock_and_check`` what a stop or a brake hits, as far as is known now."""
    agents = [scope.id for scope in scopes if scope.kind == "agent"]
    with connection.cursor() as cursor:
        told = {"kinds": [scope.kind for scope in scopes], "ids": [scope.id for scope in scopes]}
        cursor.execute(_ANY_STOP, {**told, "agents": agents})
        if not cursor.fetchone()[0]:
            return
    _refuse_stopped(scopes)
    _refuse_braked(agents)


def share_lock(scopes: Sequence[Ref]) -> None:
    """Share the lock of every scope until the transaction ends; whoever holds one alone is waited for."""
    _require_read_committed()
    keys = sorted({_lock_key(scope) for scope in scopes})
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock_shared(key) FROM unnest(%s::bigint[]) AS key", [keys])


def stops_of_agents() -> QuerySet[Stop]:
    """Return the active stops that refuse the tokens of agents: those of whole agents, before any way back."""
    return Stop.objects.filter(scope_kind__in=WHOLE_AGENTS, stage=Stop.Stage.STOP, lifted_at__isnull=True)


def refuse_stopped_agent(agent: Agent) -> None:
    """Raise Refusal ``stopped`` at any call of an agent that is stopped as a whole, and note that it met it."""
    scopes = agent_scopes(agent_facts(agent))
    if stop := active_stops(scopes).filter(stage=Stop.Stage.STOP).first():
        note_refused(stop, agent)
        raise stopped(stop, what="Access was refused")


def lock_scope(scope: Ref) -> None:
    """Wait until no dispatch of this scope is under way and keep new ones out until the transaction ends."""
    _require_read_committed()
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_lock_key(scope)])


def lock_scopes(scopes: Iterable[Ref]) -> None:
    """Do the same for several, in the order in which whoever dispatches shares them: none waits in a circle."""
    _require_read_committed()
    with connection.cursor() as cursor:
        for key in sorted({_lock_key(scope) for scope in scopes}):
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [key])


def _lock_key(scope: Ref) -> int:
    digest = hashlib.sha256(f"stop\0{scope.kind}\0{scope.id}".encode()).digest()
    return int.from_bytes(digest[:8], "big", signed=True)


def _require_read_committed() -> None:
    if not connection.in_atomic_block:
        raise RuntimeError("A stop scope is locked until the transaction ends, so there must be one.")
    with connection.cursor() as cursor:
        cursor.execute("SHOW transaction_isolation")
        level = cursor.fetchone()
    if level != ("read committed",):
        # An older snapshot would not show a stop that was committed while we waited for the lock.
        raise RuntimeError(f"Stops are checked under READ COMMITTED only, not {level}.")


def active_stops(scopes: Sequence[Ref]) -> QuerySet[Stop]:
    """Return the stops that hit any of these scopes, oldest first; without their locks, as far as known now."""
    hit = Q(pk__in=[])
    for scope in scopes:
        hit |= Q(scope_kind=scope.kind, scope_id=scope.id)
    return Stop.objects.filter(hit, lifted_at__isnull=True).order_by("raised_at")


def stopped(stop: Stop, *, what: str = "Nothing was sent") -> Refusal:
    """Return the refusal of whatever a stop hits."""
    scope = stop.scope_label or stop.get_scope_kind_display().lower()
    only = " Agents in it may only read for now." if stop.stage == Stop.Stage.LOOK else ""
    return Refusal(
        "stopped",
        f"{what}: {stop.raised_by} stopped {scope}. Reason: {stop.reason}{only}",
        detail={"stop": str(stop.pk), "scope": stop.scope_kind, "stage": stop.stage},
        next_step="Stop and wait until a person lifts the stop, then ask again.",
    )


def _refuse_stopped(scopes: Sequence[Ref]) -> None:
    for stop in active_stops(scopes):
        if not _lets_pass(stop, scopes):
            raise stopped(stop)


def _lets_pass(stop: Stop, scopes: Sequence[Ref]) -> bool:
    """On the way back reads pass first, then everything: that writes are held is the decision's, asked anew."""
    if stop.stage == Stop.Stage.HELD:
        return True
    if stop.stage != Stop.Stage.LOOK:
        return False
    operations = [registry.find_operation(scope.id) for scope in scopes if scope.kind == "operation"]
    return bool(operations) and all(it is not None and it.effect == Effect.READ for it in operations)


def _refuse_braked(agent_ids: Sequence[str]) -> None:
    for agent in Agent.objects.filter(pk__in=agent_ids):
        if agent.brake == Agent.Brake.PAUSED:
            code, words, next_step = "agent_paused", "is paused", "Stop and wait until a person resumes you."
        elif agent.brake != Agent.Brake.NONE:
            code, words, next_step = (
                "agent_suspended",
                "is suspended",
                "Stop. A person must lift the suspension.",
            )
        elif agent.lifecycle != Agent.Lifecycle.ACTIVE:
            code, words, next_step = (
                "agent_not_active",
                "is not active",
                "Stop. A person must activate you first.",
            )
        else:
            continue
        raise Refusal(code, f"Nothing was sent: {agent.name} {words}.", next_step=next_step)


def find_scope(kind: str, name: str) -> Ref:
    """Return the scope that a kind and an id or a code mean, under the id that every lock and check uses.

    Raises Refusal ``scope_unknown``: a stop of what does not exist would reassure and stop nothing.
    """
    if kind == Stop.ScopeKind.EVERYTHING and not name:
        return Ref(kind, "", "everything")
    target = registry.find_stop_target(kind, name) if name else None
    if target is None:
        raise Refusal(
            "scope_unknown",
            f"Nothing was stopped: there is no {kind[:40]} {name[:120]}".rstrip() + ".",
            kind=RefusalKind.INVALID,
            next_step="Choose what to stop from the list.",
        )
    return Ref(kind, target.id, target.label)


def raise_stop(
    *, actor: Actor, scope_kind: str, scope_id: str = "", reason: str, is_exercise: bool = False
) -> Stop:
    """Stop everything in a scope; when this has committed, no dispatch in it commits after.

    ``scope_id``: the id or the code of a department, role, agent, system, workflow or operation; empty for
    everything. ``is_exercise`` marks a drill: it stops like any other, and evidence shows it apart. Waits for
    the dispatches that are just being committed. Raises Refusal ``scope_unknown``.
    """
    with transaction.atomic():
        scope = find_scope(scope_kind, scope_id)
        lock_scope(scope)
        policies.require(policies.may_raise_stop(actor))
        policies.require_reason(reason)
        stop = Stop(
            scope_kind=scope.kind,
            scope_id=scope.id,
            scope_label=scope.label[:200],
            reason=reason,
            is_exercise=is_exercise,
            raised_by_kind=actor.kind.value,
            raised_by_ref=actor.id,
            raised_by=actor.label,
            version=_next_version(),
        )
        stop.full_clean()
        stamp(stop, actor=actor, reason=reason).save()
        drill = " as an exercise" if is_exercise else ""
        _record(actor, "agents.stop_raised", stop, f"{actor.label} stopped {stop.scope_label}{drill}.", reason)
        transaction.on_commit(partial(contain, stop.pk), robust=True)
        return stop


def _next_version() -> int:
    """Return the authority version that this transaction is about to make; nobody else makes one before."""
    found = AuthorityVersion.objects.select_for_update().filter(pk=1).first()
    return found.version + 1 if found else 0


def set_stage(*, actor: Actor, stop: Stop, stage: str, reason: str) -> Stop:
    """Take a stop a stage back towards work (a manager decides), or make it stricter again (whoever may stop).

    ``look``: agents may read. ``held``: they work, and a person approves every write. Nothing moves to the next
    stage by itself. Raises Refusal ``already_lifted``, ``stage_unknown`` or ``stage_already``.
    """
    with transaction.atomic():
        lock_scope(Ref(stop.scope_kind, stop.scope_id))
        stop = lock_row(Stop, stop.pk)
        wanted = _stage(stop, stage)
        tighter = STAGES.index(wanted) < STAGES.index(Stop.Stage(stop.stage))
        policies.require(policies.may_raise_stop(actor) if tighter else policies.may_lift_stop(actor))
        policies.require_reason(reason)
        stop.stage = wanted
        fields = ["stage"]
        if tighter:
            stop.version, stop.tightened_at = _next_version(), Now()
            fields += ["version", "tightened_at"]
        stamp(stop, actor=actor, reason=reason).save(update_fields=fields)
        stop.refresh_from_db(fields=["tightened_at"])
        verb = "agents.stop_tightened" if tighter else "agents.stop_eased"
        sentence = f"{actor.label} set the stop of {stop.scope_label}: {wanted.label.lower()}."
        _record(actor, verb, stop, sentence, reason)
        if tighter:
            transaction.on_commit(partial(contain, stop.pk), robust=True)
        else:
            registry.tell_stop_eased(stop)
        return stop


def _stage(stop: Stop, stage: str) -> Stop.Stage:
    _require_not_lifted(stop)
    if stage not in Stop.Stage.values:
        raise Refusal(
            "stage_unknown",
            f"Nothing was changed: a stop has the stages {', '.join(Stop.Stage.values)}, not {stage[:40]!r}.",
            kind=RefusalKind.INVALID,
        )
    if stage == stop.stage:
        raise Refusal(
            "stage_already",
            f"Nothing was changed: it stands there already ({stop.get_stage_display().lower()}).",
            kind=RefusalKind.CONFLICT,
        )
    return Stop.Stage(stage)


def _require_not_lifted(stop: Stop) -> None:
    if stop.lifted_at is not None:
        raise Refusal(
            "already_lifted", f"Nothing was changed: {stop.lifted_by} lifted it.", kind=RefusalKind.CONFLICT
        )


def lift_stop(*, actor: Actor, stop: Stop, reason: str) -> Stop:
    """Lift a stop; what waited is decided again, nothing resumes by itself."""
    with transaction.atomic():
        stop = lock_row(Stop, stop.pk)
        policies.require(policies.may_lift_stop(actor))
        policies.require_reason(reason)
        _require_not_lifted(stop)
        stop.lifted_by_kind, stop.lifted_by_ref, stop.lifted_by = actor.kind.value, actor.id, actor.label
        stop.lift_reason = reason
        stop.lifted_at = Now()
        fields = ["lifted_by_kind", "lifted_by_ref", "lifted_by", "lift_reason", "lifted_at"]
        stamp(stop, actor=actor, reason=reason).save(update_fields=fields)
        stop.refresh_from_db(fields=["lifted_at"])
        _record(
            actor, "agents.stop_lifted", stop, f"{actor.label} lifted the stop of {stop.scope_label}.", reason
        )
        registry.tell_stop_eased(stop)
        return stop


def _record(actor: Actor, verb: str, stop: Stop, sentence: str, reason: str) -> None:
    column = {"agent": "agent_id", "department": "department_id", "system": "system_id"}.get(stop.scope_kind)
    refs: dict[str, Any] = {column: stop.scope_id} if column else {}
    record_event(
        actor=actor,
        verb=verb,
        subject=stop.as_ref(),
        sentence=sentence,
        reason=reason,
        payload={
            "scope_kind": stop.scope_kind,
            "scope_id": stop.scope_id,
            "stage": stop.stage,
            "is_exercise": stop.is_exercise,
        },
        **refs,
    )
    registry.tell_stop_changed(stop)
