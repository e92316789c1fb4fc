"""Read-only questions about what starts runs by itself."""

from __future__ import annotations

from typing import TypeVar

from django.db.models import QuerySet
from guardian.shortcuts import get_objects_for_user

from agents.models import User
from workflows.triggers.models import Trigger

T = TypeVar("T", bound=Trigger)


def visible_triggers(user: User, model: type[T]) -> QuerySet[T]:
    """Return the triggers of one kind that a person may see; agents see none."""
    if not user.is_active or user.is_agent:
        return model._default_manager.none()
    permission = f"triggers.view_{model._meta.model_name}"
    found: QuerySet[T] = get_objects_for_user(user, permission, model, accept_global_perms=True)
    return found.select_related("workflow")
