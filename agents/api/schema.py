"""What the OpenAPI description says about signing in."""

from __future__ import annotations

from typing import Any

from drf_spectacular.extensions import OpenApiAuthenticationExtension


class AgentTokenScheme(OpenApiAuthenticationExtension):
    """OAuth 2.0 client credentials (RFC 6749 section 4.4)."""

    target_class = "agents.authentication.AgentTokenAuthentication"
    name = "agentToken"

    def get_security_definition(self, auto_schema: Any) -> dict[str, Any]:
        """Return the OpenAPI security scheme."""
        return {
            "type": "oauth2",
            "description": "An agent trades its client id and secret for a bearer token of five minutes.",
            "flows": {
                "clientCredentials": {
                    "tokenUrl": "/oauth/token",
                    "scopes": {"portal": "What the agent's own authority allows, no more."},
                }
            },
        }
