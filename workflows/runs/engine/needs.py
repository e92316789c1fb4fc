"""Which steps a view has to carry for an event about a node: a few, whatever the size of the run."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from workflows.runs.engine.definition import WORK, Definition
from workflows.runs.engine.facts import steps_read


@dataclass(frozen=True, slots=True)
class Needs:
    """``nodes``: whose newest step is needed, for its generation. ``facts``: of which also with answer, error
    and the rest, because an expression may read them; None: of every one."""

    nodes: frozenset[str]
    facts: frozenset[str] | None


def needs(definition: Definition, node_id: str) -> Needs:
    """Return what an event about a step of a node may read, worked out once. '': the start of the run."""
    kept = definition.kept
    if node_id not in kept:
        kept[node_id] = _needs(definition, node_id)
    found = kept[node_id]
    assert isinstance(found, Needs)  # noqa: S101 - only this module writes there
    return found


def _needs(definition: Definition, node_id: str) -> Needs:
    seen: set[str] = set()
    read: set[str] = set()
    reads_all = False
    todo = [node_id] if node_id else [definition.start]
    while todo:
        here = todo.pop()
        if here in seen:
            continue
        seen.add(here)
        if here != node_id and definition.nodes[here].kind in WORK:
            continue
        for text in definition.nodes[here].expressions().values():
            found = steps_read(text)
            reads_all = reads_all or found is None
            read |= found or frozenset()
        if "same_agent_as" in definition.nodes[here].facts:
            read.add(definition.nodes[here].facts["same_agent_as"])
        todo += [*definition.flow(here), *_joins_around(definition, here)]
    return Needs(frozenset(seen), None if reads_all else frozenset(read))


def _joins_around(definition: Definition, node_id: str) -> Iterator[str]:
    """Yield the joins that may be passed because a branch or an item ends here, or fails."""
    for opener, _ in definition.regions.homes.get(node_id, ()):
        yield definition.nodes[opener].join
