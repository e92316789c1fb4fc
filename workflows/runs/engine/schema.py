"""The form of a definition as JSON Schema 2020-12, kind by kind; docs/workflow.schema.json is all of it."""

from __future__ import annotations

from typing import Any

MOST_NODES = 200
MOST_ITEMS = 10_000
MOST_BRANCHES = 30
CODE = "^[a-z][a-z0-9-]{1,59}$"
NODE = "^[a-z][a-z0-9_]{0,39}$"
WORD = "^[a-z][a-z_]{0,39}$"
DRAFT = "https://json-schema.org/draft/2020-12/schema"

_CEL = {"type": "string", "minLength": 1, "maxLength": 2000}
_MEMBERS = {"type": "object", "additionalProperties": _CEL, "maxProperties": 60}
_TO = {"type": "string", "pattern": NODE}
_NAME = {"type": "string", "minLength": 1, "maxLength": 120}
_SHORT = {"type": "string", "minLength": 1, "maxLength": 60}
_GROUP = {"type": "string", "minLength": 1, "maxLength": 150}
_OPERATION = {"type": "string", "minLength": 1, "maxLength": 120}
_SECONDS = {"type": "integer", "minimum": 1, "maximum": 366 * 86_400}
_PRIORITY = {"type": "integer", "minimum": 1, "maximum": 5}
_FLAG = {"type": "boolean"}


def _object(required: list[str], **properties: Any) -> dict[str, Any]:
    return {
        "type": "object",
        "additionalProperties": False,
        "required": required,
        "properties": properties,
    }


def _list(items: dict[str, Any], most: int, fewest: int = 1) -> dict[str, Any]:
    return {"type": "array", "minItems": fewest, "maxItems": most, "items": items}


_NEXT: dict[str, Any] = {"oneOf": [_TO, _list(_object(["to"], when=_CEL, to=_TO), 30)]}
_RETRY = _object(
    ["most"],
    most={"type": "integer", "minimum": 1, "maximum": 100},
    wait_seconds={"type": "integer", "minimum": 0, "maximum": 86_400},
    factor={"type": "integer", "minimum": 1, "maximum": 10},
    cap_seconds=_SECONDS,
    # Percent of the wait: whole numbers have one spelling, and so has the hash of a version.
    jitter={"type": "integer", "minimum": 0, "maximum": 100},
    never=_list(_SHORT, 50, 0),
)
_TIMEOUTS = _object(
    [],
    queue_seconds=_SECONDS,
    run_seconds=_SECONDS,
    heartbeat_seconds=_SECONDS,
    total_seconds=_SECONDS,
)
_UNDO = {"oneOf": [{"const": "none"}, _object(["operation"], operation=_OPERATION, arguments=_MEMBERS)]}
_WHEN_DOWN = {"oneOf": [{"enum": ["queue", "person"]}, _object(["to"], to=_TO)]}
_DEADLINE = _object(
    ["seconds", "then"],
    seconds=_SECONDS,
    remind_seconds=_SECONDS,
    then={"enum": ["escalate", "reassign", "outcome"]},
    to=_list(_GROUP, 10),
    answer={"type": "object"},
)


def _node(kind: str, required: list[str], **properties: Any) -> dict[str, Any]:
    common = {"kind": {"const": kind}, "name": _NAME, "label": _CEL, "owner": _GROUP}
    return _object(["kind", "name", *required], **common, **properties)


