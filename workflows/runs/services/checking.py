"""What is to be said about a definition that somebody is writing. Nothing is changed and nothing is kept."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from agents.decision.plain_yaml import write_documents
from connectors.policies.schemas import hidden_characters
from workflows.runs import engine
from workflows.runs.engine.comparing import differences
from workflows.runs.engine.lint import Finding
from workflows.runs.models import WorkflowVersion
from workflows.runs.services.definitions import definition_of
from workflows.runs.services.publishing import MOST_DIFFERENCES, known

MOST_FINDINGS = 200
_OF_NODE = re.compile(r"^nodes/([a-z][a-z0-9_]*)/?")


def findings_of(content: Mapping[str, Any]) -> list[Finding]:
    """Return all that the lint and the form of a definition say, errors first; what is wrong never raises."""
    try:
        definition = engine.parse(content)
    except engine.DefinitionError as error:
        return [_of_form(problem) for problem in error.problems][:MOST_FINDINGS]
    hidden = [
        Finding(_node(found["pointer"]), f"{found['pointer']}: {found['message']}.", "Write it anew.")
        for found in hidden_characters(content)
    ]
    found = [*hidden, *engine.lint(definition, known())]
    return sorted(found, key=lambda one: one.level is engine.Level.ADVICE)[:MOST_FINDINGS]


def changes_of(content: Mapping[str, Any], before: WorkflowVersion | None) -> list[str]:
    """Return in words what a definition changes against a version; of one that is not well formed nothing."""
    if before is None:
        return []
    try:
        return differences(definition_of(before), engine.parse(content))[:MOST_DIFFERENCES]
    except engine.DefinitionError:
        return []


def as_text(content: Mapping[str, Any]) -> str:
    """Return a definition as YAML that is read back as the same; raises DefinitionError where YAML cannot."""
    text = write_documents([content])
    if engine.read_yaml(text) != content:
        raise engine.DefinitionError(["It holds something that cannot be written as plain YAML."])
    return text


def _of_form(problem: str) -> Finding:
    """Return a problem of the form as a finding at its node."""
    place, _, said = problem.partition(": ")
    node = _OF_NODE.match(place)
    rest = place[node.end() :] if node else place
    return Finding(node[1] if node else "", f"{rest}: {said}" if rest else said or problem, "")


def _node(pointer: str) -> str:
    found = _OF_NODE.match(pointer.lstrip("/"))
    return found[1] if found else ""
