"""A document to be read where its facts are, without taking it along."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.http import FileResponse, Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from agents.models import User
from audit.vocabulary import Refusal
from workflows.api.documents import LOCKED_UP
from workflows.documents.models import Document
from workflows.documents.selectors import visible_to
from workflows.documents.services import CHUNK, open_document
from workflows.pages.access import STATUS_OF_KIND, for_people, page
from workflows.pages.document_text import MOST_BYTES, MOST_PICTURE_BYTES, Shown, Way, picture_type, shown_of
from workflows.runs.models import Run
from workflows.runs.selectors import visible_to as visible_runs

MOST_RUNS = 10


@never_cache
@require_safe
@for_people
def document(request: HttpRequest, document_id: UUID) -> HttpResponse:
    """Show what a document says, who brought it and which runs are about it."""
    found = _document(request, document_id)
    user = _user(request)
    shown, refused, status = Shown(Way.NOTHING), "", 200
    try:
        with open_document(actor=user.as_actor(), document=found) as file:
            shown = shown_of(file.read(MOST_BYTES), found.size, found.name)
    except Refusal as refusal:
        refused, status = refusal.in_full(), STATUS_OF_KIND.get(refusal.kind, 409)
    runs: list[Run] = list(visible_runs(user).filter(run_documents__document=found).order_by("-id")[:MOST_RUNS])
    about = {"document": found, "shown": shown, "refused": refused, "runs": runs}
    return page(request, "portal/document.html", "Document", status, **about)


@never_cache
@require_safe
@for_people
def document_picture(request: HttpRequest, document_id: UUID) -> HttpResponse:
    """Send the bytes of a picture, and of nothing else: what it is, its first bytes say, not who brought it."""
    found = _document(request, document_id)
    if found.size > MOST_PICTURE_BYTES:
        raise Http404
    try:
        file = open_document(actor=_user(request).as_actor(), document=found)
    except Refusal as refusal:
        raise Http404 from refusal
    kind = picture_type(file.read(16))
    file.seek(0)
    if not kind:
        file.close()
        raise Http404
    answer: Any = FileResponse(file, content_type=kind)
    answer.block_size = CHUNK
    answer["X-Content-Type-Options"] = "nosniff"
    answer["Content-Security-Policy"] = LOCKED_UP
    answer["Cross-Origin-Resource-Policy"] = "same-origin"
    return answer


def _document(request: HttpRequest, document_id: UUID) -> Document:
    found: Document = get_object_or_404(
        visible_to(_user(request)).select_related("uploaded_by"), pk=document_id
    )
    return found


def _user(request: HttpRequest) -> User:
    return request.user  # type: ignore[return-value]
