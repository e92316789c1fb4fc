"""Views that a person keeps of a page: its filters under a name. Theirs alone; the address can be shared."""

from __future__ import annotations

from collections.abc import Callable
from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from agents.models import SavedView, User
from agents.services import own
from audit.services import refusals_recorded
from audit.vocabulary import Refusal
from workflows.pages.access import for_people

PAGES = {SavedView.Page.INBOX: "inbox", SavedView.Page.RUNS: "runs", SavedView.Page.CONSOLE: "console"}


@require_POST
@for_people
def keep_view(request: HttpRequest) -> HttpResponse:
    """Keep the filters of a page under a name."""
    page = request.POST.get("page", "").replace("\x00", "")
    query = request.POST.get("query", "").replace("\x00", "")
    back = f"{reverse(PAGES.get(SavedView.Page(page), 'inbox') if page in SavedView.Page.values else 'inbox')}"
    name = _name(request)
    return _done(
        request,
        f"{back}?{query}" if query else back,
        lambda: own.save_view(actor=_user(request).as_actor(), page=page, name=name, query=query),
        _("Kept as “%(name)s”.") % {"name": name},
    )


@require_POST
@for_people
def rename_view(request: HttpRequest, view_id: UUID) -> HttpResponse:
    """Give one's view another name."""
    name = _name(request)
    return _done(
        request,
        _page_of(request, view_id),
        lambda: own.rename_view(actor=_user(request).as_actor(), view_id=view_id, name=name),
        _("It is called “%(name)s” now.") % {"name": name},
    )


@require_POST
@for_people
def delete_view(request: HttpRequest, view_id: UUID) -> HttpResponse:
    """Delete one's view. Nothing that it showed is touched."""
    return _done(
        request,
        _page_of(request, view_id),
        lambda: own.delete_view(actor=_user(request).as_actor(), view_id=view_id),
        _("The view is deleted."),
    )


def _done(request: HttpRequest, back: str, deed: Callable[[], object], words: str) -> HttpResponse:
    actor = _user(request).as_actor()
    try:
        with refusals_recorded(actor=actor, subject=_user(request).as_ref()):
            deed()
    except Refusal as refusal:
        if refusal.kind == "not_found":
            return HttpResponse(status=404)
        messages.error(request, refusal.in_full())
        return redirect(back)
    messages.success(request, words)
    return redirect(back)


def _page_of(request: HttpRequest, view_id: UUID) -> str:
    view = SavedView.objects.filter(pk=view_id, user=_user(request)).first()
    if view is None:
        return reverse("inbox")
    return f"{reverse(PAGES[SavedView.Page(view.page)])}?{view.query}"


def _name(request: HttpRequest) -> str:
    return request.POST.get("name", "").replace("\x00", "").strip()[:200]


def _user(request: HttpRequest) -> User:
    return request.user  # type: ignore[return-value]
