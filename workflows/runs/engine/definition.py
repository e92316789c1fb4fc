"""What a workflow is: our own small graph, a named subset of BPMN 2.0 (ISO/IEC 19510), written in YAML.

    code: invoice-to-ledger
    name: Invoice to ledger
    purpose: Supplier invoices are in the books on the day they arrive.
    owner: Managers                     # the group that answers for it
    sla_seconds: 86400                  # what is promised for a whole run
    input: {JSON Schema of what a run is started with}
    start: read
    nodes:
      read:   {kind: agent, name: Read the document, role: reader, department: finance, due_seconds: 600,
               give: {document: input.document}, answer: {JSON Schema}, next: check, failed: settle}
      lookup: {kind: operation, name: ..., role: checker, operation: erp.supplier_invoice.find,
               arguments: {number: steps.read.answer.number}, next: done, refused: settle}
      settle: {kind: human, name: ..., groups: [Approvers], title: '"Settle " + run.key', show: {Number: ...},
               form: {JSON Schema}, next: [{when: steps.settle.answer.again, to: read}, {to: done}]}
      ask:    {kind: gate, name: ..., role: checker, operation: erp.payment.create, arguments: {...},
               next: [{when: steps.ask.answer.verdict == "allow", to: pay}, {to: settle}]}
      fork:   {kind: branch, name: ..., next: [{when: ..., to: ...}, {to: ...}]}
      both:   {kind: parallel, name: ..., branches: [{to: left}, {when: ..., to: right}], join: met}
      each:   {kind: map, name: ..., over: input.lines, item: line, do: book, join: booked, tolerate: 5%}
      met:    {kind: join, name: ..., need: all, rest: finish, collect: steps.left.answer, next: done}
      other:  {kind: sub, name: ..., workflow: pay-supplier, give: {...}, next: done, failed: settle}
      later:  {kind: wait, name: ..., signal: goods-in, match: signal.order == input.order,
               timeout_seconds: 86400, late: settle, next: done}
      back:   {kind: compensate, name: ..., of: [pay], next: settle}
      done:   {kind: end, name: ..., outcome: posted, output: {entry: steps.post.answer.entry}}

``parallel`` and ``map`` open a frame, and the join they name closes it; what lies between is theirs alone.
``label`` (of the whole, or of a node once it is done) says what a run is about, for people.
Values in ``give``, ``arguments``, ``show``, ``output``, ``title``, ``label`` and ``when`` are CEL over
``input``, ``run`` (id, key, workflow, label) and ``steps``, in the body of a map also the item (``item``, or
the name it has) and ``index``; a member whose value is null is left out. Of a step they may read ``state``,
``answer``, ``error`` (code, message), ``generation``, ``agent``, ``action`` (of an operation) and ``actions``
(what an agent asked for: id, operation, state, code, outcome, result, remote_ref).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from jsonschema import Draft202012Validator

from workflows.runs.engine.reading import DefinitionError
from workflows.runs.engine.regions import Regions, regions_of
from workflows.runs.engine.schema import NODES, SCHEMA

# Done by somebody or something outside; the others the engine passes by itself.
WORK = frozenset({"agent", "operation", "human", "gate", "sub", "wait"})
OPENERS = frozenset({"parallel", "map"})


@dataclass(frozen=True, slots=True)
class Edge:
    """One way on: taken when its condition holds; an empty one always does."""

    to: str
    when: str = ""


@dataclass(frozen=True)
class Node:
    """One box of the picture. What is asked of it at every step is worked out once and kept."""

    id: str
    kind: str
    name: str
    facts: Mapping[str, Any]

    @cached_property
    def edges(self) -> tuple[Edge, ...]:
        """Return the ways on, in the order they are asked."""
        return _edges(self.facts.get("next", ()))

    @cached_property
    def branches(self) -> tuple[Edge, ...]:
        """Return the branches a parallel node starts, by index."""
        return _edges(self.facts.get("branches", ()))

    @cached_property
    def has_a_turn(self) -> bool:
        """Tell whether a step of it always waits: for work, or for what only its own turn can show it."""
        return self.kind in WORK or self.kind == "compensate" or bool(self.facts.get("compensate"))

    @property
    def starts(self) -> tuple[str, ...]:
        """Return the first nodes inside the frame it opens: of each branch, or of the body of a map."""
        return (self.facts["do"],) if self.kind == "map" else tuple(way.to for way in self.branches)

    @property
    def join(self) -> str:
        """Return the join of the frame it opens, or ''."""
        return str(self.facts.get("join", ""))

    @property
    def item(self) -> str:
        """Return the name under which the body of a map reads its item."""
        return str(self.facts.get("item", "item"))

    @cached_property
    def when_failed(self) -> str:
        """Return where it goes on when the work failed or was refused; '' when that is an incident."""
        return str(self.facts.get("failed") or self.facts.get("refused") or "")

    @property
    def when_late(self) -> str:
        """Return where a wait goes on when nothing came in time, or ''."""
        return str(self.facts.get("late", ""))

    @property
    def when_down(self) -> str:
        """Return what is done while the system is down: queue, person, or the id of a node."""
        told = self.facts.get("when_down", "queue")
        return str(told["to"]) if isinstance(told, Mapping) else str(told)

    @property
    def undo(self) -> Mapping[str, Any] | None:
        """Return the operation that undoes it, or None."""
        told = self.facts.get("undo")
        return told if isinstance(told, Mapping) else None

    @property
    def targets(self) -> set[str]:
        """Return every node it may lead to by a way; branches and bodies are no ways."""
        ways = {edge.to for edge in self.edges} | {self.when_failed, self.when_late}
        if isinstance(self.facts.get("when_down"), Mapping):
            ways.add(self.when_down)
        return ways - {""}

    def expressions(self) -> dict[str, str]:
        """Return every CEL text of the node by the place it stands at."""
        found = {f"when of the way to {edge.to}": edge.when for edge in self.edges if edge.when}
        found |= {f"when of the branch to {edge.to}": edge.when for edge in self.branches if edge.when}
        for place in ("give", "arguments", "show", "output"):
            for member, text in self.facts.get(place, {}).items():
                found[f"{place}/{member}"] = text
        for member, text in (self.undo or {}).get("arguments", {}).items():
            found[f"undo/{member}"] = text
        for place in ("title", "label", "over", "collect", "key", "until", "match"):
            if place in self.facts:
                found[place] = self.facts[place]
        return found


@dataclass(frozen=True)
class Definition:
    """A whole workflow. What is derived from it is worked out once and kept."""

    code: str
    name: str
    purpose: str
    owner: str
    input: Mapping[str, Any]
    start: str
    nodes: Mapping[str, Node]
    label: str = ""
    department: str = ""
    sla_seconds: int | None = None

    @cached_property
    def regions(self) -> Regions:
        """Return which node belongs to which branch or body, and what is wrong about that."""
        return regions_of(self.start, self.nodes)

    @cached_property
    def opener_of(self) -> Mapping[str, str]:
        """Return the node that opens the frame of each join, by join."""
        return {node.join: node.id for node in self.nodes.values() if node.join}

    @cached_property
    def kept(self) -> dict[str, object]:
        """Return the place where ``needs`` keeps what it worked out, by node."""
        return {}

    @cached_property
    def outlived(self) -> frozenset[str]:
        """Return the openers in whose frames something may be left: an inner one goes on after its join."""
        found: set[str] = set()
        for join, opener in self.opener_of.items():
            facts = self.nodes[join].facts
            if facts.get("need", "all") != "all" and facts.get("rest") != "cancel":
                found |= {outer for outer, _ in self.regions.homes.get(opener, ())}
        return frozenset(found)

    def flow(self, node_id: str) -> Iterator[str]:
        """Yield every node that may come right after one, frames included."""
        node = self.nodes[node_id]
        yield from sorted(node.targets)
        if node.kind in OPENERS:
            yield from node.starts
            yield node.join


def parse(content: Mapping[str, Any]) -> Definition:
    """Return the definition a JSON object stands for; raises DefinitionError with every problem of its form."""
    problems = _problems(SCHEMA, content, "")
    nodes = content.get("nodes") if not problems else None
    for key, facts in (nodes or {}).items():
        problems += _problems(NODES[facts["kind"]], facts, f"nodes/{key}/")
    if problems:
        raise DefinitionError(problems)
    return load(content)


def load(content: Mapping[str, Any]) -> Definition:
    """Return the definition a JSON object stands for that was parsed before, e.g. of an approved version."""
    return Definition(
        code=content["code"],
        name=content["name"],
        purpose=content.get("purpose", ""),
        owner=content["owner"],
        input=content["input"],
        label=content.get("label", ""),
        department=content.get("department", ""),
        sla_seconds=content.get("sla_seconds"),
        start=content["start"],
        nodes={key: Node(key, facts["kind"], facts["name"], facts) for key, facts in content["nodes"].items()},
    )


def _edges(ways: Any) -> tuple[Edge, ...]:
    if isinstance(ways, str):
        return (Edge(ways),)
    return tuple(Edge(way["to"], way.get("when", "")) for way in ways)


def _problems(schema: Mapping[str, Any], value: Any, prefix: str) -> list[str]:
    errors = Draft202012Validator(schema).iter_errors(value)
    found = sorted(("/".join(map(str, error.absolute_path)), error.message[:200]) for error in errors)
    return [f"{prefix}{place}: {message}." for place, message in found[:20]]
