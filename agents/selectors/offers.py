"""What forms offer of the workforce, and of what can be stopped or slowed."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

from django.db.models import QuerySet

from agents import registry
from agents.models import Agent, Department, Role, Throttle
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
