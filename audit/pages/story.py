"""The story of one action or one run in plain words, from the events about it; made to be read and printed."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django.db.models import Q
from django.http import Http404, HttpRequest, HttpResponseBase
from django.urls import reverse
from django.utils.text import capfirst
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from audit import reading, registry
from audit.models import Event
from audit.pages import lines
from audit.pages.access import for_people, page
from audit.pages.exports import export_address

KINDS = {"action": "actions.action", "run": "runs.run"}
CHAPTERS = 200
MOST_CAUSES, MOST_CAUSED = 5, 20
# A wait that nobody felt is no part of the story.
SHORTEST_WAIT = timedelta(seconds=5)
UNITS = ((86_400, "day", "days"), (3600, "h", "h"), (60, "min", "min"), (1, "s", "s"))


@dataclass(frozen=True, slots=True)
class Chapter:
    """One event of the story. ``waited`` says what was waited for before it, and how long."""

    line: lines.Line
    more: list[str] = field(default_factory=list)
    waited: str = ""
    raw: str = ""


@dataclass(frozen=True, slots=True)
class _Wait:
    since: datetime
    whom: str
    until: frozenset[str]
    about: str


@never_cache
@require_safe
@for_people
def story(request: HttpRequest, kind: str, key: UUID) -> HttpResponseBase:
    """Show what the reader may see of one action or run, oldest first."""
    user: Any = request.user
    after = _after(request)
    opening = registry.opening_of(KINDS[kind], key, user)
    found = reading.timeline(KINDS[kind], str(key), user, reading.Place(after=after), size=CHAPTERS)
    if opening is None and not found.events:
        raise Http404
    events = reading.in_order(found.events)
    opens_events = user.has_perm("audit.view_event")
    return page(
        request,
        "audit/story.html",
        f"The story of {'an action' if kind == 'action' else 'a run'}",
        opening=opening,
        key=key,
        subtitle=opening.title if opening else "",
        is_first=after == reading.OLDEST,
        chapters=chapters_of(events, with_payload=user.has_perm("audit.view_payload")),
        later=found.newer,
        still_waits=_still_waits(events) if found.newer is None else "",
        caused=[lines.line_of(event) for event in _caused(kind, str(key), events, user)],
        most_caused=MOST_CAUSED,
        opens_events=opens_events,
        further=_further(kind, key, events, user, opening.link if opening else ""),
    )


def _further(kind: str, key: UUID, events: Sequence[Event], user: Any, own_page: str) -> list[tuple[str, str]]:
    """Return where one goes on from a story: pages the reader may open, by address and words."""
    found = [(own_page, "Its own page")]
    run = next((run for event in events if (run := lines.as_uuid(event.run_id))), None)
    if kind == "action" and run:
        found.append((reverse("story-run", args=[run]), "The story of the run it belongs to"))
    if user.has_perm("audit.view_event"):
        address = f"{reverse('admin:audit_event_changelist')}?{urlencode({kind: key})}"
        found.append((address, "Its entries in the ledger"))
    found.append((export_address(user, kind, str(key)), "Export it with proofs"))
    return [(address, words) for address, words in found if address]


def chapters_of(events: Sequence[Event], *, with_payload: bool) -> list[Chapter]:
    """Return events as chapters, in the same order, with the waits between them."""
    found: list[Chapter] = []
    waits: list[_Wait] = []
    untold = ""
    for event in events:
        telling = registry.telling_of(event.verb)
        waited, waits = _after_event(waits, event, telling)
        untold = waited or untold
        if not telling.echoes:
            found.append(_chapter(event, telling, untold, with_payload))
            untold = ""
    return found


def duration(span: timedelta) -> str:
    """Return a time as people say it, by its two largest units: ``2 h 10 min``."""
    left, said = int(span.total_seconds()), []
    for seconds, one, many in UNITS:
        count, left = divmod(left, seconds)
        if count:
            said.append(f"{count} {one if count == 1 else many}")
        if len(said) == 2 or (said and seconds == 1):
            break
    return " ".join(said[:2]) or "less than a second"


def _chapter(event: Event, telling: registry.Telling, waited: str, with_payload: bool) -> Chapter:
    payload = getattr(event, "payload", None)
    data = payload.data if payload else {}
    raw = json.dumps(data, indent=2, ensure_ascii=False, sort_keys=True) if data and with_payload else ""
    more = telling.more(event, data) if telling.more and isinstance(data, dict) else []
    return Chapter(lines.line_of(event), more, waited, raw)


def _after_event(waits: list[_Wait], event: Event, telling: registry.Telling) -> tuple[str, list[_Wait]]:
    """Return what an event ends the wait for, and the waits that go on, its own among them."""
    over = [wait for wait in waits if _is_over(wait, event)]
    left = [wait for wait in waits if wait not in over]
    felt = [wait for wait in over if event.occurred_at - wait.since >= SHORTEST_WAIT]
    said = "; ".join(f"waited {duration(event.occurred_at - wait.since)} for {wait.whom}" for wait in felt)
    if telling.waits_for and (whom := telling.waits_for(event)):
        left.append(_Wait(event.occurred_at, whom, telling.until, event.subject_id))
    return capfirst(said), left


def _is_over(wait: _Wait, event: Event) -> bool:
    return event.verb in wait.until and event.subject_id == wait.about


def _still_waits(events: Sequence[Event]) -> str:
    waits: list[_Wait] = []
    for event in events:
        _, waits = _after_event(waits, event, registry.telling_of(event.verb))
    return " and ".join(dict.fromkeys(wait.whom for wait in waits))


def _caused(kind: str, key: str, events: Sequence[Event], user: Any) -> list[Event]:
    """Return what else the same requests led to: events of other actions and runs, oldest first."""
    causes = list(dict.fromkeys(event.correlation_id for event in events if event.correlation_id))[:MOST_CAUSES]
    if not causes:
        return []
    column = f"{kind}_id"
    way = reading.one_of(*(Q(correlation_id=cause) for cause in causes))
    others = reading.Question((way,), ~Q(**{column: key}) & ~Q(subject_id=key))
    return reading.in_order(reading.page(user, others, reading.Place(), MOST_CAUSED).events)


def _after(request: HttpRequest) -> UUID:
    return lines.as_uuid(request.GET.get("after", "")) or reading.OLDEST
