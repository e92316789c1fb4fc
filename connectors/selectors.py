"""Reading this room: who sees which system and operation, what an agent may use, what a decision is told."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from statistics import median
from typing import Any

from django.db.models import Count, OuterRef, Q, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.urls import reverse
from django.utils import timezone

from agents.decision.facts import GrantFacts, OperationFacts
from agents.models import Agent, Role, Stop, User
from agents.registry import AgentPanel, StopTarget
from connectors.models import (
    Call,
    Operation,
    OperationGroupObjectPermission,
    OperationUserObjectPermission,
    System,
)
from connectors.models.operations import USE_OPERATION

# Of so many of its newest calls it is said how a system does. No call takes as long as LONGEST_CALL (seconds):
# what has been under way for longer was cut off with its process.
NEWEST_CALLS = 500
MOST_FAILURES = 8
LONGEST_CALL = 600


def visible_to(user: Any) -> QuerySet[Operation]:
    """Operations a user may see: all with the right to view them, else those granted to them."""
    everything = Operation.objects.select_related("system", "current_revision")
    if not getattr(user, "is_active", False):
        return everything.none()
    if user.has_perm("connectors.view_operation"):
        return everything
    mine = OperationUserObjectPermission.objects.filter(user=user)
    ours = OperationGroupObjectPermission.objects.filter(group__user=user)
    return everything.filter(Q(pk__in=mine.values("content_object")) | Q(pk__in=ours.values("content_object")))


def visible_systems(user: Any) -> QuerySet[System]:
    """Systems a person may see; agents see operations, not systems."""
    everything = System.objects.select_related("health")
    may = getattr(user, "is_active", False) and user.kind == User.Kind.PERSON
    return everything if may and user.has_perm("connectors.view_system") else everything.none()


def system_names(user: Any) -> list[tuple[str, str]]:
    """Return the ids and names of the systems somebody may see, for a reader of the ledger to pick."""
    return [(str(key), name) for key, name in visible_systems(user).order_by("name").values_list("pk", "name")]


def visible_calls(user: Any) -> QuerySet[Call]:
    """Calls of visible systems."""
    return Call.objects.select_related("system", "operation").filter(system__in=visible_systems(user))


def operations_for_agent(agent: Agent) -> QuerySet[Operation]:
    """Operations an agent may use: granted to it or to its role's group, switched on, published."""
    return visible_to_agent_user(agent.user).filter(
        is_enabled=True, system__is_enabled=True, current_revision__isnull=False
    )


def visible_to_agent_user(user: User) -> QuerySet[Operation]:
    """Operations granted to this identity, whatever rights to view it may hold."""
    mine = OperationUserObjectPermission.objects.filter(user=user, permission__codename=USE_OPERATION)
    ours = OperationGroupObjectPermission.objects.filter(group__user=user, permission__codename=USE_OPERATION)
    granted = Q(pk__in=mine.values("content_object")) | Q(pk__in=ours.values("content_object"))
    return Operation.objects.select_related("system", "current_revision").filter(granted)


def operations_of_role(role: Role) -> list[Operation]:
    """Return the operations that every agent of a role may use, switched on and published, by name."""
    granted = OperationGroupObjectPermission.objects.filter(
        group=role.group_id, permission__codename=USE_OPERATION
    )
    found = Operation.objects.select_related("system").filter(pk__in=granted.values("content_object"))
    return list(
        found.filter(is_enabled=True, system__is_enabled=True, current_revision__isnull=False).order_by(
            "name", "code"
        )
    )


def operations_within_role(role: Role) -> list[Operation]:
    """Return what agents of a role may use, whether it was granted to the role or to one of them alone."""
    ours = OperationGroupObjectPermission.objects.filter(group=role.group_id)
    theirs = OperationUserObjectPermission.objects.filter(user__agent__role=role)
    granted = Q(pk__in=ours.values("content_object")) | Q(pk__in=theirs.values("content_object"))
    return list(Operation.objects.filter(granted, is_enabled=True).order_by("code"))


