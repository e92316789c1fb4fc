"""Who may ask the API for events at all; which rows they get is decided by visibility."""

from __future__ import annotations

from typing import Any

from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from audit.vocabulary import ActorKind


class MayReadEvents(BasePermission):
    """Agents may follow what concerns them; people need the permission ``audit.view_event``."""

    message = "Reading the ledger was refused: you do not hold audit.view_event. Ask an administrator for it."

    def has_permission(self, request: Request, view: Any) -> bool:
        user: Any = request.user
        if not (user and user.is_authenticated and user.is_active):
            return False
        return user.kind == ActorKind.AGENT or user.has_perm("audit.view_event")
