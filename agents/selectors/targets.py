"""What can be stopped, found by its id or by the code people know it by."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any
from uuid import UUID

from django.db.models import Model, QuerySet

from agents.models import Agent
from agents.registry import StopTarget


def find_target(rows: QuerySet[Any], name: str) -> StopTarget | None:
    """Return the row whose UUID (in any spelling) or code this is; an id wins over a code."""
    if "\x00" in name:
        return None
    found = rows.filter(pk=key).first() if (key := _uuid(name)) else None
    found = found or rows.filter(code=name).first()
    return as_target(found) if found else None


def finder(model: type[Model]) -> Callable[[str], StopTarget | None]:
    """Return how a row of a model with ``code`` and ``name`` is found."""
    return lambda name: find_target(model._default_manager.all(), name)


def lister(model: type[Model]) -> Callable[[], Sequence[StopTarget]]:
    """Return how all rows of such a model are listed, in its own order."""
    return lambda: [as_target(row) for row in model._default_manager.all()]


def as_target(row: Any) -> StopTarget:
    """Return a row as what can be stopped."""
    return StopTarget(str(row.pk), row.name, row.code)


def employed_agents() -> list[StopTarget]:
    """Return every agent that was not retired."""
    return [as_target(agent) for agent in Agent.objects.exclude(lifecycle=Agent.Lifecycle.RETIRED)]


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None
