"""Everything a definition names exists (nodes, roles, operations, groups ...), and its schemas are sound."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from workflows.runs.engine.definition import Definition, Node
from workflows.runs.engine.lint.findings import Finding, Known


def dangling(definition: Definition) -> bool:
    """Tell whether a way leads to what is no node, or the start is none: then nothing can be followed."""
    ways = (target for node in definition.nodes for target in definition.flow(node))
    return definition.start not in definition.nodes or any(way not in definition.nodes for way in ways)


def references(definition: Definition, known: Known) -> Iterator[Finding]:
    """Find what is named and is not there."""
    if definition.start not in definition.nodes:
        yield Finding("", f"It starts with {definition.start}, which is no node.", "Name one of its nodes.")
    if definition.owner not in known.groups:
        yield Finding("", f"Its owner {definition.owner} is no group.", "Name a group of people.")
    if definition.department and definition.department not in known.departments:
        yield Finding("", f"There is no department {definition.department}.", "Create it or name another.")
    for problem in known.schema_problems(definition.input):
        yield Finding("", f"input: {problem}", "Mend the schema.")
    for node in definition.nodes.values():
        yield from _nodes(definition, node)
        yield from _named(node, known)
        yield from _groups(node, known)
        yield from _schemas(node, known)


def _nodes(definition: Definition, node: Node) -> Iterator[Finding]:
    for target in sorted(set(definition.flow(node.id)) - set(definition.nodes)):
        yield Finding(node.id, f"It leads to {target}, which is no node.", "Name one of the nodes.")
    for named in sorted(set(node.facts.get("of", ())) - set(definition.nodes)):
        yield Finding(node.id, f"It undoes {named}, which is no node.", "Name one of the nodes.")
    if node.join in definition.nodes and definition.nodes[node.join].kind != "join":
        yield Finding(node.id, f"What it opens is closed by {node.join}, which is no join.", "Name a join.")


def _named(node: Node, known: Known) -> Iterator[Finding]:
    facts = node.facts
    undone_by = (node.undo or {}).get("operation")
    yield from _unknown(node, "role", facts.get("role"), known.roles, "Create the role or name another.")
    yield from _unknown(
        node, "department", facts.get("department"), known.departments, "Create it or name another."
    )
    for label in facts.get("needs", ()) if known.labels is not None else ():
        yield from _unknown(
            node, "agent with the label", label, known.labels or (), "Give it to one, or name another."
        )
    for operation in (facts.get("operation"), undone_by):
        yield from _unknown(node, "operation", operation, known.operations, "Publish it or name another.")
    yield from _unknown(
        node, "workflow", facts.get("workflow"), known.workflows, "Have it approved or name another."
    )


def _unknown(
    node: Node, what: str, named: Any, there: Collection[str] | Mapping[str, Any], cure: str
) -> Iterator[Finding]:
    if named is not None and named not in there:
        yield Finding(node.id, f"There is no {what} {named}.", cure)


def _groups(node: Node, known: Known) -> Iterator[Finding]:
    named = [*node.facts.get("groups", ()), *([node.facts["owner"]] if "owner" in node.facts else [])]
    for deadline in node.facts.get("deadlines", {}).values():
        named += deadline.get("to", ())
    for group in named:
        yield from _unknown(node, "group", group, known.groups, "Name a group of people.")


def _schemas(node: Node, known: Known) -> Iterator[Finding]:
    for place in ("answer", "form"):
        schema = node.facts.get(place)
        if schema:
            for problem in known.schema_problems(schema):
                yield Finding(node.id, f"{place}: {problem}", "Mend the schema.")
