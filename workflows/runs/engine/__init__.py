"""The pure engine: a definition and what has happened say what is next. No database, no clock, no web."""

from __future__ import annotations

from workflows.runs.engine.advance import MOST_VISITS, Finish, Goto, Next, Stuck, after, context_of, evaluated
from workflows.runs.engine.definition import Definition, Node, parse
from workflows.runs.engine.lint import Finding, Known, Level, OperationShape, errors, lint
from workflows.runs.engine.reading import DefinitionError, canonical, read_yaml
from workflows.runs.engine.schema import NODES, whole_schema

__all__ = [
    "MOST_VISITS",
    "NODES",
    "Definition",
    "DefinitionError",
    "Finding",
    "Finish",
    "Goto",
    "Known",
    "Level",
    "Next",
    "Node",
    "OperationShape",
    "Stuck",
    "after",
    "canonical",
    "context_of",
    "errors",
    "evaluated",
    "lint",
    "parse",
    "read_yaml",
    "whole_schema",
]
