"""Schemas of OpenAPI 3 as strict ones of the house; what cannot be said strictly is refused in words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

DEEPEST = 6
MOST_ITEMS = 100
LONGEST = 4000
FORMATS = {"date", "date-time", "time", "email", "uuid", "uri", "ipv4", "ipv6"}
MOST_CHOICES = 200


class NotTakenError(ValueError):
    """Something of an interface that cannot be offered as it is described."""


class Reader:
    """Reads parts of one description, following its own references."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        self.document = document

    def resolved(self, part: Any) -> dict[str, Any]:
        """Return a part with its references followed; raises NotTakenError for one that leads elsewhere."""
        for _ in range(20):
            if not isinstance(part, dict):
                return {}
            reference = part.get("$ref")
            if reference is None:
                return part
            part = self._target(str(reference))
        raise NotTakenError("its description goes round in circles.")

    def strict(self, part: Any, name: str, depth: int = 0) -> dict[str, Any]:
        """Return a schema as the house takes it; ``type`` is always one word."""
        if depth > DEEPEST:
            raise NotTakenError(f"{name} is nested too deeply.")
        part = self._one_of(self.resolved(part), name, depth)
        maker = {
            "object": self._object,
            "array": self._array,
            "string": _string,
            "integer": _integer,
            "number": _number,
            "boolean": _boolean,
        }.get(_type_of(part))
        if maker is None:
            raise NotTakenError(f"of {name} it is not said what it is.")
        found: dict[str, Any] = maker(part, name, depth)
        if said := str(part.get("description") or "").strip():
            found["description"] = said[:500]
        return found

    def _target(self, reference: str) -> Any:
        if not reference.startswith("#/"):
            raise NotTakenError(f"it refers to another document ({reference[:60]}).")
        here: Any = self.document
        for step in reference[2:].split("/"):
            here = here.get(step.replace("~1", "/").replace("~0", "~")) if isinstance(here, dict) else None
        if here is None:
            raise NotTakenError(f"{reference[:60]} leads nowhere.")
        return here

    def _one_of(self, part: dict[str, Any], name: str, depth: int) -> dict[str, Any]:
        """Return the one thing it may be: all of ``allOf`` together, or the only choice that is not null."""
        if parts := part.get("allOf"):
            return self._together(part, parts, name, depth)
        for word in ("oneOf", "anyOf"):
            if choices := part.get(word):
                real = [it for it in map(self.resolved, choices) if _type_of(it) != "null"]
                if len(real) != 1:
                    raise NotTakenError(f"{name} may be several different things.")
                return self._one_of(real[0], name, depth + 1)
        return part

    def _together(self, part: Mapping[str, Any], parts: Any, name: str, depth: int) -> dict[str, Any]:
        if depth > DEEPEST:
            raise NotTakenError(f"{name} is nested too deeply.")
        found: dict[str, Any] = {key: value for key, value in part.items() if key != "allOf"}
        for each in parts:
            inner = self._one_of(self.resolved(each), name, depth + 1)
            found = {
                **inner,
                **found,
                "properties": {**inner.get("properties", {}), **found.get("properties", {})},
                "required": [*inner.get("required", ()), *found.get("required", ())],
            }
        if not found["properties"]:
            del found["properties"], found["required"]
        return found

    def _object(self, part: Mapping[str, Any], name: str, depth: int) -> dict[str, Any]:
        needed = [it for it in part.get("required", ()) if it in part.get("properties", {})]
        members: dict[str, Any] = {}
        for key, inner in part.get("properties", {}).items():
            if self.resolved(inner).get("readOnly"):
                continue
            try:
                members[str(key)] = self.strict(inner, str(key), depth + 1)
            except NotTakenError:
                if key in needed:
                    raise
        if part.get("properties") is None and part.get("additionalProperties") not in (False,):
            raise NotTakenError(f"{name} may have members of any name.")
        required = [it for it in dict.fromkeys(needed) if it in members]
        return {"type": "object", "additionalProperties": False, "required": required, "properties": members}

    def _array(self, part: Mapping[str, Any], name: str, depth: int) -> dict[str, Any]:
        most = part.get("maxItems")
        most = min(most, MOST_ITEMS) if isinstance(most, int) else MOST_ITEMS
        return {"type": "array", "items": self.strict(part.get("items", {}), name, depth + 1), "maxItems": most}


def _type_of(part: Mapping[str, Any]) -> str:
    said = part.get("type")
    if isinstance(said, list):
        real = [it for it in said if it != "null"]
        return str(real[0]) if len(real) == 1 else ""
    if said is None:
        if "properties" in part:
            return "object"
        return "string" if "enum" in part and all(isinstance(it, str) for it in part["enum"]) else ""
    return str(said)


def _string(part: Mapping[str, Any], name: str, _depth: int) -> dict[str, Any]:
    choices = [it for it in part.get("enum", ()) if isinstance(it, str)]
    if choices:
        return {"type": "string", "enum": list(dict.fromkeys(choices))[:MOST_CHOICES]}
    if part.get("format") in ("binary", "byte"):
        raise NotTakenError(f"{name} is a file.")
    found: dict[str, Any] = {"type": "string"}
    longest = part.get("maxLength")
    found["maxLength"] = min(longest, LONGEST) if isinstance(longest, int) and longest > 0 else LONGEST
    if isinstance(shortest := part.get("minLength"), int) and 0 < shortest <= found["maxLength"]:
        found["minLength"] = shortest
    found["format"] = part["format"] if part.get("format") in FORMATS else "free-text"
    return found


def _integer(part: Mapping[str, Any], _name: str, _depth: int) -> dict[str, Any]:
    bounds = {word: part[word] for word in ("minimum", "maximum") if type(part.get(word)) is int}
    return {"type": "integer", **{word: it for word, it in bounds.items() if abs(it) < 2**53}}


def _number(part: Mapping[str, Any], _name: str, _depth: int) -> dict[str, Any]:
    """A fraction travels as a decimal text, which most systems read as the number it is."""
    return {"type": "string", "format": "decimal", "maxLength": 30}


def _boolean(_part: Mapping[str, Any], _name: str, _depth: int) -> dict[str, Any]:
    return {"type": "boolean"}
