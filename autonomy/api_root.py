"""The API's front door: what each room exports, and deny by default for everything else."""

from __future__ import annotations

from typing import Any

from rest_framework.permissions import BasePermission
from rest_framework.request import Request


class DenyByDefault(BasePermission):
    """An endpoint that names no permission of its own is closed to everybody."""

    message = "This endpoint grants nobody access. It must name its permission."

    def has_permission(self, request: Request, view: Any) -> bool:
        return False
