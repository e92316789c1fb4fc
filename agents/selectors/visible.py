"""Who may see which agent, policy, limit, stop and change: one queryset for list, detail, admin and API."""

from __future__ import annotations

from django.db.models import QuerySet

from agents.models import Agent, ChangeRequest, Measure, Policy, Rule, Stop, User


def visible_agents(user: User) -> QuerySet[Agent]:
    """Agents the user may view by permission or object permission, sponsors or deputises, or is."""
    raise NotImplementedError


def visible_policies(user: User) -> QuerySet[Policy]:
    """Policies the user may view by permission or object permission; an agent sees those that bind it."""
    raise NotImplementedError


def visible_rules(user: User) -> QuerySet[Rule]:
    """Rules of visible policies."""
    raise NotImplementedError


def visible_measures(user: User) -> QuerySet[Measure]:
    """Limits the user may view."""
    raise NotImplementedError


def visible_stops(user: User) -> QuerySet[Stop]:
    """Stops the user may view; agents see active ones."""
    raise NotImplementedError


def visible_change_requests(user: User) -> QuerySet[ChangeRequest]:
    """Change requests the user proposed, may decide or may view."""
    raise NotImplementedError
