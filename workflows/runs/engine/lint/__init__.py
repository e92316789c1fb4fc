"""What is wrong with a definition before anybody runs it; each finding names the node and the cure."""

from __future__ import annotations

from collections.abc import Iterable

from workflows.runs.engine.definition import Definition
from workflows.runs.engine.lint.blocks import blocks
from workflows.runs.engine.lint.deadlines import deadlines
from workflows.runs.engine.lint.duties import duties, not_run_yet
from workflows.runs.engine.lint.expressions import expressions
from workflows.runs.engine.lint.findings import Finding, Known, Level, OperationShape
from workflows.runs.engine.lint.flow import flow
from workflows.runs.engine.lint.meeting import meeting
from workflows.runs.engine.lint.patience import patience
from workflows.runs.engine.lint.references import dangling, references
from workflows.runs.engine.lint.types import types

__all__ = ["Finding", "Known", "Level", "OperationShape", "errors", "lint"]


def lint(definition: Definition, known: Known) -> list[Finding]:
    """Return what would go wrong (errors), and what a second person should weigh (advice).

    While a way leads nowhere, or a node belongs to two blocks, nothing that follows the ways is looked at.
    """
    found = [*not_run_yet(definition, known), *references(definition, known)]
    found += [*deadlines(definition, known), *meeting(definition, known)]
    if dangling(definition):
        return found
    found += blocks(definition)
    if not definition.regions.misplaced:
        found += [*flow(definition), *expressions(definition), *types(definition, known)]
    return [*found, *patience(definition, known), *duties(definition, known)]


def errors(findings: Iterable[Finding]) -> list[Finding]:
    """Return those that stop publishing."""
    return [finding for finding in findings if finding.level is Level.ERROR]
