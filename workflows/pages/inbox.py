"""The inbox: what waits for this person, soonest deadline first, and one request beside it."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.http import Http404, HttpRequest, HttpResponse
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from agents.models import SavedView, User
from workflows.approvals.models import Approval
from workflows.approvals.selectors import pending_for, visible_to
from workflows.approvals.services import note_opening
from workflows.pages.access import for_people, page, part
from workflows.pages.confirming import confirmed, kept_on_the_way
from workflows.pages.hands import SNOOZES
from workflows.pages.live import inbox_mark
from workflows.pages.question import question_for
from workflows.pages.shelves import SHELVES, place_of, shelf_of
from workflows.pages.sieve import choices_for, sieve_of
from workflows.pages.waiting import rows_of


@never_cache
@require_safe
@for_people
def inbox(request: HttpRequest, approval_id: UUID | None = None) -> HttpResponse:
    """Show the list, and one approval beside it when the address names one."""
    opened = find(request, approval_id) if approval_id else None
    question = question_for(opened, _user(request), confirmed(request, opened)) if opened else None
    if opened:
        note_opening(person=_user(request), approvals=[opened])
    shown: dict[str, Any] = {
        "question": question,
        "opened_key": str(approval_id or ""),
        "subtitle": opened.subject_label if opened else "",
        "snoozes": SNOOZES,
        **kept_on_the_way(request, opened),
    }
    return page(request, "portal/inbox.html", "Inbox", **shown, **listed(request))


@never_cache
@require_safe
@for_people
def inbox_list(request: HttpRequest) -> HttpResponse:
    """Return the rows alone, for a page that refreshes its list or asks for more."""
    return part(request, "portal/inbox_rows.html", **_rows(request))


@never_cache
@require_safe
@for_people
def inbox_detail(request: HttpRequest, approval_id: UUID) -> HttpResponse:
    """Return one approval alone, for a page that keeps its list."""
    approval = find(request, approval_id)
    note_opening(person=_user(request), approvals=[approval])
    return detail(request, approval, **kept_on_the_way(request, approval))


def detail(request: HttpRequest, approval: Approval, status: int = 200, **said: Any) -> HttpResponse:
    """Answer with one approval, alone or in its page, and with what is to be said about it."""
    question = question_for(approval, _user(request), confirmed(request, approval))
    said["snoozes"] = SNOOZES
    if request.htmx:  # type: ignore[attr-defined]
        return part(request, "portal/inbox_detail.html", status=status, question=question, **said)
    return page(
        request,
        "portal/inbox.html",
        "Inbox",
        status=status,
        question=question,
        opened_key=str(approval.pk),
        **listed(request),
        **said,
    )


def listed(request: HttpRequest) -> dict[str, Any]:
    """Return what the list of the inbox shows, whatever is open beside it."""
    user = _user(request)
    views = [
        (view, f"{reverse('inbox')}?{view.query}")
        for view in SavedView.objects.filter(user=user, page=SavedView.Page.INBOX)
    ]
    return {
        **_rows(request),
        "shelves": SHELVES,
        "choices": choices_for(user),
        "views": views,
        "mark": inbox_mark(user),
    }


def _rows(request: HttpRequest) -> dict[str, Any]:
    shelf, sieve = shelf_of(request.GET.get("show", "mine")), sieve_of(request.GET)
    found = rows_of(_user(request), shelf.key, sieve=sieve, after=place_of(request.GET.get("after", "")))
    return {
        "rows": found.rows,
        "more": sieve.address(shelf.key, after=found.more) if found.more else "",
        "is_searched_on": found.is_searched_on,
        "shelf": shelf,
        "sieve": sieve,
        "query": sieve.address(shelf.key),
        "is_continued": "after" in request.GET,
    }


def find(request: HttpRequest, approval_id: UUID) -> Approval:
    """Return an approval that this person may see, or answer 404."""
    user = _user(request)
    for shown in (visible_to(user), pending_for(user)):
        if approval := shown.select_related("task__claimed_by").filter(pk=approval_id).first():
            return approval
    raise Http404


def _user(request: HttpRequest) -> User:
    return request.user  # type: ignore[return-value]
