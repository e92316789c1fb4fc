"""Blocks are whole: what a parallel or a map opens, its join closes, and nothing leads in or out on the way."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from workflows.runs.engine.definition import OPENERS, Definition, Node
from workflows.runs.engine.lint.findings import Finding, Level

RESERVED = frozenset({"input", "run", "steps", "index", "signal"})


def blocks(definition: Definition) -> Iterator[Finding]:
    """Find joins without opener and the reverse, ways across a border, and needs that can never be met."""
    for wrong in definition.regions.misplaced:
        yield Finding(
            wrong.node,
            wrong.problem,
            "Lead ways only inside the same branch or body, to the join that closes it, or to an end.",
        )
    yield from _pairs(definition)
    for node in definition.nodes.values():
        if node.kind in OPENERS:
            yield from _opener(definition, node)
        if node.kind == "compensate":
            yield from _undoes(definition, node)


def _pairs(definition: Definition) -> Iterator[Finding]:
    opened = Counter(node.join for node in definition.nodes.values() if node.kind in OPENERS)
    for key, node in definition.nodes.items():
        if node.kind == "join" and not opened[key]:
            yield Finding(key, "It joins nothing.", "Name it in a parallel or map node, or remove it.")
        if node.kind == "join" and opened[key] > 1:
            yield Finding(key, f"It closes what {opened[key]} nodes open.", "Give each its own join.")


def _opener(definition: Definition, node: Node) -> Iterator[Finding]:
    need = definition.nodes[node.join].facts.get("need", "all")
    if node.kind == "parallel" and isinstance(need, int) and need > len(node.branches):
        yield Finding(
            node.join, f"It needs {need} of the {len(node.branches)} branches of {node.id}.", "Need fewer."
        )
    if node.kind == "map" and node.facts["do"] == node.join:
        yield Finding(node.id, "Nothing is done for an item.", "Name the first node of the body in `do`.")
    if node.kind == "map" and node.item in RESERVED:
        yield Finding(node.id, f"An item cannot be called {node.item}.", "Choose another name.")
    if node.kind == "parallel" and len(node.branches) == 1:
        yield Finding(node.id, "It has one branch only.", "Use a branch node, or add branches.", Level.ADVICE)


def _undoes(definition: Definition, node: Node) -> Iterator[Finding]:
    for named in node.facts.get("of", ()):
        if named in definition.nodes and definition.nodes[named].undo is None:
            yield Finding(node.id, f"It undoes {named}, which says no `undo`.", f"Give {named} an `undo`.")
