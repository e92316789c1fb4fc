"""What forms offer of the workforce, and of what can be stopped or slowed."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

from django.db.models import Q, QuerySet

from agents import registry
from agents.models import Agent, Certificate, Department, Role, Throttle, User
from agents.selectors.visible import sees_every_agent, visible_agents
from audit.offers import Choice, Few, Offer, Rows, Shelf

# How each kind that can be stopped is headed, and what one of it is called.
KINDS = {
    "department": ("Departments", "department"),
    "role": ("Roles", "role"),
    "agent": ("Agents", "agent"),
    "system": ("Systems", "system"),
    "operation": ("Operations", "operation"),
    "workflow": ("Workflows", "workflow"),
}


def employed() -> QuerySet[Agent]:
    """Return every agent that was not retired, by name."""
    return Agent.objects.exclude(lifecycle=Agent.Lifecycle.RETIRED).order_by("name", "pk")


def every_agent() -> QuerySet[Agent]:
    """Return every agent, by name."""
    return Agent.objects.order_by("name", "pk")


def agents_seen_by(user: User, *, shown: QuerySet[Any] | None = None) -> QuerySet[Agent]:
    """Return the agents a person may see, and those that rows they are shown name (``shown``, ids), by name."""
    if sees_every_agent(user):
        return every_agent()
    own = Q(pk__in=visible_agents(user).values("pk"))
    return every_agent().filter(own if shown is None else own | Q(pk__in=shown))


def certified_agents(user: User) -> QuerySet[Agent]:
    """Return the agents a person may see, and those whose certificates they read by right, by name."""
    reads_all = user.is_active_person and user.has_perm("agents.view_certificate")
    return agents_seen_by(user, shown=Certificate.objects.order_by().values("agent") if reads_all else None)


def _targets(kind: str) -> Iterable[Choice]:
    return [Choice(f"{kind}:{it.id}", it.label, it.code) for it in registry.stop_targets(kind)]


def _one(value: str, name: str) -> Few:
    return Few(lambda: [Choice(value, name)])


_ROWS: dict[str, Callable[[], QuerySet[Any]]] = {
    "department": lambda: Department.objects.order_by("name", "pk"),
    "role": lambda: Role.objects.order_by("name", "pk"),
    "agent": employed,
}


def _shelf(kind: str) -> Shelf:
    title, word = KINDS[kind]
    if kind in _ROWS:
        return Rows(_ROWS[kind], f"{kind}:", title, word)
    return Few(partial(_targets, kind), title, word)


EMPLOYED = Offer((Rows(employed),))
EVERY_AGENT = Offer((Rows(every_agent),))
BOUND = Offer((_one("company:", "The whole company"), *map(_shelf, ("department", "role", "agent"))))
STOPPED = Offer((_one("everything:", "Everything"), *map(_shelf, KINDS)), shows_codes=True)
SLOWED = Offer(tuple(_shelf(kind) for kind in Throttle.ScopeKind.values), shows_codes=True)
