"""What a person who writes a workflow can choose from: only what they may see, and what fits a list."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from guardian.shortcuts import get_objects_for_user

from agents.models import Department, Role, User
from connectors.selectors import visible_to as visible_operations
from workflows.runs.selectors import groups_of_people, visible_workflows

MOST = 300


def pickers_for(user: User) -> dict[str, list[dict[str, Any]]]:
    """Return roles, departments, groups, operations and workflows, each with its code and its name."""
    return {
        "roles": _named(get_objects_for_user(user, "agents.view_role", Role)),
        "departments": _named(get_objects_for_user(user, "agents.view_department", Department)),
        "groups": [
            {"code": name, "name": name}
            for name in groups_of_people().order_by("name").values_list("name", flat=True)[:MOST]
        ],
        "operations": _operations(user),
        "workflows": _workflows(user),
    }


def _named(found: Any) -> list[dict[str, Any]]:
    rows = found.order_by("name").values_list("code", "name")[:MOST]
    return [{"code": code, "name": name} for code, name in rows]


def _operations(user: User) -> list[dict[str, Any]]:
    """Return operations with the names of what they are asked with, what is needed first."""
    published = visible_operations(user).filter(current_revision__isnull=False).order_by("code")
    rows = published.values_list("code", "name", "current_revision__input_schema")[:MOST]
    return [{"code": code, "name": name, "members": _members(schema)} for code, name, schema in rows]


def _workflows(user: User) -> list[dict[str, Any]]:
    in_force = visible_workflows(user).filter(current__isnull=False).order_by("name")
    rows = in_force.values_list("code", "name", "current__content__input")[:MOST]
    return [{"code": code, "name": name, "members": _members(schema)} for code, name, schema in rows]


def _members(schema: Any) -> list[dict[str, Any]]:
    """Return the members an object has by its schema."""
    if not isinstance(schema, Mapping) or not isinstance(schema.get("properties"), Mapping):
        return []
    needed = list(schema.get("required", ()))
    found = [
        {
            "name": name,
            "title": str(one.get("title", "")) if isinstance(one, Mapping) else "",
            "required": name in needed,
        }
        for name, one in schema["properties"].items()
    ]
    return sorted(found, key=lambda one: not one["required"])


def _title(schema: Any) -> str:
    return str(schema.get("title", "")) if isinstance(schema, Mapping) else ""
