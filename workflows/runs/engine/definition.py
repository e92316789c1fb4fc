"""What a workflow is: our own small graph, a named subset of BPMN 2.0 (ISO/IEC 19510), written in YAML.

    code: invoice-to-ledger
    name: Invoice to ledger
    purpose: Supplier invoices are in the books on the day they arrive.
    owner: Managers                     # the group that answers for it
    input: {JSON Schema of what a run is started with}
    start: read
    nodes:
      read:   {kind: agent, name: Read the document, role: reader, department: finance, due_seconds: 600,
               give: {document: input.document}, answer: {JSON Schema}, next: check, failed: settle}
      lookup: {kind: operation, name: ..., role: checker, operation: erp.supplier_invoice.find,
               arguments: {number: steps.read.answer.number}, next: done, refused: settle}
      settle: {kind: human, name: ..., groups: [Approvers], title: '"Settle " + run.key', show: {Number: ...},
               form: {JSON Schema}, next: [{when: steps.settle.answer.again, to: read}, {to: done}]}
      fork:   {kind: branch, name: ..., next: [{when: ..., to: ...}, {to: ...}]}
      done:   {kind: end, name: ..., outcome: posted, output: {entry: steps.post.answer.entry}}

``label`` (of the whole, or of a node once it is done) says what a run is about, for people.
Values in ``give``, ``arguments``, ``show``, ``output``, ``title``, ``label`` and ``when`` are CEL over
``input``, ``run`` (id, key, workflow, label) and ``steps``; a member whose value is null is left out. Of a step
they may read ``state``, ``answer``, ``error`` (code, message), ``generation``, ``agent``, ``action`` (of an
operation) and ``actions`` (what an agent asked for: id, operation, state, code, outcome, result, remote_ref).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import rfc8785
import yaml
from jsonschema import Draft202012Validator

MOST_NODES = 200
MOST_BYTES = 256 * 1024
CODE = "^[a-z][a-z0-9-]{1,59}$"
NODE = "^[a-z][a-z0-9_]{0,39}$"
_CEL = {"type": "string", "minLength": 1, "maxLength": 2000}
_MEMBERS = {"type": "object", "additionalProperties": _CEL, "maxProperties": 60}
_NEXT: dict[str, Any] = {
    "oneOf": [
        {"type": "string", "pattern": NODE},
        {
            "type": "array",
            "minItems": 1,
            "maxItems": 30,
            "items": {
                "type": "object",
                "additionalProperties": False,
                "required": ["to"],
                "properties": {"when": _CEL, "to": {"type": "string", "pattern": NODE}},
            },
        },
    ]
}
_TO = {"type": "string", "pattern": NODE}
_NAME = {"type": "string", "minLength": 1, "maxLength": 120}
_SECONDS = {"type": "integer", "minimum": 1, "maximum": 366 * 86_400}


def _node(kind: str, required: list[str], **properties: Any) -> dict[str, Any]:
    return {
        "type": "object",
        "additionalProperties": False,
        "required": ["kind", "name", *required],
        "properties": {"kind": {"const": kind}, "name": _NAME, "label": _CEL, **properties},
    }


NODES: dict[str, dict[str, Any]] = {
    "agent": _node(
        "agent",
        ["role", "next"],
        role={"type": "string", "maxLength": 60},
        department={"type": "string", "maxLength": 60},
        give=_MEMBERS,
        answer={"type": "object"},
        title=_CEL,
        due_seconds=_SECONDS,
        attempts={"type": "integer", "minimum": 1, "maximum": 20},
        next=_NEXT,
        failed=_TO,
    ),
    "operation": _node(
        "operation",
        ["role", "operation", "next"],
        role={"type": "string", "maxLength": 60},
        department={"type": "string", "maxLength": 60},
        operation={"type": "string", "maxLength": 120},
        arguments=_MEMBERS,
        due_seconds=_SECONDS,
        next=_NEXT,
        refused=_TO,
    ),
    "human": _node(
        "human",
        ["groups", "form", "next"],
        groups={"type": "array", "minItems": 1, "maxItems": 10, "items": {"type": "string", "maxLength": 150}},
        exception={"type": "boolean"},
        title=_CEL,
        show=_MEMBERS,
        form={"type": "object"},
        due_seconds=_SECONDS,
        next=_NEXT,
    ),
    "branch": _node("branch", ["next"], next=_NEXT),
    "end": _node(
        "end",
        ["outcome"],
        outcome={"type": "string", "pattern": "^[a-z][a-z_]{0,39}$"},
        output=_MEMBERS,
    ),
}
SCHEMA: dict[str, Any] = {
    "type": "object",
    "additionalProperties": False,
    "required": ["code", "name", "owner", "input", "start", "nodes"],
    "properties": {
        "code": {"type": "string", "pattern": CODE},
        "name": _NAME,
        "purpose": {"type": "string", "maxLength": 2000},
        "label": _CEL,
        "owner": {"type": "string", "maxLength": 150},
        "input": {"type": "object"},
        "start": {"type": "string", "pattern": NODE},
        "nodes": {
            "type": "object",
            "minProperties": 2,
            "maxProperties": MOST_NODES,
            "propertyNames": {"pattern": NODE},
            "additionalProperties": {
                "type": "object",
                "required": ["kind", "name"],
                "properties": {"kind": {"enum": sorted(NODES)}},
            },
        },
    },
}


class DefinitionError(ValueError):
    """A text is no definition; ``problems`` are sentences that name the place."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__(" ".join(problems))
        self.problems = problems


