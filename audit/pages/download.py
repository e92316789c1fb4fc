"""A filtered list of events as a file."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from audit.forms import LedgerForm
from audit.pages.access import for_people
from audit.services import downloading


@never_cache
@require_safe
@for_people
def download(request: HttpRequest, form: str) -> HttpResponseBase:
    """Stream what the list shows, newest first, to who may read the ledger; that it was taken is an event."""
    user: Any = request.user
    if not user.has_perm("audit.view_event"):
        raise PermissionDenied
    asked = LedgerForm(request.GET, user=user, with_choices=False)
    if not asked.is_valid():
        said = "; ".join(f"{name}: {' '.join(map(str, errors))}" for name, errors in asked.errors.items())
        words = f"Nothing was downloaded: {said}\nCorrect it on the page of the ledger, and download again.\n"
        return HttpResponse(words, status=422, content_type="text/plain; charset=utf-8")
    until = downloading.newest_id()
    downloading.record_download(
        actor=user.as_actor(), form=form, most=downloading.MOST_LINES, narrowed=asked.narrowed()
    )
    answer = StreamingHttpResponse(
        downloading.lines(
            form,
            user=user,
            question=asked.question(),
            period=asked.period(),
            until=until,
            most=downloading.MOST_LINES,
            with_payload=user.has_perm("audit.view_payload"),
        ),
        content_type=downloading.FORMATS[form],
    )
    name = f"ledger-{timezone.now():%Y%m%d-%H%M%S}.{form}"
    answer["Content-Disposition"] = f'attachment; filename="{name}"'
    return answer
