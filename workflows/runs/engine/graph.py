"""The picture of a definition: boxes, the lines between them, and the blocks that belong together. Pure.

It is complete: everything a node may lead to is a line, and every line has two boxes. It also draws what is
not yet sound, so that somebody who writes a workflow sees it while it grows: a way that leads nowhere ends in
a box of the kind ``missing``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from workflows.runs.engine.definition import OPENERS, Node
from workflows.runs.engine.regions import regions_of
from workflows.runs.engine.saying import condition_in_words, short
from workflows.runs.engine.schema import NODES

MISSING = "missing"


class Way(StrEnum):
    """Why a line leads from one box to another."""

    NEXT = "next"
    BRANCH = "branch"
    EACH = "each"
    CLOSES = "closes"
    FAILED = "failed"
    REFUSED = "refused"
    LATE = "late"
    DOWN = "down"
    UNDOES = "undoes"


@dataclass(frozen=True, slots=True)
class Box:
    """One node. ``doer``: who or what it is done by; ``notes``: facts that change how it goes, by name."""

    id: str
    kind: str
    name: str
    doer: str = ""
    notes: Mapping[str, Any] = field(default_factory=dict)
    is_start: bool = False


@dataclass(frozen=True, slots=True)
class Line:
    """One way. ``when``: the condition as written, ``words``: for people; ``is_else``: in any other case."""

    source: str
    target: str
    way: Way
    when: str = ""
    words: str = ""
    is_else: bool = False

    @property
    def key(self) -> tuple[str, str, Way, str]:
        """Return what makes it the same line in another version."""
        return self.source, self.target, self.way, self.when


@dataclass(frozen=True, slots=True)
class Block:
    """What a parallel or a map opens and its join closes, with everything between."""

    opener: str
    join: str
    kind: str
    inside: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Graph:
    """A whole picture."""

    boxes: tuple[Box, ...]
    lines: tuple[Line, ...]
    blocks: tuple[Block, ...]


def graph_of(content: Mapping[str, Any]) -> Graph:
    """Return the picture of a definition as JSON, sound or not; never raises for what a YAML text can be."""
    nodes = _nodes(content.get("nodes"))
    start = content.get("start")
    names = {key: node.name for key, node in nodes.items()}
    lines = [line for node in nodes.values() for line in _lines(node, names)]
    boxes = [_box(node, is_start=node.id == start) for node in nodes.values()]
    named = [line.target for line in lines] + ([start] if isinstance(start, str) and start else [])
    nowhere = sorted({target for target in named if target not in nodes})
    boxes += [Box(target, MISSING, target, is_start=target == start) for target in nowhere]
    return Graph(tuple(boxes), tuple(lines), tuple(_blocks(start, nodes)))


def _nodes(found: Any) -> dict[str, Node]:
    """Return what can be drawn of the nodes: objects, with the kind they say."""
    if not isinstance(found, Mapping):
        return {}
    return {
        str(key): Node(str(key), str(facts.get("kind", "")), str(facts.get("name") or key), facts)
        for key, facts in found.items()
        if isinstance(facts, Mapping)
    }


def _lines(node: Node, names: Mapping[str, str]) -> Iterator[Line]:
    yield from _ways(node, "next", Way.NEXT, names)
    yield from _ways(node, "branches", Way.BRANCH, names)
    told = node.facts.get("when_down")
    down = told.get("to") if isinstance(told, Mapping) else None
    for target, way in (
        (node.facts.get("do"), Way.EACH),
        (node.facts.get("join"), Way.CLOSES),
        (node.facts.get("failed"), Way.FAILED),
        (node.facts.get("refused"), Way.REFUSED),
        (node.facts.get("late"), Way.LATE),
        (down, Way.DOWN),
    ):
        if isinstance(target, str) and target:
            yield Line(node.id, target, way)
    of = node.facts.get("of")
    named = [target for target in (of if isinstance(of, list) else ()) if isinstance(target, str) and target]
    for target in dict.fromkeys(named):
        yield Line(node.id, target, Way.UNDOES)


def _ways(node: Node, member: str, way: Way, names: Mapping[str, str]) -> Iterator[Line]:
    found = node.facts.get(member)
    ways = [{"to": found}] if isinstance(found, str) else found if isinstance(found, list) else []
    for one in ways:
        if not isinstance(one, Mapping) or not isinstance(one.get("to"), str) or not one["to"]:
            continue
        when = one.get("when") if isinstance(one.get("when"), str) else None
        words = condition_in_words(when, names) if when else ""
        is_else = way is Way.NEXT and when is None and len(ways) > 1
        yield Line(node.id, one["to"], way, when or "", words, is_else)


def _box(node: Node, *, is_start: bool) -> Box:
    return Box(node.id, node.kind, short(node.name, 120), short(_doer(node.facts)), _notes(node), is_start)


def _doer(facts: Mapping[str, Any]) -> str:
    """Return who or what is named to do it: groups, or an operation and a role, or another workflow."""
    groups = facts.get("groups")
    if isinstance(groups, list):
        return ", ".join(map(str, groups))
    said = [facts.get(name) for name in ("operation", "workflow", "role", "signal", "outcome", "over")]
    return ", ".join(str(one) for one in said if isinstance(one, str))


def _notes(node: Node) -> dict[str, Any]:
    """Return what of a node a reader would miss in its name: times, attempts, what undoes it, how many."""
    facts = node.facts
    plain = ("due_seconds", "seconds", "timeout_seconds", "attempts", "need", "tolerate", "most_at_once")
    found = {name: facts[name] for name in plain if isinstance(facts.get(name), int | str)}
    found |= {f"{name}_at": at for name, at in _deadlines(facts.get("deadlines"))}
    if isinstance(retry := facts.get("retry"), Mapping) and isinstance(retry.get("most"), int):
        found["attempts"] = retry["most"]
    if isinstance(times := facts.get("timeouts"), Mapping) and isinstance(times.get("total_seconds"), int):
        found["total_seconds"] = times["total_seconds"]
    if isinstance(undo := facts.get("undo"), Mapping) and isinstance(undo.get("operation"), str):
        found["undo"] = undo["operation"]
    if facts.get("when_down") == "person":
        found["when_down"] = "person"
    if facts.get("compensate") is True or (node.kind == "compensate" and "of" not in facts):
        found["undoes_all"] = True
    return found


def _deadlines(said: Any) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for name in ("start", "complete"):
        at = said.get(name) if isinstance(said, Mapping) else None
        if isinstance(at, Mapping) and isinstance(at.get("seconds"), int) and isinstance(at.get("then"), str):
            to = at.get("to") if isinstance(at.get("to"), list) else []
            yield name, {"seconds": at["seconds"], "then": at["then"], "to": [str(one) for one in to or ()]}


def _blocks(start: Any, nodes: Mapping[str, Node]) -> Iterator[Block]:
    """Return the blocks from the outside in. Of what is not written as it must be there are none."""
    if not isinstance(start, str) or not all(_is_formed(node) for node in nodes.values()):
        return
    homes = regions_of(start, nodes).homes
    openers = [node for node in nodes.values() if node.kind in OPENERS and node.id in homes]
    for node in sorted(openers, key=lambda one: len(homes[one.id])):
        inside = tuple(key for key, home in homes.items() if any(opener == node.id for opener, _ in home))
        if node.join in nodes:
            yield Block(node.id, node.join, node.kind, inside)


def _is_formed(node: Node) -> bool:
    """Tell whether the ways of a node can be followed at all."""
    if node.kind not in NODES:
        return False
    lists: Sequence[Any] = [node.facts.get("next", ""), node.facts.get("branches", [])]
    texts = [node.facts.get(name, "") for name in ("failed", "refused", "late", "do", "join")]
    down = node.facts.get("when_down", "")
    return (
        all(isinstance(ways, str) or _are_ways(ways) for ways in lists)
        and all(isinstance(text, str) for text in texts)
        and (isinstance(down, str) or (isinstance(down, Mapping) and isinstance(down.get("to"), str)))
        and not (node.kind == "map" and "do" not in node.facts)
    )


def _are_ways(ways: Any) -> bool:
    return isinstance(ways, list) and all(
        isinstance(way, Mapping) and isinstance(way.get("to"), str) and isinstance(way.get("when", ""), str)
        for way in ways
    )
