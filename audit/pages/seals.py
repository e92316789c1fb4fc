"""The page that says how the ledger is sealed."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.template.response import TemplateResponse
from django.urls import URLPattern, path

from audit import seals


class SealsPage:
    """Adds the page. Whoever may read the ledger may see it."""

    admin_site: Any
    has_view_permission: Any

    def get_urls(self) -> list[URLPattern]:
        """Add the page that says how the ledger is sealed."""
        page = path("seals/", self.admin_site.admin_view(self.seals), name="audit_seals")
        urls: list[URLPattern] = super().get_urls()  # type: ignore[misc]
        return [page, *urls]

    def seals(self, request: HttpRequest) -> HttpResponse:
        """Show how far the ledger is sealed, with which keys, and who else has its checkpoints."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        if request.method not in ("GET", "HEAD"):
            return HttpResponseNotAllowed(["GET", "HEAD"])
        context = {
            **self.admin_site.each_context(request),
            "title": "Seals of the ledger",
            "seals": seals.standing(),
            "checkpoint": seals.newest_checkpoint(),
            "keys": seals.keys(),
            "cosignatures": seals.cosignatures(),
        }
        return TemplateResponse(request, "audit/seals.html", context)
