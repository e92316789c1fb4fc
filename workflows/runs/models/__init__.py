"""Definitions and their versions; runs, steps and what the engine has to look at next."""

from __future__ import annotations

from workflows.runs.models.frame import Frame, Item
from workflows.runs.models.intervention import Intervention
from workflows.runs.models.run import Ready, Run, RunDocument, Step, Timer
from workflows.runs.models.signal import Signal, Subscription
from workflows.runs.models.workflow import Layout, Workflow, WorkflowVersion

__all__ = [
    "Frame",
    "Intervention",
    "Item",
    "Layout",
    "Ready",
    "Run",
    "RunDocument",
    "Signal",
    "Step",
    "Subscription",
    "Timer",
    "Workflow",
    "WorkflowVersion",
]
