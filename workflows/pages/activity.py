"""Activity: what happened, newest first, live, and back to the beginning."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils import translation
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from agents.models import User
from audit.wording import language_of
from workflows.pages.access import for_people, page
from workflows.pages.feed import Filter, feed_of, filter_of, rows_after, rows_before, rows_of


@never_cache
@require_safe
@for_people
def activity(request: HttpRequest) -> HttpResponse:
    """Show the newest events this person may see."""
    return page(request, "portal/activity.html", _("Activity"), feed=feed_of(request))


@never_cache
@require_safe
@for_people
def activity_rows(request: HttpRequest) -> JsonResponse:
    """Answer a feed: what came ``after`` a position, oldest first, or was ``before`` a key, newest first."""
    user: User = request.user  # type: ignore[assignment]
    wanted = filter_of(request)
    with translation.override(language_of(request)):
        return JsonResponse(_rows(request, user, wanted))


def _rows(request: HttpRequest, user: User, wanted: Filter) -> dict[str, Any]:
    if "before" in request.GET:
        older = rows_before(user, wanted, request.GET["before"])
        return {"rows": [row.as_data() for row in older.rows], "older": older.older}
    after = _position(request, "after")
    found = rows_after(user, wanted, after)
    rows = [row.as_data() for row in rows_of(found.events)]
    return {"rows": rows, "after": after, "upto": found.next_after}


def _position(request: HttpRequest, name: str) -> int:
    text = request.GET.get(name, "0")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else 0
