"""The activity feed: what happened, newest first, read by position so that nothing is skipped."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from audit.selectors import feed, newest_position, visible_events
from workflows.pages.access import for_people, page, part
from workflows.pages.lines import lines_of
from workflows.pages.words import ECHOED, is_echo

FIRST_PAGE = 60
GAP_PAGE = 100

# The steps in between, which the outcome says again: a person who follows the work need not read them.
STEPS = (
    "actions.action_authorized",
    "actions.action_dispatched",
    "agents.token_issued",
    "connectors.call_begun",
    "connectors.call_finished",
)
# An agent that a person stopped or paused asks again and again: that it was stopped says it.
CALL_REFUSED = "agents.call_refused"
EXPECTED = ("stopped", "agent_paused", "agent_suspended")


@dataclass(frozen=True, slots=True)
class Choice:
    """What may be shown alone: its word, what holds for an event of it, and what is left out.

    ``with_expected``: calls that are refused because a person stopped or paused the agent are shown, too.
    """

    key: str
    word: str
    is_so: Mapping[str, str] = field(default_factory=dict)
    only: tuple[str, ...] = ()
    without: tuple[str, ...] = STEPS
    with_expected: bool = False

    def narrow(self, events: QuerySet[Any]) -> QuerySet[Any]:
        """Return the events of this choice."""
        left_out = ECHOED | Q(verb__in=self.without)
        if not self.with_expected:
            left_out |= Q(verb=CALL_REFUSED, code__in=EXPECTED)
        found = events.filter(**self.is_so).exclude(left_out)
        return found.filter(verb__in=self.only) if self.only else found

    def matches(self, event: Any) -> bool:
        """Say the same of one event that is at hand already."""
        is_so = all(getattr(event, name) == value for name, value in self.is_so.items())
        is_left_out = is_echo(event) or event.verb in self.without
        is_left_out |= not self.with_expected and event.verb == CALL_REFUSED and event.code in EXPECTED
        return is_so and not is_left_out and (not self.only or event.verb in self.only)


CHOICES = (
    Choice("all", "What happened"),
    Choice("held", "Held for people", {"decision": "hold"}),
    Choice("refused", "Refused", {"decision": "deny"}, with_expected=True),
    Choice(
        "failed",
        "Failed or in doubt",
        only=("actions.action_failed", "actions.action_in_doubt", "connectors.breaker_opened"),
    ),
    Choice("agents", "By agents", {"actor_kind": "agent"}),
    Choice("people", "By people", {"actor_kind": "person"}),
    Choice("steps", "Every step", without=(), with_expected=True),
)


@never_cache
@require_safe
@for_people
def activity(request: HttpRequest) -> HttpResponse:
    """Show the newest events this person may see."""
    shown, before = _shown(request), _position(request, "before")
    # Read the position first: what comes between the two reads is fetched again as the gap, never lost.
    position = newest_position()
    last = before - 1 if before else position
    events = shown.narrow(visible_events(request.user).filter(placement__position__lte=last))
    newest = lines_of(events.order_by("-placement__position")[: FIRST_PAGE + 1])
    return page(
        request,
        "portal/activity.html",
        "Activity",
        lines=newest[:FIRST_PAGE],
        earlier=newest[FIRST_PAGE - 1].position if len(newest) > FIRST_PAGE else None,
        before=before,
        position=position,
        shown=shown,
        choices=CHOICES,
    )


@never_cache
@require_safe
@for_people
def activity_rows(request: HttpRequest) -> HttpResponse:
    """Return the rows after a position, oldest first, and how far the feed has looked."""
    found = feed(request.user, _position(request, "after"), limit=GAP_PAGE)
    shown = _shown(request)
    lines = lines_of(event for event in found.events if shown.matches(event))
    response = part(request, "portal/activity_rows.html", lines=lines)
    response["X-Feed-Position"] = str(found.next_after)
    return response


def _shown(request: HttpRequest) -> Choice:
    key = request.GET.get("show", "all")
    return next((choice for choice in CHOICES if choice.key == key), CHOICES[0])


def _position(request: HttpRequest, name: str) -> int:
    text = request.GET.get(name, "0")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else 0
