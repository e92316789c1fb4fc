"""POST /oauth/token: the one OAuth endpoint of the portal (RFC 6749 sections 4.4 and 5)."""

from __future__ import annotations

import json
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.utils.decorators import method_decorator
from django.views import View
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.debug import sensitive_post_parameters
from oauth2_provider.views.mixins import OAuthLibMixin

from agents.authentication import TOKEN_PARAMETERS, TokenRequest

FORM = "application/x-www-form-urlencoded"


@method_decorator(csrf_exempt, name="dispatch")
class TokenView(OAuthLibMixin, View):
    """Trades a client id and secret for a short bearer token; errors as in RFC 6749 section 5.2.

    Cross-site request forgery has nothing to ride on here: no cookie counts, only the secret in the request.
    """

    http_method_names = ["post", "options"]
    oauthlib_backend_class = TokenRequest

    @method_decorator(sensitive_post_parameters("client_secret"))
    def post(self, request: HttpRequest) -> HttpResponse:
        """Answer 200 with a token, 400 for a bad request, 401 for bad credentials, 429 after many failures."""
        if refused := _refuse_shape(request) or _refuse_resource(request):
            return refused
        _, _, body, status = self.create_token_response(request)
        return _answer(body, status)

    def http_method_not_allowed(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        answer = _error("invalid_request", "Use POST with a form-encoded body.", 405)
        answer["Allow"] = "POST, OPTIONS"
        return answer


def _refuse_shape(request: HttpRequest) -> HttpResponse | None:
    if request.META.get("QUERY_STRING"):
        return _error("invalid_request", "Parameters in the address are refused. Send them in the body.")
    if request.content_type != FORM:
        return _error("invalid_request", f"Send the parameters as {FORM}.")
    if any(len(values) > 1 for key, values in request.POST.lists() if key in TOKEN_PARAMETERS):
        return _error("invalid_request", "A parameter was sent twice.")
    return None


def _refuse_resource(request: HttpRequest) -> HttpResponse | None:
    """A token is good for this portal only, so that is the one resource it can be asked for (RFC 8707)."""
    asked = request.POST.getlist("resource")
    if all(_is_here(address) for address in asked):
        return None
    return _error("invalid_target", f"Tokens of this portal are good for {settings.PUBLIC_URL} only.")


def _is_here(address: str) -> bool:
    here = settings.PUBLIC_URL.rstrip("/")
    return address == here or address.startswith(f"{here}/")


def _error(code: str, words: str, status: int = 400) -> HttpResponse:
    return _answer(json.dumps({"error": code, "error_description": words}), status)


def _answer(body: str, status: int) -> HttpResponse:
    answer = HttpResponse(body, status=status, content_type="application/json")
    answer["Cache-Control"] = "no-store"
    answer["Pragma"] = "no-cache"
    if status == 401:
        answer["WWW-Authenticate"] = 'Basic realm="portal", charset="UTF-8"'
    if status == 429:
        answer["Retry-After"] = "60"
    return answer
