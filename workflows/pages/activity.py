"""The activity feed: what happened, newest first, read by position so that nothing is skipped."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from audit.selectors import feed, newest_position, visible_events
from workflows.pages.access import for_people, page, part
from workflows.pages.lines import lines_of
from workflows.pages.words import ECHOES

FIRST_PAGE = 60
GAP_PAGE = 100

# What may be shown alone: its word, and what holds for an event of it.
SHOWN: dict[str, tuple[str, dict[str, str]]] = {
    "all": ("Everything", {}),
    "held": ("Held for people", {"decision": "hold"}),
    "refused": ("Refused", {"decision": "deny"}),
    "agents": ("By agents", {"actor_kind": "agent"}),
    "people": ("By people", {"actor_kind": "person"}),
}


@never_cache
@require_safe
@for_people
def activity(request: HttpRequest) -> HttpResponse:
    """Show the newest events this person may see."""
    shown = _shown(request)
    # Read the position first: what comes between the two reads is fetched again as the gap, never lost.
    position = newest_position()
    newest = (
        visible_events(request.user)
        .filter(placement__position__lte=position, **SHOWN[shown][1])
        .exclude(verb__in=ECHOES)
        .order_by("-placement__position")[:FIRST_PAGE]
    )
    return page(
        request,
        "portal/activity.html",
        "Activity",
        lines=lines_of(newest),
        position=position,
        shown=shown,
        choices=[(key, word) for key, (word, _) in SHOWN.items()],
    )


@never_cache
@require_safe
@for_people
def activity_rows(request: HttpRequest) -> HttpResponse:
    """Return the rows after a position, oldest first, and how far the feed has looked."""
    found = feed(request.user, _after(request), limit=GAP_PAGE)
    lines = lines_of(event for event in found.events if _matches(event, _shown(request)))
    response = part(request, "portal/activity_rows.html", lines=lines)
    response["X-Feed-Position"] = str(found.next_after)
    return response


def _shown(request: HttpRequest) -> str:
    shown = request.GET.get("show", "all")
    return shown if shown in SHOWN else "all"


def _after(request: HttpRequest) -> int:
    text = request.GET.get("after", "0")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else 0


def _matches(event: Any, shown: str) -> bool:
    return event.verb not in ECHOES and all(
        getattr(event, name) == value for name, value in SHOWN[shown][1].items()
    )
