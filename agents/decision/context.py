"""What a condition may read: typed values of one request, and never prose.

Names: ``args``, ``amount`` and ``currency`` (only when the operation moves money), ``agent``, ``operation``,
``system``, ``provenance``, ``on_behalf_of``, ``measures``, ``run`` (the workflow it is part of), ``now``,
``clock`` (the time in the company).
Strings of format decimal arrive as whole millionths; ``amount`` is in minor units of the company currency.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from agents.decision.facts import DecisionRequest, MeasureFacts, OperationFacts
from agents.decision.money import INT64_MAX, MILLION

NAMES = frozenset(
    {
        "args",
        "amount",
        "currency",
        "agent",
        "operation",
        "system",
        "provenance",
        "on_behalf_of",
        "measures",
        "run",
        "now",
        "clock",
    }
)
WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
FIRST_OF_WEEKEND = 5
_DECIMAL = re.compile(r"^([+-]?)([0-9]{1,19})(?:\.([0-9]+))?$")
_LABEL = re.compile(r"^[a-z][a-z0-9_.:-]{0,63}$")
_MAX_DEPTH = 40


class NotDecidable(Exception):
    """The arguments hold a value that no rule could judge exactly; the text says which."""


def millionths(text: str) -> int:
    """Return a decimal text as whole millionths; raises NotDecidable when that is not exact."""
    match = _DECIMAL.fullmatch(text)
    if match is None:
        raise NotDecidable(f"{text[:40]!r} is not a decimal number")
    sign, whole, rest = match.group(1), match.group(2), (match.group(3) or "").rstrip("0")
    if len(rest) > 6:
        raise NotDecidable(f"{text[:40]!r} has more than six decimal places")
    value = int(whole) * MILLION + int(rest.ljust(6, "0") or "0")
    if value > INT64_MAX:
        raise NotDecidable(f"{text[:40]!r} is too large")
    return -value if sign == "-" else value


def typed_arguments(arguments: Mapping[str, Any], schema: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return the arguments as conditions see them; raises NotDecidable for what CEL would silently change."""
    typed = _typed(arguments, schema or {}, schema or {}, "args", 0)
    if not isinstance(typed, dict):
        raise NotDecidable("the arguments are not an object")
    return typed


def _typed(value: Any, schema: Any, root: Mapping[str, Any], where: str, depth: int) -> Any:
    if depth > _MAX_DEPTH:
        raise NotDecidable(f"{where} is nested too deeply")
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return millionths(value) if "decimal" in _formats(schema, root) else _text(value, where)
    if isinstance(value, int):
        if not -INT64_MAX - 1 <= value <= INT64_MAX:
            raise NotDecidable(f"{where} does not fit into 64 bits")
        return value
    if isinstance(value, Mapping):
        return {
            _text(key, where): _typed(item, _property(schema, root, key), root, f"{where}.{key}", depth + 1)
            for key, item in value.items()
        }
    if isinstance(value, Sequence) and not isinstance(value, bytes | bytearray):
        items = [part.get("items", {}) for part in _parts(schema, root)]
        item_schema: Any = next((found for found in items if found), {})
        return [_typed(item, item_schema, root, f"{where}[]", depth + 1) for item in value]
    raise NotDecidable(f"{where} is a {type(value).__name__}; send whole numbers, texts, lists and objects")


def _text(value: Any, where: str) -> str:
    if not isinstance(value, str):
        raise NotDecidable(f"{where} has a key that is no text")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise NotDecidable(f"{where} holds a text that is not valid Unicode") from None
    return value


def schema_at(schema: Mapping[str, Any], parts: Sequence[str]) -> tuple[Mapping[str, Any] | None, bool]:
    """Return (schema of a selection below the arguments, whether every part of it must be present)."""
    found: Mapping[str, Any] | None = schema
    certain = True
    for part in parts:
        options = _parts(found, schema)
        if part == "[]":
            found, certain = next((o["items"] for o in options if o.get("items")), {}), False
            continue
        always = _parts(found, schema, combiners=("allOf",))
        certain = certain and any(part in option.get("required", ()) for option in always)
        found = next((o["properties"][part] for o in options if part in (o.get("properties") or {})), None)
        if found is None:
            closed = any(option.get("additionalProperties") is False for option in options)
            return (None, False) if closed else ({}, False)
    return found, certain


