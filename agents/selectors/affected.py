"""Whom a stop hits, and what of the ledger belongs to somebody's agents."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.db.models import Q, QuerySet

from agents import registry
from agents.models import Agent, Department, Stop, User
from agents.selectors.visible import visible_agents

Kind = Stop.ScopeKind


def agents_affected(scope_kind: str, scope_id: str) -> QuerySet[Agent]:
    """Return the active agents a stop of this scope keeps from acting (or from this system)."""
    working = Agent.objects.filter(lifecycle=Agent.Lifecycle.ACTIVE)
    if scope_kind in (Kind.OPERATION, Kind.SYSTEM):
        return working.filter(_holds_grant_of(scope_kind, scope_id))
    return working.filter(pk__in=agents_in_scope(scope_kind, scope_id).values("pk"))


def agents_in_scope(scope_kind: str, scope_id: str) -> QuerySet[Agent]:
    """Return the agents that a stop of this scope stops as a whole: none for one of a system or a workflow."""
    if scope_kind == Kind.EVERYTHING:
        return Agent.objects.all()
    if scope_kind == Kind.DEPARTMENT:
        return Agent.objects.filter(department_id__in=_below(scope_id))
    if scope_kind == Kind.ROLE:
        return Agent.objects.filter(role_id=scope_id)
    if scope_kind == Kind.AGENT:
        return Agent.objects.filter(pk=scope_id)
    return Agent.objects.none()


def stopped_agents() -> Q:
    """Return the condition on Agent of all that a stop stops as a whole, in one or two questions."""
    whole = (Kind.EVERYTHING, Kind.DEPARTMENT, Kind.ROLE, Kind.AGENT)
    active = Stop.objects.filter(scope_kind__in=whole, stage=Stop.Stage.STOP, lifted_at__isnull=True)
    named: dict[str, list[str]] = {}
    for kind, key in active.values_list("scope_kind", "scope_id"):
        named.setdefault(kind, []).append(key)
    if Kind.EVERYTHING in named:
        return Q(pk__isnull=False)
    departments = _below_any(named[Kind.DEPARTMENT]) if Kind.DEPARTMENT in named else []
    return (
        Q(department_id__in=departments)
        | Q(role_id__in=named.get(Kind.ROLE, []))
        | Q(pk__in=named.get(Kind.AGENT, []))
    )


def departments_around(department: Department) -> tuple[list[str], list[str]]:
    """Return the ids of a department and all above it, and of it and all below it."""
    above: list[str] = []
    at: Department | None = department
    while at is not None:
        above.append(str(at.pk))
        at = at.parent
    return above, _below(str(department.pk))


def _below(department_id: str) -> list[str]:
    return _below_any([department_id])


def _below_any(department_ids: Iterable[str]) -> list[str]:
    children: dict[str, list[str]] = {}
    for key, parent in Department.objects.values_list("pk", "parent_id"):
        children.setdefault(str(parent), []).append(str(key))
    found, todo = [], [str(key) for key in department_ids]
    while todo:
        found.append(todo.pop())
        todo += children.get(found[-1], [])
    return found


def _holds_grant_of(scope_kind: str, scope_id: str) -> Q:
    codes = {it.code for it in registry.all_operations() if scope_id in (it.code, it.system_id)}
    holders: dict[str, set[str]] = {"user": set(), "group": set()}
    for grant in registry.grants():
        if grant.operation in codes:
            holders[grant.holder_kind].add(grant.holder_id)
    return Q(user_id__in=holders["user"]) | Q(role__group_id__in=holders["group"])


def visible_events(user: Any) -> Q | None:
    """What an agent does belongs to whoever may see that agent; an agent sees what happened to itself."""
    if not isinstance(user, User) or not user.is_active:
        return None
    if user.is_agent:
        return Q(agent_id__in=[str(key) for key in _keys(user)], verb__startswith="agents.")
    if user.has_perm("agents.view_agent"):
        return Q(verb__startswith="agents.") | ~Q(agent_id="")
    keys = _keys(user)
    return Q(agent_id__in=[str(key) for key in keys]) if keys else None


def _keys(user: User) -> list[Any]:
    return list(visible_agents(user).values_list("pk", flat=True))
