"""Short ways to write a definition in a test."""

from __future__ import annotations

from typing import Any

from connectors.policies.schemas import schema_problems
from workflows.runs import engine

OPEN = {"type": "object", "additionalProperties": False, "properties": {}}
ORDER = {
    "type": "object",
    "additionalProperties": False,
    "required": ["number"],
    "properties": {
        "number": {"type": "string"},
        "lines": {"type": "array", "items": {"$ref": "#/$defs/line"}},
        "total": {"type": "integer"},
    },
    "$defs": {
        "line": {
            "type": "object",
            "additionalProperties": False,
            "properties": {"sku": {"type": "string"}, "count": {"type": "integer"}},
        }
    },
}
POST = {
    "type": "object",
    "additionalProperties": False,
    "required": ["number"],
    "properties": {"number": {"type": "string"}, "minor": {"type": "integer"}, "paid": {"type": "boolean"}},
}
KNOWN = engine.Known(
    roles={"clerk"},
    departments={"finance"},
    operations={"erp.post", "erp.find", "erp.cancel"},
    groups={"Managers", "Approvers"},
    schema_problems=schema_problems,
    shapes={
        "erp.post": engine.OperationShape(
            "financial", POST, {**OPEN, "properties": {"entry": {"type": "string"}}}, "erp.cancel"
        ),
        "erp.find": engine.OperationShape("read", {**OPEN, "properties": {"number": {"type": "string"}}}),
    },
    workflows={"pay": POST},
)


def node(kind: str, **facts: Any) -> dict[str, Any]:
    """Return a node with what its kind needs at least."""
    least: dict[str, dict[str, Any]] = {
        "agent": {"role": "clerk", "due_seconds": 60},
        "operation": {"role": "clerk", "operation": "erp.find"},
        "gate": {"role": "clerk", "operation": "erp.find"},
        "human": {"groups": ["Approvers"], "form": OPEN, "due_seconds": 60},
        "end": {"outcome": "done"},
        "sub": {"workflow": "pay"},
    }
    return {"kind": kind, "name": kind.capitalize(), **least.get(kind, {}), **facts}


def content(start: str = "a", **nodes: dict[str, Any]) -> dict[str, Any]:
    """Return a workflow of these nodes; an end called ``done`` is always there."""
    return {
        "code": "letters",
        "name": "Letters",
        "owner": "Managers",
        "sla_seconds": 600,
        "input": ORDER,
        "start": start,
        "nodes": {**nodes, "done": nodes.get("done", node("end"))},
    }


def parsed(start: str = "a", **nodes: dict[str, Any]) -> engine.Definition:
    """Return it as a definition."""
    return engine.parse(content(start, **nodes))


def findings(known: engine.Known = KNOWN, start: str = "a", **nodes: dict[str, Any]) -> list[str]:
    """Return what the lint says, as sentences that begin with the level."""
    return [f"{found.level}: {found}" for found in engine.lint(parsed(start, **nodes), known)]
