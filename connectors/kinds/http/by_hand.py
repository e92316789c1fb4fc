"""One operation of a REST system from what somebody filled in: what to call, and what it has to be told."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from connectors.policies.schemas import MONEY
from connectors.vocabulary import Offer

TYPES: dict[str, dict[str, Any]] = {
    "text": {"type": "string", "format": "free-text", "minLength": 1, "maxLength": 200},
    "long": {"type": "string", "format": "free-text", "minLength": 1, "maxLength": 4000},
    "code": {"type": "string", "format": "code", "minLength": 1, "maxLength": 120},
    "number": {"type": "integer"},
    "decimal": {"type": "string", "format": "decimal", "maxLength": 30},
    "yes_no": {"type": "boolean"},
    "date": {"type": "string", "format": "date"},
    "money": MONEY,
}
NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,59}")
HOLE = re.compile(r"\{([^{}]*)\}")
EFFECTS = {"GET": "read", "DELETE": "destructive"}


def offer_by_hand(given: Mapping[str, Any]) -> Offer:
    """Return the offer for ``name``, ``method``, ``path``, ``fields`` and so on; raises ValueError in words.

    ``fields``: rows of ``name``, ``type`` (a key of TYPES), ``required``, ``title``. What stands in braces in
    the path is an argument as well.
    """
    method, path = given["method"], given["path"].strip()
    holes = _holes(path)
    fields = _fields(given.get("fields", ()), holes)
    money = [name for name, field in fields.items() if field["type"] == "money"]
    effect = given.get("effect") or EFFECTS.get(method, "write")
    if effect == "financial" and not (money and fields[money[0]]["required"]):
        raise ValueError(
            "What moves money has to be told an amount: add a field of the kind Amount that is needed."
        )
    return Offer(
        key=key_of(given["name"]),
        name=given["name"].strip(),
        description=given.get("description", ""),
        effect=effect,
        idempotent=effect == "read",
        money_path=f"/{money[0]}" if effect == "financial" else "",
        reference_field=given.get("reference_field", ""),
        label_template=given["name"].strip().replace("{", "").replace("}", ""),
        input_schema=_schema(fields),
        mapping=_mapping(method, path, fields, holes, given),
    )


def key_of(name: str) -> str:
    """Return words as the end of a code: ``Create a ticket`` is ``create_a_ticket``."""
    key = re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_")[:60].strip("_")
    if not key:
        raise ValueError("Give it a name with letters in it.")
    return key if key[0].isalpha() else f"o_{key}"


def path_of(path: str) -> str:
    """Return an address below the system as mappings write it: ``/tickets/{id}`` is ``/tickets/{/id}``."""
    return HOLE.sub(lambda hole: "{/" + hole[1] + "}", path)


def _holes(path: str) -> list[str]:
    if not path.startswith("/") or "?" in path or " " in path:
        raise ValueError("The page begins with / and has no question mark and no blanks, e.g. /tickets.")
    holes = HOLE.findall(path)
    if wrong := [hole for hole in holes if not NAME.fullmatch(hole)]:
        raise ValueError(f"{{{wrong[0]}}} in the page is no name. Write e.g. /tickets/{{number}}.")
    return holes


def _fields(rows: Sequence[Mapping[str, Any]], holes: Sequence[str]) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {hole: {"type": "code", "required": True, "title": ""} for hole in holes}
    for row in rows:
        name = row["name"]
        if not NAME.fullmatch(name):
            raise ValueError(
                f"{name[:40]!r} is no name of a field: letters, digits and _ only, as the system calls it."
            )
        if name in found and name not in holes:
            raise ValueError(f"The field {name} stands there twice.")
        found[name] = {**row, "required": bool(row.get("required")) or name in holes}
    return found


def _schema(fields: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    def part(field: Mapping[str, Any]) -> dict[str, Any]:
        return {**TYPES[field["type"]], **({"title": field["title"]} if field.get("title") else {})}

    return {
        "type": "object",
        "additionalProperties": False,
        "required": [name for name, field in fields.items() if field["required"]],
        "properties": {name: part(field) for name, field in fields.items()},
    }


def _mapping(
    method: str,
    path: str,
    fields: Mapping[str, Mapping[str, Any]],
    holes: Sequence[str],
    given: Mapping[str, Any],
) -> dict[str, Any]:
    sent = {name: _sent(name, field) for name, field in fields.items() if name not in holes}
    if method != "GET" and (reference := given.get("reference_field", "")):
        sent[reference] = {"$reference": True}
    request: dict[str, Any] = {"method": method, "path": path_of(path)}
    if sent and method in ("GET", "DELETE"):
        request["query"] = sent
    elif method not in ("GET", "DELETE"):
        request["body"] = sent
    mapping: dict[str, Any] = {"request": request}
    if kept := given.get("result"):
        mapping["result"] = {re.sub(r"[^A-Za-z0-9_]+", "_", name): f"/{name.strip('/')}" for name in kept}
    elif method == "GET":
        mapping["result"] = {"answer": ""}
    return mapping


def _sent(name: str, field: Mapping[str, Any]) -> dict[str, Any]:
    taken: dict[str, Any] = {"$arg": f"/{name}"}
    if not field["required"]:
        taken["optional"] = True
    return {"$decimal": taken} if field["type"] == "money" else taken
