"""The evidence of one run: a page made to be printed, and the same to take along as JSON and as PDF."""

from __future__ import annotations

import json
from typing import Any
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from agents.models import User
from audit.evidence import company
from audit.pages.exports import export_address
from workflows.pages.access import for_people, page
from workflows.pages.run_pdf import facts_of as facts_in
from workflows.pages.run_pdf import pdf_of, time_of
from workflows.pages.run_record import Record, moment, record_of
from workflows.pages.words import facts_of, pretty
from workflows.runs import services
from workflows.runs.models import Run
from workflows.runs.selectors import visible_to

FORMAT = "autonomy-os.run-evidence/1"
TYPES = {"json": "application/json; charset=utf-8", "pdf": "application/pdf"}


@never_cache
@require_safe
@for_people
def evidence(request: HttpRequest, run_id: UUID) -> HttpResponse:
    """Show the evidence of a run as a page for paper."""
    found, user = _find(request, run_id), _user(request)
    record = evidence_of(found, user)
    return page(
        request,
        "portal/run_evidence.html",
        _("Evidence of a run"),
        subtitle=found.label,
        run=found,
        record=record,
        facts=facts_in(record),
        input=facts_of(found.input, found.version.content.get("input")),
        output=facts_of(found.output or {}),
        decisions=[{**one, "when": time_of(one["at"])} for one in record["decisions"]],
        steps=[_step(step) for step in record["steps"]["rows"]],
        actions=[_shown(action) for action in record["actions"]],
        proofs=export_address(user, "run", str(found.pk)),
    )


@never_cache
@require_safe
@for_people
def evidence_file(request: HttpRequest, run_id: UUID, form: str) -> HttpResponse:
    """Give the evidence of a run as a file; that it was taken, and its checksum, is an entry of the ledger."""
    found, user = _find(request, run_id), _user(request)
    record = evidence_of(found, user)
    content = pdf_of(record) if form == "pdf" else f"{pretty(record)}\n".encode("utf-8", "replace")
    digest = services.record_evidence_taken(actor=user.as_actor(), run=found, form=form, content=content)
    answer = HttpResponse(content, content_type=TYPES[form])
    name = f"run-{found.pk}-{timezone.now():%Y%m%d-%H%M%S}.{form}"
    answer["Content-Disposition"] = f'attachment; filename="{name}"'
    answer["X-Content-SHA256"] = digest
    return answer


def evidence_of(run: Run, user: User) -> Record:
    """Return the evidence of a run as data: who made it when from what, then everything that is on record."""
    return {
        "format": FORMAT,
        "title": _("Evidence of the run %(label)s") % {"label": run.label},
        "claim": _(
            "This shows what the portal recorded of one run, as far as whoever made it may see it. It does not "
            "say that anything is complied with. The entries of the ledger it names can be exported with "
            "proofs that an outsider can check."
        ),
        "company": company(),
        "made_at": moment(timezone.now()),
        "made_by": str(user),
        **json.loads(json.dumps(record_of(run, user), default=str)),
    }


def _step(step: Record) -> Record:
    began, ended = time_of(step["started_at"]), time_of(step["finished_at"])
    return {**step, "error": _said(step["error"]), "began": began, "ended": ended}


def _shown(action: Record) -> Record:
    return {
        **action,
        "when": time_of(action["finished_at"]),
        "facts": facts_of(action["arguments"]),
        "found": facts_of(action["result"] or {}),
    }


def _said(error: dict[str, Any]) -> str:
    return str(error.get("message") or error.get("code") or "")


def _find(request: HttpRequest, run_id: UUID) -> Run:
    return get_object_or_404(visible_to(_user(request)), pk=run_id)


def _user(request: HttpRequest) -> User:
    return request.user  # type: ignore[return-value]
