"""Every node is reached and reaches an end, nothing turns for ever, and every choice has an answer."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from workflows.runs.engine.definition import WORK, Definition, Edge, Node
from workflows.runs.engine.lint.findings import Finding


def flow(definition: Definition) -> Iterator[Finding]:
    """Find what is never reached, never ends, loops by itself or stops at a choice."""
    yield from _reachability(definition)
    yield from _loops(definition)
    for node in definition.nodes.values():
        if node.kind not in ("end", "parallel", "map"):
            yield from _ways(node, node.edges)


def after(definition: Definition, key: str) -> set[str]:
    """Return every node that may come after one, itself only when it is in a loop."""
    found: set[str] = set()
    todo = list(definition.flow(key))
    while todo:
        here = todo.pop()
        if here not in found:
            found.add(here)
            todo += definition.flow(here)
    return found


def _reachability(definition: Definition) -> Iterator[Finding]:
    reached = {definition.start} | after(definition, definition.start)
    ends = {key for key, node in definition.nodes.items() if node.kind == "end"}
    if not ends:
        yield Finding("", "It never ends.", "Add a node of kind end.")
    for key in definition.nodes:
        if key not in reached:
            yield Finding(key, "Nothing leads to it.", "Lead a way to it or remove it.")
        elif ends and key not in ends and not after(definition, key) & ends:
            yield Finding(key, "No end can be reached from it.", "Lead a way from it to an end.")


def _loops(definition: Definition) -> Iterator[Finding]:
    """A loop of nodes that are passed at once would turn for ever; one through a person or an agent waits."""
    for key, node in definition.nodes.items():
        if node.kind not in WORK and key in _passed_after(definition, key):
            yield Finding(key, "It leads back to itself with nobody asked on the way.", "Break the loop.")


def _passed_after(definition: Definition, key: str) -> set[str]:
    seen: set[str] = set()
    todo = list(definition.flow(key))
    while todo:
        here = todo.pop()
        if here not in seen and definition.nodes[here].kind not in WORK:
            seen.add(here)
            todo += definition.flow(here)
    return seen


def _ways(node: Node, edges: Sequence[Edge]) -> Iterator[Finding]:
    if edges and edges[-1].when:
        yield Finding(
            node.id, "If none of its conditions holds, it stops there.", "End with a way without `when`."
        )
    for edge in edges[:-1]:
        if not edge.when:
            yield Finding(
                node.id, f"The ways after the one to {edge.to} are never taken.", "Move it to the end."
            )
