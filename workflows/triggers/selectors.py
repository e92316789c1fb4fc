"""Read-only questions about what starts runs by itself."""

from __future__ import annotations

from typing import TypeVar

from django.db.models import Q, QuerySet
from guardian.shortcuts import get_objects_for_user

from agents.models import User
from workflows.triggers.models import Trigger

SHOWN = ("watchedfolder", "schedule", "webhook", "eventtrigger")
T = TypeVar("T", bound=Trigger)


def visible_triggers(user: User, model: type[T]) -> QuerySet[T]:
    """Return the triggers of one kind that a person may see; agents see none."""
    if not user.is_active or user.is_agent:
        return model._default_manager.none()
    permission = f"triggers.view_{model._meta.model_name}"
    found: QuerySet[T] = get_objects_for_user(user, permission, model, accept_global_perms=True)
    return found.select_related("workflow")


def visible_events(user: User) -> Q | None:
    """Events about what starts runs belong to those who may see that kind of it."""
    kinds = [f"triggers.{model}" for model in SHOWN if user.has_perm(f"triggers.view_{model}")]
    return Q(subject_kind__in=kinds) if kinds else None
