"""Errors leave the API as RFC 9457 problems; this is the one place that maps a Refusal to HTTP."""

from __future__ import annotations

import sys
from typing import Any

from django.core.exceptions import PermissionDenied
from django.db import InterfaceError, OperationalError
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.views import defaults
from rest_framework import exceptions
from rest_framework.response import Response
from rest_framework.views import set_rollback

from audit.vocabulary import Refusal, RefusalKind

STATUS_OF_KIND = {
    RefusalKind.INVALID: 422,
    RefusalKind.UNAUTHENTICATED: 401,
    RefusalKind.FORBIDDEN: 403,
    RefusalKind.NOT_FOUND: 404,
    RefusalKind.CONFLICT: 409,
    RefusalKind.TOO_LARGE: 413,
    RefusalKind.LIMITED: 429,
    RefusalKind.UNAVAILABLE: 503,
}
DATABASE_AWAY_SECONDS = "2"
MEDIA_TYPE = "application/problem+json"
TITLE_OF_STATUS = {
    400: "The request could not be read",
    401: "Not signed in",
    403: "Refused",
    404: "Not found",
    405: "Method not allowed",
    406: "Not acceptable",
    409: "Conflict",
    411: "Length required",
    413: "Too large",
    415: "Unsupported media type",
    422: "Not valid",
    429: "Limit reached",
    500: "Error of the portal",
    503: "Not available",
}


def problem(status: int, code: str, detail: str, **members: Any) -> Response:
    """Return an ``application/problem+json`` response (RFC 9457) with our extension members."""
    return Response(_body(status, code, detail, **members), status=status, content_type=MEDIA_TYPE)


def _body(status: int, code: str, detail: str, **members: Any) -> dict[str, Any]:
    return {
        "type": f"urn:autonomy:problem:{code}",
        "title": TITLE_OF_STATUS.get(status, "Error"),
        "status": status,
        "code": code,
        "detail": detail,
        **members,
    }


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer what Django itself could not read: a problem below the API, else the ordinary page."""
    if not _is_api(request):
        return defaults.bad_request(request, exception)
    return _plain_problem(
        400, "bad_request", "The request could not be read: its address or headers are malformed."
    )


def page_not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer an address that nobody serves: a problem below the API, else the ordinary page."""
    if not _is_api(request):
        return defaults.page_not_found(request, exception)
    return _plain_problem(
        404, "not_found", "There is nothing at this address. GET /api/v1/schema lists what there is."
    )


def server_error(request: HttpRequest) -> HttpResponse:
    """Answer an error of ours, which the log explains: a problem below the API, else the ordinary page."""
    if not _is_api(request):
        return defaults.server_error(request)
    if isinstance(sys.exc_info()[1], OperationalError | InterfaceError):
        answer = _plain_problem(
            503,
            "database_away",
            "The portal lost its database for a moment, so it is not known whether this was recorded. Send the"
            " same request again, with the same Idempotency-Key: it is done once at most.",
        )
        answer["Retry-After"] = DATABASE_AWAY_SECONDS
        return answer
    return _plain_problem(
        500, "internal_error", "The portal failed to answer. The operator's log says why; ask again."
    )


def _is_api(request: HttpRequest) -> bool:
    return request.path.startswith(("/api/", "/oauth/"))


def _plain_problem(status: int, code: str, detail: str) -> HttpResponse:
    return JsonResponse(_body(status, code, detail), status=status, content_type=MEDIA_TYPE)


def problem_handler(error: Exception, context: dict[str, Any]) -> Response | None:
    """Translate an exception of ours, of DRF or of Django into a problem; unexpected errors stay loud."""
    if isinstance(error, Refusal):
        set_rollback()
        return _of_refusal(error)
    if isinstance(error, Http404):
        error = exceptions.NotFound()
    elif isinstance(error, PermissionDenied):
        error = exceptions.PermissionDenied()
    if not isinstance(error, exceptions.APIException):
        return None
    set_rollback()
    response = _of_api_exception(error, context)
    if isinstance(error, exceptions.AuthenticationFailed | exceptions.NotAuthenticated):
        response["WWW-Authenticate"] = getattr(error, "auth_header", "Bearer")
        response.status_code = 401
        response.data["status"] = 401
    if wait := getattr(error, "wait", None):
        response["Retry-After"] = str(int(wait) + 1)
    return response


def _of_refusal(refusal: Refusal) -> Response:
    status = STATUS_OF_KIND[refusal.kind]
    members = {"next": refusal.next_step, **refusal.detail}
    response = problem(status, refusal.code, refusal.message, **members)
    if seconds := refusal.detail.get("retry_after"):
        response["Retry-After"] = str(seconds)
    return response


# The next legal move after what the front door itself refuses; a room says its own.
SIGN_IN = "Fetch a token from POST /oauth/token and send it as: Authorization: Bearer <token>."
NEXT_OF_CODE = {
    "not_authenticated": SIGN_IN,
    "token_malformed": SIGN_IN,
    "token_in_url": SIGN_IN,
    "token_unknown": f"{SIGN_IN} The request may be repeated with the same Idempotency-Key.",
    "token_expired": f"{SIGN_IN} The request may be repeated with the same Idempotency-Key.",
    "parse_error": "Mend the body and send it again. The Idempotency-Key is still free.",
    "not_found": "List what you may use or see; what belongs to others is not shown.",
    "unsupported_media_type": "Send the body in the media type that GET /api/v1/schema names for this address:"
    " documents as they are, everything else as Content-Type: application/json.",
    "length_required": "Send the same bytes with the header Content-Length.",
    "invalid": "Correct what errors names and send it again.",
}


def _of_api_exception(error: exceptions.APIException, context: dict[str, Any]) -> Response:
    if isinstance(error, exceptions.ValidationError):
        words = f"The request was refused{_first_error(error.detail)}"
        return problem(422, "invalid", words, next=NEXT_OF_CODE["invalid"], errors=error.detail)
    found = error.get_codes()
    code = found if isinstance(found, str) else error.default_code
    words, following = str(error.detail), NEXT_OF_CODE.get(code, "")
    if isinstance(error, exceptions.NotAuthenticated):
        words = "The request was refused: it says nothing about who is calling."
    elif isinstance(error, exceptions.NotFound) and words == str(error.default_detail):
        words = "There is no such thing here for you."
    elif isinstance(error, exceptions.MethodNotAllowed):
        following = f"Use {' or '.join(_methods(context))} here."
    return problem(error.status_code, code, words, **({"next": following} if following else {}))


def _first_error(detail: Any, path: str = "") -> str:
    """Return the first refused member with its words, so that the sentence alone helps already."""
    if isinstance(detail, dict) and detail:
        name, inner = next(iter(detail.items()))
        return _first_error(inner, f"{path}.{name}" if path else str(name))
    if isinstance(detail, list) and detail:
        return _first_error(detail[0], path)
    return f" at {path}: {detail}" if path and path != "non_field_errors" else f": {detail}"


def _methods(context: dict[str, Any]) -> list[str]:
    return [method for method in context["view"].allowed_methods if method not in ("HEAD", "OPTIONS")]