def operations_of_system(system: System) -> QuerySet[Operation]:
    """Return the operations of a system with how many agents and roles may use each."""
    found = Operation.objects.filter(system=system).select_related(
        "current_revision", "lookup_operation", "undo_operation"
    )
    return found.annotate(
        agent_grants=_grants_on(OperationUserObjectPermission),
        role_grants=_grants_on(OperationGroupObjectPermission),
    ).order_by("code")


def _grants_on(model: Any) -> Coalesce:
    """Count the grants of one kind apart: two joins in one would multiply them."""
    found = model.objects.filter(content_object=OuterRef("pk"), permission__codename=USE_OPERATION)
    counted = found.order_by().values("content_object").annotate(number=Count("pk")).values("number")
    return Coalesce(Subquery(counted), 0)


def agents_using(system: System) -> QuerySet[Agent]:
    """Return the agents that may use something of a system, by a grant of their own or by their role's."""
    mine = OperationUserObjectPermission.objects.filter(
        content_object__system=system, permission__codename=USE_OPERATION
    )
    working = Agent.objects.exclude(lifecycle=Agent.Lifecycle.RETIRED)
    return working.filter(Q(user__in=mine.values("user")) | Q(role__in=roles_using(system).values("pk")))


def roles_using(system: System) -> QuerySet[Role]:
    """Return the roles whose agents may use something of a system."""
    ours = OperationGroupObjectPermission.objects.filter(
        content_object__system=system, permission__codename=USE_OPERATION
    )
    return Role.objects.filter(group__in=ours.values("group")).order_by("name")


@dataclass(frozen=True, slots=True)
class Lately:
    """The newest calls of a system: how many there were, how they ended, how long half of them took.

    ``since`` is when the oldest of them began; ``now`` counts those under way.
    """

    now: int = 0
    counted: int = 0
    confirmed: int = 0
    failed: int = 0
    unknown: int = 0
    median_ms: int | None = None
    since: datetime | None = None
    failures: tuple[Call, ...] = ()


def lately(system: System) -> Lately:
    """Return how the newest calls of a system went, with one question, whatever was called before them."""
    newest = list(
        Call.objects.filter(system=system)
        .select_related("operation")
        .defer("request_summary", "response_excerpt")
        .order_by("-started_at")[:NEWEST_CALLS]
    )
    if not newest:
        return Lately()
    gone = timezone.now() - timedelta(seconds=LONGEST_CALL)
    ended = [it for it in newest if it.finished_at is not None]
    took = [round((it.finished_at - it.started_at).total_seconds() * 1000) for it in ended if it.finished_at]
    failures = [it for it in ended if it.outcome in (Call.Outcome.FAILED, Call.Outcome.UNKNOWN)]
    return Lately(
        now=sum(it.finished_at is None and it.started_at > gone for it in newest),
        counted=len(newest),
        confirmed=sum(it.outcome == Call.Outcome.CONFIRMED for it in ended),
        failed=sum(it.outcome == Call.Outcome.FAILED for it in ended),
        unknown=sum(it.outcome == Call.Outcome.UNKNOWN for it in ended),
        median_ms=round(median(took)) if took else None,
        since=newest[-1].started_at,
        failures=tuple(failures[:MOST_FAILURES]),
    )


def operation_facts(code: str) -> OperationFacts | None:
    """Return what a decision is told about an operation; None when it is unknown or switched off."""
    found = _callable().filter(code=code).first()
    return _facts(found) if found else None


def all_operation_facts() -> Sequence[OperationFacts]:
    """Return the facts of every operation that is switched on."""
    return [_facts(operation) for operation in _callable()]


def operation_to_stop(code: str) -> StopTarget | None:
    """Return an operation by its code, whether it is switched on or off."""
    found = Operation.objects.filter(code=code.replace("\x00", "")).first()
    return StopTarget(found.code, found.name, found.code) if found else None


def operations_to_stop() -> list[StopTarget]:
    """Return every operation, whether it is switched on or off."""
    return [StopTarget(it.code, it.name, it.code) for it in Operation.objects.order_by("code")]


