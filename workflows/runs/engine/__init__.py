"""The pure engine: a definition and what has happened say what is next. No database, no clock, no web."""

from __future__ import annotations

from workflows.runs.engine.definition import WORK, Definition, Node, load, parse
from workflows.runs.engine.events import Event
from workflows.runs.engine.facts import given, given_to_undo
from workflows.runs.engine.following import MOST_VISITS, Finish, Goto, Next, Stuck, after, context_of, evaluated
from workflows.runs.engine.lint import Finding, Known, Level, OperationShape, errors, lint
from workflows.runs.engine.machine import MOST_PASSED, accepts, advance
from workflows.runs.engine.needs import Needs, needs
from workflows.runs.engine.orders import Order, Plan
from workflows.runs.engine.reading import DefinitionError, canonical, read_yaml
from workflows.runs.engine.retrying import again, most_attempts
from workflows.runs.engine.schema import NODES, whole_schema
from workflows.runs.engine.undoing import UndoScope, undo_scope
from workflows.runs.engine.views import FrameView, RunView, Slot, StepView

__all__ = [
    "MOST_PASSED",
    "MOST_VISITS",
    "NODES",
    "WORK",
    "Definition",
    "DefinitionError",
    "Event",
    "Finding",
    "Finish",
    "FrameView",
    "Goto",
    "Known",
    "Level",
    "Needs",
    "Next",
    "Node",
    "OperationShape",
    "Order",
    "Plan",
    "RunView",
    "Slot",
    "StepView",
    "Stuck",
    "UndoScope",
    "accepts",
    "advance",
    "after",
    "again",
    "canonical",
    "context_of",
    "errors",
    "evaluated",
    "given",
    "given_to_undo",
    "lint",
    "load",
    "most_attempts",
    "needs",
    "parse",
    "read_yaml",
    "undo_scope",
    "whole_schema",
]
