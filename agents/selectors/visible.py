"""Who may see which agent, policy, limit, stop and change: one queryset for list, detail, admin and API."""

from __future__ import annotations

from typing import Any

from django.db import models
from django.db.models import Q, QuerySet
from guardian.shortcuts import get_objects_for_user

from agents.models import (
    Agent,
    Calendar,
    ChangeRequest,
    Measure,
    Policy,
    PolicyScope,
    Role,
    Rule,
    Stop,
    Throttle,
    User,
)
from agents.selectors.authority import agent_facts


def visible_agents(user: User) -> QuerySet[Agent]:
    """Agents the user may view by permission or object permission, sponsors or deputises, or is.

    The heads over an agent (three levels) see it while nobody answers for it: they may be asked to.
    """
    if not user.is_active:
        return Agent.objects.none()
    if user.is_agent:
        return Agent.objects.filter(user=user)
    if sees_every_agent(user):
        return Agent.objects.all()
    own = Q(sponsor=user) | Q(deputy=user) | Q(_headed_by(user), sponsor__is_active=False)
    return Agent.objects.filter(own | Q(pk__in=_permitted(user, "agents.view_agent", Agent)))


def sees_every_agent(user: User) -> bool:
    """Say whether the agents a user may see are all of them: by right, not by what there is."""
    return user.is_active and not user.is_agent and user.has_perm("agents.view_agent")


def _headed_by(user: User) -> Q:
    return (
        Q(department__manager=user)
        | Q(department__parent__manager=user)
        | Q(department__parent__parent__manager=user)
    )


def visible_roles(user: User) -> QuerySet[Role]:
    """Roles the user may view by permission or object permission, or of an agent they answer for; its own."""
    if not user.is_active:
        return Role.objects.none()
    if user.is_agent:
        return Role.objects.filter(agents__user=user)
    own = Agent.objects.filter(Q(sponsor=user) | Q(deputy=user)).values("role")
    return Role.objects.filter(Q(pk__in=own) | Q(pk__in=_permitted(user, "agents.view_role", Role)))


def visible_policies(user: User) -> QuerySet[Policy]:
    """Policies the user may view by permission or object permission; an agent sees those that bind it."""
    if not user.is_active:
        return Policy.objects.none()
    if user.is_agent:
        return Policy.objects.filter(_binding(user))
    return Policy.objects.filter(pk__in=_permitted(user, "agents.view_policy", Policy))


def visible_rules(user: User) -> QuerySet[Rule]:
    """Rules of visible policies; an agent does not see drafts."""
    rules = Rule.objects.filter(policy__in=visible_policies(user))
    return rules.exclude(mode=Rule.Mode.DRAFT) if user.is_agent else rules


def visible_measures(user: User) -> QuerySet[Measure]:
    """Limits the user may view; an agent sees the enforced ones that bind it."""
    if user.is_active and user.is_agent:
        return Measure.objects.filter(_binding(user), mode=Rule.Mode.ENFORCED)
    return _by_permission(user, "agents.view_measure", Measure)


def visible_stops(user: User) -> QuerySet[Stop]:
    """Stops the user may view; an agent sees the active ones in whose scope it is."""
    if user.is_active and user.is_agent:
        return Stop.objects.filter(
            Q(scope_kind=Stop.ScopeKind.EVERYTHING) | _binding(user), lifted_at__isnull=True
        )
    return _by_permission(user, "agents.view_stop", Stop)


def visible_throttles(user: User) -> QuerySet[Throttle]:
    """Throttles the user may view; an agent sees none: it only waits."""
    return Throttle.objects.none() if user.is_agent else _by_permission(user, "agents.view_throttle", Throttle)


def visible_calendars(user: User) -> QuerySet[Calendar]:
    """Calendars the user may view."""
    return _by_permission(user, "agents.view_calendar", Calendar)


def waiting_changes() -> QuerySet[ChangeRequest]:
    """Return the changes that wait for a second person."""
    return ChangeRequest.objects.filter(state=ChangeRequest.State.PENDING)


def visible_change_requests(user: User) -> QuerySet[ChangeRequest]:
    """Change requests the user proposed, may decide or may view."""
    if not user.is_active:
        return ChangeRequest.objects.none()
    if user.has_perm("agents.view_changerequest") or user.has_perm("agents.decide_changerequest"):
        return ChangeRequest.objects.all()
    return ChangeRequest.objects.filter(proposer=user)


def _permitted(user: User, permission: str, model: type[models.Model]) -> QuerySet[Any]:
    found: QuerySet[Any] = get_objects_for_user(user, permission, klass=model).values("pk")
    return found


def _by_permission(user: User, permission: str, model: type[Any]) -> QuerySet[Any]:
    allowed = user.is_active and user.has_perm(permission)
    return model.objects.all() if allowed else model.objects.none()


def _binding(user: User) -> Q:
    agent = Agent.objects.filter(user=user).first()
    if agent is None:
        return Q(pk__in=[])
    facts = agent_facts(agent)
    return (
        Q(scope_kind=PolicyScope.COMPANY)
        | Q(scope_kind=PolicyScope.DEPARTMENT, scope_id__in=facts.department_ids)
        | Q(scope_kind=PolicyScope.ROLE, scope_id=facts.role_id)
        | Q(scope_kind=PolicyScope.AGENT, scope_id=facts.agent_id)
    )
