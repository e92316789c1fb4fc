"""What a page asks after a hint: the newest position, what waits, and whether the inbox changed."""

from __future__ import annotations

import hashlib

from django.http import HttpRequest, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from agents.models import User
from audit.selectors import newest_position
from workflows.approvals.selectors import pending_for
from workflows.pages.access import for_people


def counts_for(user: User) -> dict[str, int]:
    """Return how much waits for this person, by what the menu calls it."""
    return {"inbox": pending_for(user).count()}


def inbox_mark(user: User) -> str:
    """Return a text that changes whenever the list of what waits for this person does."""
    waiting = "\n".join(str(key) for key in pending_for(user).values_list("pk", flat=True))
    return hashlib.sha256(waiting.encode()).hexdigest()[:16]


@never_cache
@require_safe
@for_people
def live(request: HttpRequest) -> JsonResponse:
    """Answer a page that was told that something is new: only what this person may know."""
    user: User = request.user  # type: ignore[assignment]
    return JsonResponse({"position": newest_position(), "counts": counts_for(user), "inbox": inbox_mark(user)})
