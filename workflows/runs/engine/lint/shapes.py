"""Walking through JSON Schemas along a path, and saying only what is certain: unknown is never a finding."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Schema = Mapping[str, Any]
_MOST_REFERENCES = 16
_CHOICES = ("allOf", "anyOf", "oneOf", "if", "$dynamicRef")
_TYPES = {str: "string", bool: "boolean", int: "integer", float: "number", type(None): "null"}


@dataclass(frozen=True, slots=True)
class Place:
    """A schema inside the document its references point into."""

    schema: Schema
    root: Schema


@dataclass(frozen=True, slots=True)
class Missing:
    """A member that a closed schema does not have."""

    member: str
    has: tuple[str, ...]


def place_of(schema: Schema | None) -> Place | None:
    """Return a whole schema as a place; None when nothing is known."""
    return _resolved(Place(schema, schema)) if schema else None


def follow(place: Place | None, parts: Sequence[str]) -> Place | Missing | None:
    """Return where a path leads (``[]`` is any item of a list), Missing, or None when that cannot be told."""
    for part in parts:
        if place is None:
            return None
        found = _step(place, part)
        if isinstance(found, Missing):
            return found
        place = found
    return place


def types_of(place: Place | Missing | None) -> frozenset[str] | None:
    """Return the JSON types a value may have; None when that cannot be told."""
    if not isinstance(place, Place) or any(word in place.schema for word in _CHOICES):
        return None
    schema = place.schema
    if "type" in schema:
        told = schema["type"]
        found = {told} if isinstance(told, str) else set(told)
    elif "const" in schema or "enum" in schema:
        found = {type_of(value) for value in schema.get("enum", [schema.get("const")])}
    else:
        return None
    return frozenset(found | ({"integer"} if "number" in found else set()))


def type_of(value: Any) -> str:
    """Return the JSON type of a value."""
    return _TYPES.get(type(value), "array" if isinstance(value, list) else "object")


def _step(place: Place, part: str) -> Place | Missing | None:
    schema, types = place.schema, types_of(place)
    if any(word in schema for word in _CHOICES):
        return None
    if part == "[]":
        return _inner(schema.get("items"), place.root)
    if types is not None and "object" not in types:
        return Missing(part, ())
    members = schema.get("properties", {})
    if part in members:
        return _inner(members[part], place.root)
    if schema.get("additionalProperties") is False:
        return Missing(part, tuple(members))
    return _inner(schema.get("additionalProperties"), place.root)


def _inner(schema: Any, root: Schema) -> Place | None:
    return _resolved(Place(schema, root)) if isinstance(schema, Mapping) and schema else None


def _resolved(place: Place) -> Place | None:
    """Follow references inside the document; anything beside a reference makes it unknown."""
    for _ in range(_MOST_REFERENCES):
        reference = place.schema.get("$ref")
        if reference is None:
            return place
        if not str(reference).startswith("#/"):
            return None
        found: Any = place.root
        for part in str(reference)[2:].split("/"):
            name = part.replace("~1", "/").replace("~0", "~")
            found = found.get(name) if isinstance(found, Mapping) else None
        if not isinstance(found, Mapping):
            return None
        place = Place(found, place.root)
    return None
