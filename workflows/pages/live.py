"""What a page asks after a hint: the newest position, what waits, and whether the inbox changed."""

from __future__ import annotations

from django.http import HttpRequest, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from agents.models import User
from audit.selectors import newest_position
from workflows.pages.access import for_people
from workflows.pages.bell import unread_count
from workflows.pages.waiting import count_for
from workflows.pages.waits import waits_of


def counts_for(user: User) -> dict[str, int]:
    """Return how much waits for this person, by what the menu calls it."""
    return {"inbox": count_for(user)}


def inbox_mark(user: User) -> str:
    """Return a text that changes whenever the list of what waits for this person does."""
    return waits_of(user).asked()[1]


@never_cache
@require_safe
@for_people
def live(request: HttpRequest) -> JsonResponse:
    """Answer a page that was told that something is new: only what this person may know."""
    user: User = request.user  # type: ignore[assignment]
    count, mark = waits_of(user).asked()
    counts = {"inbox": count, "bell": unread_count(user)}
    return JsonResponse({"position": newest_position(), "counts": counts, "inbox": mark})
