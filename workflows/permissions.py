"""Who may knock at an endpoint at all; what they may do behind it is for services and selectors to say."""

from __future__ import annotations

from typing import Any, cast

from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from agents.models import User


def caller(request: Request) -> User:
    """Return who is behind a request that ``IsKnown`` or one of its children has let in."""
    return cast("User", request.user)


class IsKnown(BasePermission):
    """Anybody signed in, agent or person; each then sees only their own."""

    def has_permission(self, request: Request, view: Any) -> bool:
        """Admit active users of either kind."""
        return bool(request.user and request.user.is_authenticated and request.user.is_active)


class IsAgent(IsKnown):
    """Agents only: people do not ask for actions, they decide on them."""

    message = "This endpoint is for agents. People decide, stop and resolve; sign in as the agent to ask."
    code = "agents_only"

    def has_permission(self, request: Request, view: Any) -> bool:
        """Admit an active user of kind agent that has its agent."""
        known = super().has_permission(request, view)
        return known and caller(request).kind == User.Kind.AGENT and hasattr(request.user, "agent")


class IsPerson(IsKnown):
    """People only: agents are refused by kind, whatever rights somebody gave them by mistake."""

    message = "This endpoint is for people. An agent asks, and reads what people decided."
    code = "people_only"

    def has_permission(self, request: Request, view: Any) -> bool:
        """Admit an active user of kind person."""
        return super().has_permission(request, view) and caller(request).kind == User.Kind.PERSON