@dataclass(frozen=True, slots=True)
class Edge:
    """One way on: taken when its condition holds; an empty one always does."""

    to: str
    when: str = ""


@dataclass(frozen=True, slots=True)
class Node:
    """One box of the picture."""

    id: str
    kind: str
    name: str
    facts: Mapping[str, Any]

    @property
    def edges(self) -> tuple[Edge, ...]:
        """Return the ways on, in the order they are asked."""
        ways = self.facts.get("next", ())
        if isinstance(ways, str):
            return (Edge(ways),)
        return tuple(Edge(way["to"], way.get("when", "")) for way in ways)

    @property
    def when_failed(self) -> str:
        """Return where it goes on when the work failed or was refused; '' when that is an incident."""
        return str(self.facts.get("failed") or self.facts.get("refused") or "")

    @property
    def targets(self) -> set[str]:
        """Return every node it may lead to."""
        return {edge.to for edge in self.edges} | ({self.when_failed} if self.when_failed else set())

    def expressions(self) -> dict[str, str]:
        """Return every CEL text of the node by the place it stands at."""
        found = {f"when of the way to {edge.to}": edge.when for edge in self.edges if edge.when}
        for place in ("give", "arguments", "show", "output"):
            for member, text in self.facts.get(place, {}).items():
                found[f"{place}/{member}"] = text
        for place in ("title", "label"):
            if place in self.facts:
                found[place] = self.facts[place]
        return found


@dataclass(frozen=True, slots=True)
class Definition:
    """A whole workflow."""

    code: str
    name: str
    purpose: str
    owner: str
    input: Mapping[str, Any]
    start: str
    nodes: Mapping[str, Node]
    label: str = ""


def read_yaml(text: str) -> dict[str, Any]:
    """Return a definition as JSON; raises DefinitionError. Aliases, tags and doubled keys are refused."""
    if len(text.encode("utf-8", "replace")) > MOST_BYTES:
        raise DefinitionError([f"The text is larger than {MOST_BYTES // 1024} KB."])
    try:
        found = yaml.load(text, Loader=_PlainLoader)  # noqa: S506 - a SafeLoader that admits less
        canonical(found if isinstance(found, dict) else {})
    except RecursionError:
        raise DefinitionError(["It is nested too deeply."]) from None
    except rfc8785.CanonicalizationError as error:
        raise DefinitionError([f"It holds a number that has no one spelling: {error}."]) from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f" in line {mark.line + 1}" if mark else ""
        why = getattr(error, "problem", None) or error
        raise DefinitionError([f"It is no plain YAML{where}: {why}."]) from None
    if not isinstance(found, dict):
        raise DefinitionError(["A workflow is a mapping: code, name, owner, input, start, nodes."])
    return found


def parse(content: Mapping[str, Any]) -> Definition:
    """Return the definition a JSON object stands for; raises DefinitionError with every problem of its form."""
    problems = _problems(SCHEMA, content, "")
    nodes = content.get("nodes") if not problems else None
    for key, facts in (nodes or {}).items():
        problems += _problems(NODES[facts["kind"]], facts, f"nodes/{key}/")
    if problems:
        raise DefinitionError(problems)
    return Definition(
        code=content["code"],
        name=content["name"],
        purpose=content.get("purpose", ""),
        owner=content["owner"],
        input=content["input"],
        label=content.get("label", ""),
        start=content["start"],
        nodes={key: Node(key, facts["kind"], facts["name"], facts) for key, facts in content["nodes"].items()},
    )


def canonical(content: Mapping[str, Any]) -> bytes:
    """Return the RFC 8785 form of a definition: what its hash stands for."""
    return rfc8785.dumps(dict(content))


class _PlainLoader(yaml.SafeLoader):
    """YAML that is JSON in other clothes: no aliases (a bomb), no dates, no key twice."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.events.AliasEvent):
            raise yaml.composer.ComposerError(None, None, "aliases are not taken", self.peek_event().start_mark)
        if getattr(self.peek_event(), "tag", None):
            raise yaml.composer.ComposerError(None, None, "tags are not taken", self.peek_event().start_mark)
        return super().compose_node(parent, index)

    def construct_mapping(self, node: Any, deep: bool = False) -> Any:
        seen: set[str] = set()
        for key, _ in node.value:
            if key.tag != "tag:yaml.org,2002:str":
                raise yaml.constructor.ConstructorError(
                    None, None, f"{key.value!r} must stand in quotes to be a name", key.start_mark
                )
            if key.value in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"{key.value!r} stands there twice", key.start_mark
                )
            seen.add(key.value)
        return super().construct_mapping(node, deep=deep)


# A date in a definition is a text: JSON knows none.
_PlainLoader.yaml_implicit_resolvers = {
    first: [(tag, rule) for tag, rule in rules if tag != "tag:yaml.org,2002:timestamp"]
    for first, rules in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def _problems(schema: Mapping[str, Any], value: Any, prefix: str) -> list[str]:
    errors = Draft202012Validator(schema).iter_errors(value)
    found = sorted(("/".join(map(str, error.absolute_path)), error.message[:200]) for error in errors)
    return [f"{prefix}{place}: {message}." for place, message in found[:20]]
