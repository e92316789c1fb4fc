"""The picture of a run above the table of its steps, where the portal can draw one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from agents.models import User
from workflows.pages.steps import StepLine
from workflows.runs.models import Run

try:
    from workflows.pages.graph import run_graph
except ModuleNotFoundError:
    run_graph = None


def picture_of(run: Run, steps: Sequence[StepLine], user: User) -> Any:
    """Return what the picture is drawn from, or None; its nodes lead to these steps."""
    return run_graph(run, steps, user) if run_graph is not None else None
