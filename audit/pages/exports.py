"""The page on which an auditor takes an export of the ledger along."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import FileResponse, HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path

from audit.adminkit import actor_of
from audit.forms import ExportForm
from audit.services import refusals_recorded
from audit.services.exporting import LEDGER, export_ledger
from audit.vocabulary import Refusal

# What is larger would keep a web process busy for long.
MOST_EVENTS = 50_000


class ExportPage:
    """Adds the page to the ledger's own pages. Who sees every event and every payload may export them."""

    admin_site: Any
    opts: Any

    def get_urls(self) -> list[URLPattern]:
        """Add the address of the page."""
        own = path("export/", self.admin_site.admin_view(self.export), name="audit_event_export")
        urls: list[URLPattern] = super().get_urls()  # type: ignore[misc]
        return [own, *urls]

    def export(self, request: HttpRequest) -> HttpResponse | FileResponse:
        """Ask what to export, and give it as a file."""
        if not request.user.has_perms(["audit.view_event", "audit.view_every_event", "audit.view_payload"]):
            raise PermissionDenied
        form = ExportForm(request.POST or None)
        if request.method == "POST" and form.is_valid():
            try:
                with refusals_recorded(actor=actor_of(request), subject=LEDGER):
                    return _download(request, form)
            except Refusal as refusal:
                messages.error(request, refusal.in_full())
        context = {
            **self.admin_site.each_context(request),
            "title": "Export the ledger",
            "form": form,
            "most_events": MOST_EVENTS,
            "opts": self.opts,
        }
        return TemplateResponse(request, "audit/export.html", context)


def _download(request: HttpRequest, form: ExportForm) -> FileResponse:
    scope = form.scope()
    with tempfile.TemporaryDirectory() as folder:
        exported = export_ledger(
            actor=actor_of(request),
            scope=scope,
            path=Path(folder, "ledger.zip"),
            reason=form.cleaned_data["reason"],
            most_events=MOST_EVENTS,
        )
        # It is read to its end although the folder goes.
        file = exported.path.open("rb")
    name = f"ledger-{scope.kind}-{exported.tree_size}.zip"
    return FileResponse(file, as_attachment=True, filename=name, content_type="application/zip")
