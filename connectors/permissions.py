"""Who may ask the API about systems at all; which rows they get is decided by selectors."""

from __future__ import annotations

from typing import Any

from rest_framework.request import Request

from agents.permissions import IsPerson


class MayViewSystems(IsPerson):
    """People with the right to view systems."""

    def has_permission(self, request: Request, view: Any) -> bool:
        return super().has_permission(request, view) and request.user.has_perm("connectors.view_system")
