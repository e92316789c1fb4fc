"""Reading the ledger: always through what the reader may see, and in the order of positions."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import reduce
from operator import or_
from typing import Any
from uuid import UUID

from django.db import connection
from django.db.models import F, Max, Q, QuerySet

from audit import visibility
from audit.models import Event, EventQuerySet, LegalHold, PendingEvent, Position, RetentionRule
from audit.registry import registered_invariants

FEED_LIMIT = 500
# One page looks at no more positions than this, so that a reader who may see little costs little.
FEED_WINDOW = 20_000
# An id carries the clock of the process that made it; the database's runs apart by a little.
CLOCKS_APART_SECONDS = 60
MOST_COUNTED = 5_000

# A kind of object (``app_label.model``) whose events carry its id in a column of their own.
_REFERENCE_COLUMNS = {
    "agent": "agent_id",
    "action": "action_id",
    "run": "run_id",
    "system": "system_id",
    "department": "department_id",
    "user": "actor_id",
}


def database_now() -> datetime:
    """Return the database's clock: deadlines, leases and the ledger know no other."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        now: datetime = cursor.fetchone()[0]
    return now


@dataclass(frozen=True, slots=True)
class FeedPage:
    """One page of the feed. Ask again with ``next_after``; nothing new while it stays what was asked."""

    events: list[Event]
    next_after: int


def visible_events(user: Any) -> EventQuerySet:
    """Return the events ``user`` may see, each annotated with ``position`` (None while not numbered)."""
    return Event.objects.filter(visibility.visible_to(user)).with_position()


def newest_position() -> int:
    """Return the newest position in the ledger, 0 when it is empty."""
    return Position.objects.aggregate(newest=Max("position"))["newest"] or 0


def events_since(moment: datetime) -> EventQuerySet:
    """Return every event since a moment, whoever may see it: for counts and states, never to be shown."""
    first = UUID(int=int((moment.timestamp() - CLOCKS_APART_SECONDS) * 1000) << 80)
    return Event.objects.filter(id__gte=first, occurred_at__gte=moment)


def newest_of(actor: Any) -> EventQuerySet:
    """Return what an actor (its id, or an expression) did, newest first: for when it was last heard of."""
    return Event.objects.filter(actor_id=actor).order_by("-id")


def newest_about(user: Any, kind: str, ids: Collection[str], verbs: Collection[str]) -> dict[str, Event]:
    """Return, by id, the newest event of these verbs about each of some objects, if ``user`` may see it."""
    found = visible_events(user).filter(subject_kind=kind, subject_id__in=ids, verb__in=verbs)
    return {one.subject_id: one for one in found.order_by("subject_id", "-id").distinct("subject_id")}


@dataclass(frozen=True, slots=True)
class Pace:
    """How fast the ledger grows, and how far its numbering is behind the clock, in seconds.

    ``per_minute`` is what was written in the last minute, counted up to MOST_COUNTED.
    """

    per_minute: int
    behind: float


def pace() -> Pace:
    """Return how fast the ledger grows and how far its numbering is behind, in three short questions."""
    now = database_now()
    written = events_since(now - timedelta(minutes=1)).order_by()[: MOST_COUNTED + 1].count()
    oldest = PendingEvent.objects.order_by("pk").values_list("event__occurred_at", flat=True).first()
    return Pace(written, max(0.0, (now - oldest).total_seconds()) if oldest else 0.0)


def last_acts(actor_ids: Collection[str]) -> dict[str, datetime]:
    """Return when each of some actors last did anything at all, by one look into an index for each."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT asked.id, found.occurred_at FROM unnest(%s::text[]) AS asked(id) CROSS JOIN LATERAL"
            " (SELECT occurred_at FROM audit_event e WHERE e.actor_id = asked.id"
            " ORDER BY e.id DESC LIMIT 1) found",
            [list(actor_ids)],
        )
        return dict(cursor.fetchall())


def anything_recorded() -> bool:
    """Say whether the ledger has begun."""
    return Event.objects.exists()


def anything_pending() -> bool:
    """Say whether a committed event still waits for its position."""
    return PendingEvent.objects.exists()


def feed(
    user: Any, after_position: int, limit: int = 100, *, only: Q | None = None, with_payload: bool = True
) -> FeedPage:
    """Return what ``user`` may see after a position, ascending. Positions commit in order: none is skipped.

    ``only``: a further condition on Event.
    """
    limit = max(1, min(limit, FEED_LIMIT))
    until = min(newest_position(), after_position + FEED_WINDOW)
    found = visible_events(user).filter(placement__position__gt=after_position, placement__position__lte=until)
    if only is not None:
        found = found.filter(only)
    if with_payload:
        found = found.select_related("payload")
    events = list(found.order_by("placement__position")[:limit])
    if len(events) == limit:
        return FeedPage(events, events[-1].position)
    return FeedPage(events, max(until, after_position))


def events_after(position: int, verbs: Sequence[str], *, user: Any, until: int, limit: int) -> FeedPage:
    """Return what ``user`` may see with these verbs after a position, ascending, with payloads.

    None for the user is the portal itself, which sees everything.
    """
    until = min(until, position + FEED_WINDOW)
    seen = Event.objects.with_position() if user is None else visible_events(user)
    events = list(
        seen.filter(placement__position__gt=position, placement__position__lte=until, verb__in=verbs)
        .select_related("payload")
        .order_by("placement__position")[:limit]
    )
    return FeedPage(events, events[-1].position if len(events) == limit else max(until, position))


def ways_about(kind: str, object_id: str) -> list[Q]:
    """Return the conditions on Event of which one holds for what concerns an object; each has an index."""
    concerned = [Q(subject_kind=kind, subject_id=str(object_id))]
    column = _REFERENCE_COLUMNS.get(kind.rpartition(".")[2])
    return [*concerned, Q(**{column: str(object_id)})] if column and object_id else concerned


def about(kind: str, object_id: str) -> Q:
    """Return the condition on Event that holds for everything that concerns one object."""
    return reduce(or_, ways_about(kind, object_id))


def timeline(kind: str, object_id: str, user: Any) -> EventQuerySet:
    """Return what ``user`` may see of one object's story, oldest first; events not numbered yet come last.

    All of it is read and put in order: ``reading.timeline`` is the one for pages.
    """
    return (
        visible_events(user)
        .filter(about(kind, object_id))
        .select_related("payload")
        .order_by(F("placement__position").asc(nulls_last=True), "occurred_at", "id")
    )


@dataclass(frozen=True)
class Violation:
    """One row that breaks an invariant."""

    invariant: str
    sentence: str
    id: str
    detail: str


def violations() -> list[Violation]:
    """Return everything that breaks an invariant now; an empty list is the only good answer."""
    found: list[Violation] = []
    with connection.cursor() as cursor:
        for number, invariant in registered_invariants().items():
            cursor.execute(invariant.query, [])
            found += [Violation(number, invariant.sentence, str(row[0]), row[1]) for row in cursor.fetchall()]
    return found


def retention_rules() -> QuerySet[RetentionRule]:
    """Return how long is kept what."""
    return RetentionRule.objects.all()


def legal_holds() -> QuerySet[LegalHold]:
    """Return what is or was held."""
    return LegalHold.objects.all()
