"""Deadlines of people's work: in an order that can happen, and with all that is needed when one passes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from workflows.runs.engine.definition import Definition, Node
from workflows.runs.engine.lint.findings import Finding, Known


def deadlines(definition: Definition, known: Known) -> Iterator[Finding]:
    """Find reminders after their deadline, a start after the end, and outcomes that are no answer."""
    for node in definition.nodes.values():
        said = node.facts.get("deadlines", {})
        for name, facts in said.items():
            yield from _remind(node, name, facts)
            yield from _then(node, name, facts, known)
        yield from _order(node, said)


def _remind(node: Node, name: str, facts: Mapping[str, Any]) -> Iterator[Finding]:
    if facts.get("remind_seconds", 0) >= facts["seconds"]:
        problem = f"deadlines/{name}: the reminder comes no sooner than the deadline."
        yield Finding(node.id, problem, "Let `remind_seconds` be less than `seconds`.")


def _then(node: Node, name: str, facts: Mapping[str, Any], known: Known) -> Iterator[Finding]:
    is_outcome = facts["then"] == "outcome"
    needed, odd = ("answer", "to") if is_outcome else ("to", "answer")
    if needed not in facts:
        yield Finding(node.id, f"deadlines/{name}: {facts['then']} needs `{needed}`.", f"Say `{needed}`.")
    if odd in facts:
        problem = f"deadlines/{name}: {facts['then']} does not use `{odd}`."
        yield Finding(node.id, problem, f"Leave `{odd}` out.")
    if is_outcome and "answer" in facts:
        for problem in known.answer_problems(node.facts["form"], facts["answer"]):
            said = f"deadlines/{name}: its answer does not fit the form: {problem}"
            yield Finding(node.id, said, "Give an answer that fits.")


def _order(node: Node, said: Mapping[str, Any]) -> Iterator[Finding]:
    if {"start", "complete"} <= set(said) and said["start"]["seconds"] >= said["complete"]["seconds"]:
        problem = "deadlines: it is to be started no sooner than it is to be completed."
        yield Finding(node.id, problem, "Let the start come before the completion.")
    if "complete" in said and "due_seconds" in node.facts:
        problem = "It says twice when it should be done: `due_seconds` and `deadlines/complete`."
        yield Finding(node.id, problem, "Leave `due_seconds` out.")
