"""The pure engine: a definition and what has happened say what is next. No database, no clock, no web."""

from __future__ import annotations

from workflows.runs.engine.advance import MOST_VISITS, Finish, Goto, Next, Stuck, after, context_of, evaluated
from workflows.runs.engine.definition import Definition, DefinitionError, Node, canonical, parse, read_yaml
from workflows.runs.engine.lint import Finding, lint

__all__ = [
    "MOST_VISITS",
    "Definition",
    "DefinitionError",
    "Finding",
    "Finish",
    "Goto",
    "Next",
    "Node",
    "Stuck",
    "after",
    "canonical",
    "context_of",
    "evaluated",
    "lint",
    "parse",
    "read_yaml",
]
