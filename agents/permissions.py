"""Who may knock at an endpoint at all; what they may do there is for the policies and the services."""

from __future__ import annotations

from typing import Any

from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from agents.models import User


def is_agent(user: Any) -> bool:
    """Tell whether the caller is the identity of an agent."""
    return isinstance(user, User) and user.is_agent


class IsSignedIn(BasePermission):
    """A person by session or an agent by token."""

    def has_permission(self, request: Request, view: Any) -> bool:
        return isinstance(request.user, User) and request.user.is_active


class IsPerson(IsSignedIn):
    """People only: an agent is refused by kind, whatever it holds."""

    message = "An agent cannot do this. Only a person can; tell your sponsor."
    code = "agents_refused"

    def has_permission(self, request: Request, view: Any) -> bool:
        return super().has_permission(request, view) and not is_agent(request.user)
