"""The page on which an auditor takes an export of the ledger along."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from django.core.exceptions import PermissionDenied
from django.http import FileResponse, HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse

from audit import seals
from audit.adminkit import actor_of
from audit.forms import ExportForm
from audit.services import refusals_recorded
from audit.services.exporting import LEDGER, export_ledger
from audit.vocabulary import Refusal

# What is larger would keep a web process busy for long.
MOST_EVENTS = 50_000


RIGHTS = ("audit.view_event", "audit.view_every_event", "audit.view_payload")
# What the page can be asked about already by its address.
ASKED = ("what", "named", "since", "until")


def may_export(user: Any) -> bool:
    """Tell whether somebody may take an export along."""
    return bool(user.has_perms(RIGHTS))


def export_address(user: Any, kind: str, key: str) -> str:
    """Return the page filled in for an agent, run or action; empty without a key, or for who may not export."""
    if not key or not may_export(user):
        return ""
    asked = {"what": "object", "named": f"actions.action:{key}"}
    if kind != "action":
        asked = {"what": kind, "named": key}
    return f"{reverse('admin:audit_event_export')}?{urlencode(asked)}"


def export_of(user: Any, asked: Mapping[str, Any]) -> str:
    """Return the page filled in for the one action, run, object or agent that a list is narrowed to."""
    for kind in ("action", "run"):
        if found := export_address(user, kind, asked.get(kind, "")):
            return found
    if asked.get("kind") and asked.get("object") and may_export(user):
        named = urlencode({"what": "object", "named": f"{asked['kind']}:{asked['object']}"})
        return f"{reverse('admin:audit_event_export')}?{named}"
    return export_address(user, "agent", asked.get("agent", ""))


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
        if not may_export(request.user):
            raise PermissionDenied
        asked = {name: said[:200] for name in ASKED if (said := request.GET.get(name))}
        form = ExportForm(request.POST or None, initial=asked, user=request.user)
        status = 200
        if request.method == "POST":
            status = 422
            if form.is_valid():
                try:
                    with refusals_recorded(actor=actor_of(request), subject=LEDGER):
                        return _download(request, form)
                except Refusal as refusal:
                    form.add_error(None, refusal.in_full())
        context = {
            **self.admin_site.each_context(request),
            "title": "Export the ledger",
            "form": form,
            "most_events": MOST_EVENTS,
            "keys": seals.keys(),
        }
        return TemplateResponse(request, "audit/export.html", context, status=status)


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
