"""Who is calling: short opaque tokens of agents, checked in the database at every call."""

from __future__ import annotations

from rest_framework.authentication import BaseAuthentication
from rest_framework.request import Request


class AgentTokenAuthentication(BaseAuthentication):
    """Bearer tokens (RFC 6750)."""

    def authenticate(self, request: Request) -> None:
        return None