NODES: dict[str, dict[str, Any]] = {
    "agent": _node(
        "agent",
        ["role", "next"],
        role=_SHORT,
        department=_SHORT,
        needs=_list(_SHORT, 20),
        same_agent_as=_TO,
        give=_MEMBERS,
        answer={"type": "object"},
        title=_CEL,
        due_seconds=_SECONDS,
        attempts={"type": "integer", "minimum": 1, "maximum": 20},
        retry=_RETRY,
        timeouts=_TIMEOUTS,
        priority=_PRIORITY,
        next=_NEXT,
        failed=_TO,
    ),
    "operation": _node(
        "operation",
        ["role", "operation", "next"],
        role=_SHORT,
        department=_SHORT,
        needs=_list(_SHORT, 20),
        same_agent_as=_TO,
        operation=_OPERATION,
        arguments=_MEMBERS,
        due_seconds=_SECONDS,
        undo=_UNDO,
        when_down=_WHEN_DOWN,
        stop_clock=_FLAG,
        retry=_RETRY,
        timeouts=_TIMEOUTS,
        next=_NEXT,
        refused=_TO,
    ),
    "human": _node(
        "human",
        ["groups", "form", "next"],
        groups=_list(_GROUP, 10),
        exception=_FLAG,
        title=_CEL,
        show=_MEMBERS,
        form={"type": "object"},
        due_seconds=_SECONDS,
        deadlines=_object([], start=_DEADLINE, complete=_DEADLINE),
        priority=_PRIORITY,
        next=_NEXT,
    ),
    "gate": _node(
        "gate",
        ["role", "operation", "next"],
        role=_SHORT,
        department=_SHORT,
        needs=_list(_SHORT, 20),
        same_agent_as=_TO,
        operation=_OPERATION,
        arguments=_MEMBERS,
        next=_NEXT,
    ),
    "branch": _node("branch", ["next"], next=_NEXT),
    "parallel": _node(
        "parallel",
        ["branches", "join"],
        branches=_list(_object(["to"], when=_CEL, to=_TO), MOST_BRANCHES),
        join=_TO,
    ),
    "join": _node(
        "join",
        ["next"],
        need={"oneOf": [{"enum": ["all", "any"]}, {"type": "integer", "minimum": 1, "maximum": MOST_ITEMS}]},
        rest={"enum": ["cancel", "finish"]},
        collect=_CEL,
        next=_NEXT,
        failed=_TO,
    ),
    "map": _node(
        "map",
        ["over", "do", "join"],
        over=_CEL,
        item=_TO,
        do=_TO,
        join=_TO,
        most_at_once={"type": "integer", "minimum": 1, "maximum": 1000},
        tolerate={
            "oneOf": [
                {"type": "integer", "minimum": 0, "maximum": MOST_ITEMS},
                {"type": "string", "pattern": "^([0-9]|[1-9][0-9]|100)%$"},
            ]
        },
        failed=_TO,
    ),
    "sub": _node(
        "sub",
        ["workflow", "next"],
        workflow={"type": "string", "pattern": CODE},
        give=_MEMBERS,
        key=_CEL,
        next=_NEXT,
        failed=_TO,
    ),
    "wait": {
        **_node(
            "wait",
            ["next"],
            seconds=_SECONDS,
            until=_CEL,
            signal=_SHORT,
            match=_CEL,
            timeout_seconds=_SECONDS,
            late=_TO,
            next=_NEXT,
        ),
        "oneOf": [{"required": ["seconds"]}, {"required": ["until"]}, {"required": ["signal"]}],
    },
    "compensate": _node("compensate", ["next"], of=_list(_TO, MOST_NODES), next=_NEXT, failed=_TO),
    "end": _node(
        "end",
        ["outcome"],
        outcome={"type": "string", "pattern": WORD},
        output=_MEMBERS,
        compensate=_FLAG,
    ),
}
SCHEMA: dict[str, Any] = _object(
    ["code", "name", "owner", "input", "start", "nodes"],
    code={"type": "string", "pattern": CODE},
    name=_NAME,
    purpose={"type": "string", "maxLength": 2000},
    label=_CEL,
    owner={"type": "string", "maxLength": 150},
    department=_SHORT,
    sla_seconds=_SECONDS,
    input={"type": "object"},
    start=_TO,
    nodes={
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
)


def whole_schema() -> dict[str, Any]:
    """Return the JSON Schema of a whole workflow, as editors and other programs take it."""
    node = {
        "type": "object",
        "required": ["kind", "name"],
        "properties": {"kind": {"enum": list(NODES)}},
        "allOf": [
            {"if": {"properties": {"kind": {"const": kind}}}, "then": {"$ref": f"#/$defs/{kind}"}}
            for kind in NODES
        ],
    }
    nodes = {**SCHEMA["properties"]["nodes"], "additionalProperties": node}
    return {
        "$schema": DRAFT,
        "title": "A workflow of Autonomy OS",
        **SCHEMA,
        "properties": {**SCHEMA["properties"], "nodes": nodes},
        "$defs": NODES,
    }