def grant_facts() -> list[GrantFacts]:
    """Return every grant on an operation, for the snapshot of authority."""
    users = OperationUserObjectPermission.objects.filter(permission__codename=USE_OPERATION)
    groups = OperationGroupObjectPermission.objects.filter(permission__codename=USE_OPERATION)
    return [
        GrantFacts(f"{kind}:{key}", code, kind, str(holder))
        for kind, rows in (
            ("user", users.values_list("pk", "content_object__code", "user_id")),
            ("group", groups.values_list("pk", "content_object__code", "group_id")),
        )
        for key, code, holder in rows
    ]


def _callable() -> QuerySet[Operation]:
    return Operation.objects.select_related("system", "current_revision").filter(
        is_enabled=True, system__is_enabled=True, current_revision__isnull=False
    )


def _facts(operation: Operation) -> OperationFacts:
    revision, system = operation.current_revision, operation.system
    assert revision is not None  # noqa: S101
    return OperationFacts(
        code=operation.code,
        revision=revision.number,
        schema_hash=revision.schema_hash,
        name=operation.name,
        system_id=str(system.pk),
        system_code=system.code,
        category=system.category,
        environment=system.environment,
        effect=operation.effect,
        idempotent=operation.idempotent,
        money_path=operation.money_path,
        input_schema=revision.input_schema,
    )


def visible_events(user: Any) -> Q | None:
    """Events about systems belong to those who may see systems."""
    if visible_systems(user).query.is_empty():
        return None
    return Q(verb__startswith="connectors.")


def health_of(system: System) -> str:
    """Return how a system is doing, in words, from what its calls showed lately."""
    health = getattr(system, "health", None)
    if not system.is_enabled:
        return "Off"
    if health is None or not (health.last_ok_at or health.last_failure_at):
        return "Not called yet"
    if health.opened_at:
        return "Held back"
    return "Failing" if health.consecutive_failures else "Answers"


def why_down(system: System, *, may_try: bool) -> str:
    """Say why nothing can be done in a system now, '' if it can: switched off, stopped, or it does not answer.

    ``may_try``: one that does not answer counts as up when its breaker would let one call through to try.
    """
    if not system.is_enabled:
        return f"{system.name} is switched off."
    stopped = Stop.objects.filter(scope_kind="system", scope_id=str(system.pk), lifted_at=None)
    if stopped.exclude(stage=Stop.Stage.HELD).exists():
        return f"{system.name} is stopped."
    health = getattr(system, "health", None)
    if health is None or health.opened_at is None:
        return ""
    tried = max(at for at in (health.opened_at, health.trial_at) if at)
    if may_try and timezone.now() >= tried + timedelta(seconds=system.breaker_cooldown):
        return ""
    return f"{system.name} does not answer; calls to it are held back since {health.opened_at:%H:%M:%S} UTC."


def grant_panel(agent: Agent, user: User) -> AgentPanel | None:
    """Return the table of operations an agent may use, for its page; None for who may not see operations."""
    if not user.has_perm("connectors.view_operation"):
        return None
    direct = set(
        OperationUserObjectPermission.objects.filter(user=agent.user_id).values_list(
            "content_object", flat=True
        )
    )
    rows = [
        (operation.name, operation.code, operation.get_effect_display(), _how(operation, direct, agent))
        for operation in visible_to_agent_user(agent.user).order_by("code")
    ]
    links = []
    if user.has_perm("connectors.grant_operation"):
        links = [("Grant operations", reverse("admin:connectors_grant_to_agent", args=[agent.pk]))]
    return AgentPanel(
        title="Operations it may use",
        columns=("Operation", "Code", "Effect", "Granted"),
        rows=rows,
        empty="None: everything it asks for is denied.",
        links=links,
    )


def _how(operation: Operation, direct: set[Any], agent: Agent) -> str:
    if not operation.is_enabled:
        return "switched off"
    return "to it" if operation.pk in direct else f"by its role, {agent.role}"