def types_at(schema: Mapping[str, Any], root: Mapping[str, Any]) -> set[str]:
    """Return the JSON types a schema admits, with ``decimal`` for strings of that format; empty when unsaid."""
    found: set[str] = set()
    for part in _parts(schema, root):
        declared = part.get("type", ())
        names = {declared} if isinstance(declared, str) else set(declared)
        if "string" in names and part.get("format") == "decimal":
            names = (names - {"string"}) | {"decimal"}
        found |= names
    return found


def _formats(schema: Any, root: Mapping[str, Any]) -> set[str]:
    return {str(part.get("format", "")) for part in _parts(schema, root)}


def _property(schema: Any, root: Mapping[str, Any], key: str) -> Any:
    for part in _parts(schema, root):
        if key in (part.get("properties") or {}):
            return part["properties"][key]
    return next(
        (p["additionalProperties"] for p in _parts(schema, root) if _is_schema(p, "additionalProperties")), {}
    )


def _is_schema(part: Mapping[str, Any], key: str) -> bool:
    return isinstance(part.get(key), Mapping)


def _parts(
    schema: Any, root: Mapping[str, Any], depth: int = 0, combiners: Sequence[str] = ("allOf", "anyOf", "oneOf")
) -> list[Mapping[str, Any]]:
    """Return a schema with everything it refers to or combines, flat; local references only."""
    if not isinstance(schema, Mapping) or depth > 8:
        return []
    found = [schema]
    reference = schema.get("$ref")
    if isinstance(reference, str) and reference.startswith("#/"):
        target: Any = root
        for step in reference[2:].split("/"):
            target = target.get(step, {}) if isinstance(target, Mapping) else {}
        found += _parts(target, root, depth + 1, combiners)
    for key in combiners:
        for option in schema.get(key) or ():
            found += _parts(option, root, depth + 1, combiners)
    return found


def build_context(
    request: DecisionRequest, operation: OperationFacts, time_zone: str = "UTC"
) -> dict[str, Any]:
    """Return the variables a condition may read; raises NotDecidable."""
    agent = request.agent
    variables: dict[str, Any] = {
        "args": typed_arguments(request.arguments, operation.input_schema),
        "agent": {
            "id": agent.agent_id,
            "code": agent.code,
            "role": agent.role_code,
            "department": agent.department_code,
            "risk_tier": agent.risk_tier,
            "autonomy": agent.autonomy,
            "sponsor": agent.sponsor_id,
            **({"days": (request.now.date() - agent.since).days} if agent.since else {}),
        },
        "operation": {"code": operation.code, "effect": operation.effect, "revision": operation.revision},
        "system": {
            "code": operation.system_code,
            "category": operation.category,
            "environment": operation.environment,
        },
        "provenance": labels(request.provenance),
        "on_behalf_of": request.on_behalf_of,
        # What could not be read is not there: a rule that needs it cannot be checked, and refuses.
        "measures": {code: _reading(facts) for code, facts in request.measures.items() if not facts.error},
        "run": {
            "within": bool(request.run_id),
            "id": request.run_id,
            "workflow": request.workflow_id,
        },
        "now": request.now,
        "clock": clock(request.now, time_zone),
    }
    if operation.money_path and request.money is not None:
        variables["currency"] = request.money.currency
        if request.money.company_minor is not None:
            variables["amount"] = request.money.company_minor
    return variables


def clock(now: datetime, time_zone: str) -> dict[str, Any]:
    """Return what a watch on the wall of the company shows; raises NotDecidable for a zone nobody knows."""
    try:
        here = now.astimezone(ZoneInfo(time_zone))
    except (ZoneInfoNotFoundError, ValueError):
        raise NotDecidable(f"the time zone {time_zone[:60]!r} is not known") from None
    return {
        "date": here.date().isoformat(),
        "weekday": WEEKDAYS[here.weekday()],
        "weekend": here.weekday() >= FIRST_OF_WEEKEND,
        "hour": here.hour,
    }


def labels(provenance: Mapping[str, Any]) -> dict[str, str]:
    """Return what is a label and leave out what is prose: rules read words of ours, not sentences of theirs."""
    return {
        key: value
        for key, value in provenance.items()
        if isinstance(key, str) and isinstance(value, str) and len(key) <= 120 and _LABEL.fullmatch(value)
    }


def _reading(facts: MeasureFacts) -> dict[str, int]:
    reading = {"amount": facts.amount, "reserved": facts.reserved, "settled": facts.settled}
    if facts.ceiling is not None and facts.headroom is not None:
        reading |= {"ceiling": facts.ceiling, "headroom": facts.headroom}
    return reading
