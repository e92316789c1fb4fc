"""The picture of a run above its tabs, where the portal can draw one."""

from __future__ import annotations

from typing import Any

from agents.models import User
from workflows.pages.steps import MOST_STEPS, steps_of
from workflows.runs.models import Run

try:
    from workflows.pages.graph import run_graph
except ModuleNotFoundError:
    run_graph = None


def picture_of(run: Run, user: User) -> dict[str, Any] | None:
    """Return what the picture is drawn from, or None."""
    if run_graph is None:
        return None
    found: dict[str, Any] | None = run_graph(run, list(steps_of(run)[:MOST_STEPS]), user)
    return found
