"""The description of the API (OpenAPI 3.1), for those who are signed in."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.utils.translation import get_language
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.views import SpectacularJSONAPIView

from workflows.permissions import IsKnown

PROBLEM = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
# What every call may be answered, whatever the view itself names: the front door asks before any view does.
ALWAYS = {
    "401": "Not signed in, or the token is not valid any more.",
    "403": "Refused: not for this caller.",
}
WITH_BODY = {
    "400": "The body could not be read as JSON.",
    "415": "The body is not `application/json`.",
    "422": "A member of the body was refused; see `errors`.",
}
NOT_THERE = {"404": "There is no such thing among those the caller may see."}
TOKEN_ERROR = {
    "type": "object",
    "description": "A refusal of the token endpoint (RFC 6749 section 5.2); it is no problem document.",
    "properties": {
        "error": {"type": "string"},
        "error_description": {"type": "string"},
    },
    "required": ["error"],
}
TOKEN = {
    "type": "object",
    "description": "A bearer token and for how many seconds it is good.",
    "properties": {
        "access_token": {"type": "string"},
        "token_type": {"type": "string", "const": "Bearer"},
        "expires_in": {"type": "integer"},
        "scope": {"type": "string"},
    },
    "required": ["access_token", "token_type", "expires_in"],
}


_KEPT: dict[str, Any] = {}


class KeptSchema(SchemaGenerator):
    """Builds the document once in each process: it is the same for all its readers, and takes half a second."""

    def get_schema(self, request: Any = None, public: bool = False) -> Any:
        """Return the document; one that leaves out what its reader may not ask is built for them."""
        language = get_language()
        # A caller may name any language in the address: what is kept is bounded by those the portal speaks.
        if not public or language not in dict(settings.LANGUAGES):
            return super().get_schema(request=request, public=public)
        if language not in _KEPT:
            _KEPT[language] = super().get_schema(request=request, public=public)
        return _KEPT[language]


class Schema(SpectacularJSONAPIView):
    """The OpenAPI document, as JSON: so that its errors are problems like all others."""

    permission_classes = [IsKnown]
    generator_class = KeptSchema

    def _get_version_parameter(self, request: Any) -> None:
        """Heed no version in the address: there is one."""


def as_answered(result: dict[str, Any], **_: Any) -> dict[str, Any]:
    """Say what is true of every call: refusals are problem documents, and a token comes from one address."""
    for path, methods in result["paths"].items():
        for operation in methods.values():
            _describe_refusals(path, operation)
    schemas = result["components"]["schemas"]
    schemas.update({"Token": TOKEN, "TokenError": TOKEN_ERROR})
    result["paths"] = {"/oauth/token": {"post": _token_endpoint()}, **result["paths"]}
    return result


def _describe_refusals(path: str, operation: dict[str, Any]) -> None:
    body = WITH_BODY if "requestBody" in operation else {}
    one = NOT_THERE if "{" in path else {}
    possible = {**ALWAYS, **body, **one}
    answers = operation["responses"]
    for status, words in possible.items():
        answers.setdefault(status, {"description": words})
    for status in [status for status in answers if status >= "400"]:
        answers[status]["content"] = PROBLEM
    operation["responses"] = dict(sorted(answers.items()))


def _token_endpoint() -> dict[str, Any]:
    form = {
        "type": "object",
        "properties": {
            "grant_type": {"type": "string", "const": "client_credentials"},
            "client_id": {"type": "string", "description": "Only without HTTP Basic."},
            "client_secret": {"type": "string", "description": "Only without HTTP Basic."},
        },
        "required": ["grant_type"],
    }
    refused = {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/TokenError"}}}}
    return {
        "operationId": "fetch_token",
        "description": "Trade a client id and secret, in HTTP Basic or in the form, for a short bearer token.",
        "tags": ["oauth"],
        "security": [{}],
        "requestBody": {
            "required": True,
            "content": {"application/x-www-form-urlencoded": {"schema": form}},
        },
        "responses": {
            "200": {
                "description": "A token.",
                "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Token"}}},
            },
            "400": {"description": "The form is not as it should be.", **refused},
            "401": {"description": "The client id or the secret is not right.", **refused},
            "429": {"description": "Too many failures; come back after `Retry-After` seconds.", **refused},
        },
    }
