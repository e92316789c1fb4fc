"""What is refused before anything else looks at it."""

from __future__ import annotations

from collections.abc import Callable

from django.core.exceptions import SuspiciousOperation
from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from audit.cause import one_cause
from audit.once import one_look
from audit.wording import zone_of
from autonomy.problems import bad_request


class RefuseNul:
    """Refuse NUL (U+0000) in an address: no record can hold it, so no question about one can be meant."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Answer 400 to an address with NUL in its path or its parameters."""
        asked = request.META.get("QUERY_STRING", "")
        if "\x00" in request.path_info or "%00" in asked or "\x00" in asked:
            return bad_request(request, SuspiciousOperation("NUL in the address"))
        return self.get_response(request)


class StoreNoAnswer:
    """Let nobody keep what the API answers: it is about people and money, and fresh at each call."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Say no-store on every answer below /api/ that says nothing about it itself."""
        response = self.get_response(request)
        if request.path_info.startswith("/api/"):
            response.headers.setdefault("Cache-Control", "no-store")
        return response


class OneCause:
    """Let everything that one request leads to be found in the ledger by one id."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Answer under an id of the portal's own: nobody outside chooses it."""
        with one_cause():
            return self.get_response(request)


class OneLook:
    """Let what a page asks about its reader be asked once: who only looks changes no rights meanwhile."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Keep answers for GET and HEAD alone. What decides or changes anything asks at that moment."""
        if request.method not in ("GET", "HEAD"):
            return self.get_response(request)
        with one_look():
            return self.get_response(request)


class ReaderClock:
    """Say and read times in the time zone the reader chose; else in that of the installation."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Choose for this request only. Programs are told offsets, and see nothing of it."""
        with timezone.override(zone_of(request.user)):
            return self.get_response(request)
