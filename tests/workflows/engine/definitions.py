"""Random definitions that are sound: sequences of work, loops, parallels and maps inside one another."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from hypothesis import strategies as st

from tests.workflows.engine.build import content, node
from workflows.runs import engine

MOST_ITEMS = 4
INPUT = {"items": list(range(MOST_ITEMS))}
_OVER = [f"[{', '.join(map(str, range(size)))}]" for size in range(MOST_ITEMS + 1)]
LEAVES = ["undoable", "agent", "undoable", "sub", "signal", "undoable", "human", "gate", "timer", "branch"]


@dataclass(frozen=True)
class Leaf:
    """Work, or a branch. ``loops``: it may lead back to itself; ``stops``: it may end the run."""

    kind: str
    fails_on: bool = False
    loops: bool = False
    stops: bool = False


@dataclass(frozen=True)
class Block:
    """A parallel or a map with what is inside."""

    kind: str
    inside: tuple[tuple[Any, ...], ...]
    need: Any = "all"
    rest: str = "finish"
    fails_on: bool = False
    collects: bool = True
    dead: int = -1
    tolerate: Any = 0
    at_once: int = 2
    size: int = 2


@dataclass(frozen=True)
class Undoing:
    """A compensate node."""


def leaves(*, wild: bool) -> st.SearchStrategy[Leaf]:
    flag = st.booleans() if wild else st.just(False)
    rare = st.sampled_from([False, False, False, True]) if wild else st.just(False)
    return st.builds(Leaf, st.sampled_from(LEAVES), flag, flag, rare)


def blocks(inside: st.SearchStrategy[Any], *, wild: bool) -> st.SearchStrategy[Any]:
    some = st.lists(inside, min_size=1, max_size=3).map(tuple)
    maybe = st.lists(inside, max_size=2).map(tuple)
    needs = st.sampled_from(["all", "all", "any", 1, 2]) if wild else st.just("all")
    rests = st.sampled_from(["finish", "cancel"]) if wild else st.just("finish")
    flag = st.booleans() if wild else st.just(False)
    parallel = st.builds(
        Block, st.just("parallel"), st.lists(maybe, min_size=2, max_size=3).map(tuple), needs, rests, flag,
        st.booleans(), st.integers(-3, 2),
    )  # fmt: skip
    each = st.builds(
        Block, st.just("map"), st.tuples(some), needs, rests, flag, st.booleans(), st.just(-1),
        st.sampled_from([0, 1, "50%"]), st.integers(1, 3), st.integers(0, MOST_ITEMS),
    )  # fmt: skip
    found = [leaves(wild=wild), parallel, each]
    return st.one_of(*found, st.builds(Undoing)) if wild else st.one_of(*found)


def trees(*, wild: bool = True) -> st.SearchStrategy[tuple[Any, ...]]:
    """Return sequences of what a run does. Not wild: the order of completions does not change the outcome."""
    part = st.recursive(leaves(wild=wild), lambda inside: blocks(inside, wild=wild), max_leaves=6)
    whole = st.lists(part, min_size=2, max_size=4).map(tuple)
    last = st.sampled_from([(Undoing(),), ()]) if wild else st.just(())
    return st.tuples(whole, last).map(lambda both: both[0] + both[1])


@dataclass
class Writer:
    """Turns a tree into nodes."""

    nodes: dict[str, Any] = field(default_factory=dict)
    seen: int = 0

    def name(self, kind: str) -> str:
        self.seen += 1
        return f"{kind}{self.seen}"

    def sequence(self, parts: tuple[Any, ...], after: str) -> str:
        """Write a sequence that leads to ``after``; return its first node."""
        for part in reversed(parts):
            after = self.part(part, after)
        return after

    def part(self, part: Any, after: str) -> str:
        if isinstance(part, Leaf):
            return self.leaf(part, after)
        if isinstance(part, Undoing):
            name = self.name("undo")
            self.nodes[name] = node("compensate", next=after)
            return name
        return self.block(part, after)

    def leaf(self, leaf: Leaf, after: str) -> str:
        kind = {"undoable": "operation", "signal": "wait", "timer": "wait"}.get(leaf.kind, leaf.kind)
        name = self.name(kind)
        ways = [{"to": after}]
        if kind in ("agent", "operation", "wait"):  # what the others may answer is closed
            if leaf.stops:
                ways.insert(0, {"when": f"has(steps.{name}.answer.stop)", "to": "stopped"})
            if leaf.loops:
                ways.insert(0, {"when": f"has(steps.{name}.answer.again)", "to": name})
        more: dict[str, Any] = {"give": {"number": '"7"'}} if kind == "sub" else {}
        if leaf.fails_on:
            place = {"agent": "failed", "operation": "refused", "sub": "failed", "wait": "late"}.get(kind)
            more |= {place: after} if place else {}
        if leaf.kind == "undoable":
            more["undo"] = {"operation": "erp.cancel"}
        if leaf.kind == "signal":
            more["signal"] = "go"
        if leaf.kind == "timer":
            more["seconds"] = 5
        self.nodes[name] = node(kind, next=ways, **more)
        return name

    def block(self, block: Block, after: str) -> str:
        join, name = self.name("join"), self.name(block.kind)
        first = [self.sequence(parts, join) for parts in block.inside]
        if block.kind == "parallel":
            ways = [
                {"to": to, **({"when": "false"} if at == block.dead else {})} for at, to in enumerate(first)
            ]
            self.nodes[name] = node("parallel", branches=ways, join=join)
        else:
            told = {"tolerate": block.tolerate} if block.need == "all" else {}
            self.nodes[name] = node(
                "map", over=_OVER[block.size], do=first[0], join=join, most_at_once=block.at_once, **told
            )
        # Without `collect` the join is passed in the same plan; with it the join has a turn of its own.
        collect = {"collect": "index" if block.kind == "map" else "1"} if block.collects else {}
        failed = {"failed": after} if block.fails_on else {}
        self.nodes[join] = node("join", need=block.need, rest=block.rest, next=after, **collect, **failed)
        return name


def written(tree: tuple[Any, ...], *, undo_at_end: bool = False) -> engine.Definition:
    """Return the definition of a tree."""
    writer = Writer()
    start = writer.sequence(tree, "done")
    answers = {
        f"{key}_": f"has(steps.{key}) ? steps.{key}.answer : null" for key in _readable(start, writer.nodes)
    }
    nodes = {
        **writer.nodes,
        "done": node("end", output=answers),
        "stopped": node("end", outcome="stopped", compensate=undo_at_end),
    }
    if not any("stopped" in str(found.get("next")) for found in writer.nodes.values()):
        del nodes["stopped"]
    return engine.load(content(start, **nodes))


def _readable(start: str, nodes: dict[str, Any]) -> list[str]:
    """Return the joins that an end can read: those in no body of a map."""
    found = engine.load(content(start, **nodes))
    homes = found.regions.homes
    outside = [key for key, home in homes.items() if all(nodes[opener]["kind"] != "map" for opener, _ in home)]
    return [key for key in outside if nodes[key]["kind"] == "join"][:40]
