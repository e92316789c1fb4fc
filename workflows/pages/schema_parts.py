"""Parts of a JSON Schema that stand for another."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

DEEPEST = 3  # so many objects within each other, and names that lead to names, are followed


def resolved(part: Any, root: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the schema that a part of another stands for: what its ``$ref`` leads to, else the part itself."""
    for _turn in range(DEEPEST):
        if not isinstance(part, Mapping) or "$ref" not in part:
            break
        found: Any = root
        for name in str(part["$ref"]).removeprefix("#/").split("/"):
            found = found.get(name, {}) if isinstance(found, Mapping) else {}
        part = found
    return part if isinstance(part, Mapping) else {}
