"""What can be asked of the portal, read from the URL resolver: what is not there is not served."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.contrib import admin
from django.urls import URLPattern, URLResolver, get_resolver
from rest_framework.views import APIView

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")


@dataclass(frozen=True)
class Route:
    """One address: its pattern as written, and the methods its view answers."""

    pattern: str
    name: str
    view: Any

    @property
    def is_api(self) -> bool:
        return self.pattern.startswith(("api/", "oauth/"))

    @property
    def is_admin(self) -> bool:
        return self.pattern.startswith("admin/")

    @property
    def methods(self) -> tuple[str, ...]:
        """Return the methods of a class; a function may answer any, so GET and POST are both asked."""
        view_class = getattr(self.view, "cls", None) or getattr(self.view, "view_class", None)
        if view_class is None or not issubclass(view_class, APIView):
            return ("GET", "POST")
        return tuple(method for method in METHODS if hasattr(view_class, method.lower()))


def routes() -> list[Route]:
    """Return every address of the site."""
    admin.autodiscover()
    return list(_walk(get_resolver().url_patterns, ""))


def _walk(patterns: list[Any], before: str) -> Iterator[Route]:
    for entry in patterns:
        pattern = before + str(entry.pattern)
        if isinstance(entry, URLResolver):
            yield from _walk(entry.url_patterns, pattern)
        elif isinstance(entry, URLPattern):
            yield Route(pattern, entry.name or "", entry.callback)
