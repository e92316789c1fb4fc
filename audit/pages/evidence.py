"""The page on which an evidence pack is built and taken along."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import FileResponse, HttpRequest
from django.http.response import HttpResponseBase
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils import timezone
from django.utils.cache import add_never_cache_headers

from audit.adminkit import actor_of
from audit.forms import EvidenceForm
from audit.services import evidence, refusals_recorded
from audit.vocabulary import Ref, Refusal, RefusalKind

# An evidence pack shows all of the ledger, also what rules of visibility would leave out.
EVIDENCE = ("audit.view_every_event", "audit.view_payload")
# What a page can be made to wait for; a longer period is for the command.
MOST_ENTRIES = 50_000
STATUS = {RefusalKind.TOO_LARGE: 413, RefusalKind.LIMITED: 429, RefusalKind.CONFLICT: 409}


class EvidencePage:
    """Adds the page. Who sees every event and every payload may build a pack."""

    admin_site: Any
    opts: Any

    def get_urls(self) -> list[URLPattern]:
        """Add the page on which an evidence pack is built."""
        view = self.admin_site.admin_view(self.evidence_pack)
        urls: list[URLPattern] = super().get_urls()  # type: ignore[misc]
        return [path("evidence/", view, name="audit_event_evidence"), *urls]

    def evidence_pack(self, request: HttpRequest) -> HttpResponseBase:
        """Ask for a period, and answer with the pack as one file."""
        if not may_build_evidence(request.user):
            raise PermissionDenied
        form = EvidenceForm(request.POST or None, today=timezone.localdate())
        status = 200
        if request.method == "POST":
            status = 422
            if form.is_valid():
                try:
                    return _pack(request, form.cleaned_data)
                except Refusal as refusal:
                    form.add_error(None, refusal.in_full())
                    status = STATUS.get(refusal.kind, 422)
        context = {
            **self.admin_site.each_context(request),
            "title": "Evidence pack",
            "form": form,
            "most": f"{MOST_ENTRIES:,}",
        }
        return TemplateResponse(request, "evidence/ask.html", context, status=status)


def may_build_evidence(user: Any) -> bool:
    """Tell whether somebody may see everything that an evidence pack shows: auditors, and superusers."""
    return bool(user.has_perms(EVIDENCE))


def _pack(request: HttpRequest, asked: dict[str, Any]) -> FileResponse:
    """Build a pack and answer with it; the file is gone from here as soon as it has been sent."""
    name = f"evidence-{asked['first']}-{asked['last']}.zip"
    with (
        refusals_recorded(actor=actor_of(request), subject=Ref("audit.evidencepack", "", "An evidence pack")),
        tempfile.TemporaryDirectory(prefix="evidence-") as folder,
    ):
        codes = [asked["department"]] if asked["department"] else []
        wanted = evidence.wanted(asked["first"], asked["last"], codes)
        out = Path(folder) / name
        evidence.build_pack(actor=actor_of(request), wanted=wanted, out=out, most_entries=MOST_ENTRIES)
        content = out.open("rb")
    response = FileResponse(content, as_attachment=True, filename=name, content_type="application/zip")
    add_never_cache_headers(response)
    return response
