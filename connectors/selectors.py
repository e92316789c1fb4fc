"""Reading this room: who sees which system and operation, what an agent may use, what a decision is told."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from django.db.models import Q, QuerySet
from django.urls import reverse
from django.utils import timezone

from agents.decision.facts import GrantFacts, OperationFacts
from agents.models import Agent, Stop, User
from agents.registry import AgentPanel, StopTarget
from connectors.models import (
    Call,
    Operation,
    OperationGroupObjectPermission,
    OperationUserObjectPermission,
    System,
)
from connectors.models.operations import USE_OPERATION


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
