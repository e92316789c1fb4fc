"""Which branch or body every node belongs to: a definition is made of blocks, each closed by its join.

A region is written as the way into it: ``()`` is the root, ``(("both", 1),)`` the second branch of the parallel
node ``both``, ``(("each", 0), ("both", 1))`` that branch inside the body of the map ``each``. An ``end``
belongs to no region: every one may lead to it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from workflows.runs.engine.definition import Node

Region = tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True)
class Misplaced:
    """A node that belongs to no region alone, with what is wrong in words."""

    node: str
    problem: str


@dataclass(frozen=True, slots=True)
class Regions:
    """Where every node that is reached belongs. Ends belong to the root: they end the whole run."""

    homes: Mapping[str, Region]
    ends: frozenset[str]
    misplaced: tuple[Misplaced, ...]

    def of(self, node_id: str) -> frozenset[Region]:
        """Return the regions a node is begun in: one, or none when nothing leads to it."""
        if node_id in self.ends:
            return frozenset({()})
        return frozenset({self.homes[node_id]}) if node_id in self.homes else frozenset()


def regions_of(start: str, nodes: Mapping[str, Node]) -> Regions:
    """Follow every way from the start and note the region it arrives in."""
    flood = _Flood(nodes)
    flood.run(start)
    return Regions(flood.homes, frozenset(flood.ends), tuple(flood.wrong))


class _Flood:
    def __init__(self, nodes: Mapping[str, Node]) -> None:
        self.nodes = nodes
        self.homes: dict[str, Region] = {}
        self.ends: set[str] = set()
        self.wrong: list[Misplaced] = []
        self.openers = {node.join: node.id for node in nodes.values() if node.join}
        self.todo: deque[tuple[str, Region]] = deque()

    def run(self, start: str) -> None:
        self.todo.append((start, ()))
        while self.todo:
            self.visit(*self.todo.popleft())

    def visit(self, key: str, region: Region) -> None:
        node = self.nodes.get(key)
        if node is None:
            return
        if node.kind == "end":
            self.ends.add(key)
        elif key not in self.homes:
            self.homes[key] = region
            self.leave(node, region)
        elif self.homes[key] != region:
            self.note(key, f"It is led to from {in_words(region)} and from {in_words(self.homes[key])}.")

    def leave(self, node: Node, region: Region) -> None:
        for target in sorted(node.targets):
            self.follow(node, target, region)
        for index, first in enumerate(node.starts):
            if first != node.join:
                self.todo.append((first, (*region, (node.id, index))))
        if node.join:
            self.todo.append((node.join, region))

    def follow(self, node: Node, target: str, region: Region) -> None:
        found = self.nodes.get(target)
        if found is None or found.kind != "join" or target not in self.openers:
            self.todo.append((target, region))
        elif not region or region[-1][0] != self.openers[target]:
            self.note(node.id, f"It leads to the join {target}, and is not inside what {target} closes.")

    def note(self, node: str, problem: str) -> None:
        found = Misplaced(node, problem)
        if found not in self.wrong:
            self.wrong.append(found)


def in_words(region: Region) -> str:
    """Name a region for people."""
    if not region:
        return "outside of every branch and body"
    opener, index = region[-1]
    return f"branch {index + 1} of {opener} (or its body)"
