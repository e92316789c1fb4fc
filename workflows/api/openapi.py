"""The description of the API (OpenAPI 3.1), for those who are signed in."""

from __future__ import annotations

from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.views import SpectacularJSONAPIView

from workflows.permissions import IsKnown


class AgentTokenScheme(OpenApiAuthenticationExtension):
    """How agents prove who they are: a short bearer token from /oauth/token."""

    target_class = "agents.authentication.AgentTokenAuthentication"
    name = "agentToken"

    def get_security_definition(self, auto_schema: object) -> dict[str, object]:
        """Return the OAuth 2.0 client credentials scheme (RFC 6749 section 4.4)."""
        return {
            "type": "oauth2",
            "flows": {"clientCredentials": {"tokenUrl": "/oauth/token", "scopes": {}}},
        }


class Schema(SpectacularJSONAPIView):
    """The OpenAPI document, as JSON: so that its errors are problems like all others."""

    permission_classes = [IsKnown]
