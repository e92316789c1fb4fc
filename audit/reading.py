"""Pages of the ledger, newest first from any place on. A page reads one index, and so many rows at most.

Each filter that has an index is a way to its events. A page asks every way at once how far its next
``MOST_LOOKED`` entries reach, takes the one that reaches furthest, and tests those entries for everything else,
what the reader may see included. So no question about millions of rows takes long; where little of much is
shown, a page says how far it looked, and the next one goes on from there.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import connection
from django.db.models import Q, QuerySet
from django.db.models.sql.datastructures import BaseTable

from audit import selectors, visibility
from audit.models import Event, EventQuerySet, Leaf

PAGE = 50
MOST_LOOKED = 20_000
# To look for a word in an entry takes ten times as long as to test an id.
MOST_READ = 5_000
OLDEST = UUID(int=0)
# An id carries the time of the process that made it, the column that of the database: so much apart at most.
CLOCKS_APART = timedelta(hours=1)

# The disjoint parts of a way: each is read by one index.
Way = tuple[Q, ...]
EVERYTHING: Way = (Q(),)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a page begins: at the newest, or next to an event, which is not on it."""

    before: UUID | None = None
    after: UUID | None = None

    @property
    def ascends(self) -> bool:
        """Say whether the page is read upwards, towards newer events."""
        return self.after is not None and self.before is None

    def span(self) -> Q:
        """Return the condition on the id."""
        found = Q()
        if self.before is not None:
            found &= Q(id__lt=self.before)
        if self.after is not None:
            found &= Q(id__gt=self.after)
        return found


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked: ways to the events by an index, one of which is gone, and what else holds."""

    ways: tuple[Way, ...] = ()
    rest: Q = field(default_factory=Q)
    has_words: bool = False

    @property
    def most(self) -> int:
        """Return how many entries a page looks at."""
        return MOST_READ if self.has_words else MOST_LOOKED

    def __and__(self, other: Question) -> Question:
        has_words = self.has_words or other.has_words
        return Question((*self.ways, *other.ways), self.rest & other.rest, has_words)

    def condition_besides(self, way: Way) -> Q:
        """Return what the events of a way have to be tested for."""
        found = self.rest
        for other in self.ways:
            if other is not way:
                found &= _any(other)
        return found


@dataclass(frozen=True, slots=True)
class Page:
    """Events, newest first, and where to go on from them.

    ``older`` and ``newer`` are ids to ask for what is before or after; None where there is nothing.
    ``looked``: the entries were not all looked at; ``older`` (or ``newer``) goes on where the look ended.
    """

    events: list[Event]
    older: UUID | None = None
    newer: UUID | None = None
    looked: bool = False


def above(key: UUID) -> UUID:
    """Return the id next above one: a page before it begins with that event."""
    return UUID(int=key.int + 1)


def one_of(*parts: Q) -> Way:
    """Return a way of several conditions, each of which has an index; what two of them meet comes once."""
    found: list[Q] = []
    for part in parts:
        found.append(part & ~_any(tuple(found)) if found else part)
    return tuple(found)


def in_period(since: datetime | None, until: datetime | None) -> Q:
    """Return the condition for a period [since, until), with the bounds of the id that let an index find it."""
    found = Q()
    if since is not None:
        found &= Q(occurred_at__gte=since, id__gte=first_id(since, -CLOCKS_APART))
    if until is not None:
        found &= Q(occurred_at__lt=until, id__lt=first_id(until, CLOCKS_APART))
    return found


def page(
    user: Any,
    question: Question,
    place: Place,
    size: int = PAGE,
    period: Q | None = None,
    *,
    with_payload: bool = False,
) -> Page:
    """Return a page of what ``user`` may see, in two queries at most. None for the user sees everything.

    Events have their ``position``, and their ``payload`` where it is asked for and there.
    """
    span = place.span() & (period or Q())
    ways = question.ways or (EVERYTHING,)
    way, end, is_known = ways[0], None, False
    if len(ways) > 1:
        (way, end), is_known = _furthest(ways, span, place.ascends, question.most), True
    seen = question.condition_besides(way)
    if user is not None:
        seen &= visibility.visible_to(user)
    found = (
        _among(way, span, place.ascends, question.most)
        .filter(seen)
        .with_position()
        .order_by(_order(place.ascends))
    )
    rows = list((found.select_related("payload") if with_payload else found)[: size + 1])
    if len(rows) <= size and not is_known:
        _, end = _furthest((way,), span, place.ascends, question.most)
    return _paged(rows[:size], place, more=len(rows) > size, end=end)


def feed(user: Any, question: Question, *, after: int, limit: int, period: Q) -> selectors.FeedPage:
    """Return what is asked after a position, ascending. Positions commit in order: none is skipped.

    Where some way has few entries in all, they are all looked at; else the next positions are, and of them only
    what is asked for is given.
    """
    limit = max(1, min(limit, selectors.FEED_LIMIT))
    newest = selectors.newest_position()
    until = min(newest, after + selectors.FEED_WINDOW)
    seen, found = visibility.visible_to(user) & period, Event.objects.all()
    if question.ways:
        way, end = _furthest(question.ways, period, True, MOST_LOOKED)
        if end is None:
            until, found = newest, _among(way, period, True, MOST_LOOKED)
        seen &= question.condition_besides(way if end is None else ())
    placed = {"placement__position__gt": after, "placement__position__lte": until}
    rows = found.filter(seen & question.rest, **placed).with_position().select_related("payload")
    events = list(rows.order_by("placement__position")[:limit])
    with_leaves(events)
    if len(events) == limit:
        return selectors.FeedPage(events, events[-1].position)
    return selectors.FeedPage(events, max(until, after))


def everything(
    user: Any,
    question: Question,
    *,
    until: UUID,
    period: Q | None = None,
    most: int,
    with_payload: bool = False,
    size: int = 1000,
) -> Iterator[list[Event]]:
    """Yield all of it in pages, newest first, up to ``most`` events; an empty page says that it still looks."""
    before: UUID | None = until
    while before is not None and most > 0:
        found = page(user, question, Place(before=before), min(size, most), period, with_payload=with_payload)
        most -= len(found.events)
        yield found.events
        before = found.older


def timeline(
    kind: str, object_id: str, user: Any, place: Place = Place(), *, besides: Q | None = None, size: int = PAGE
) -> Page:
    """Return a page of an object's story, newest first, with payloads. ``besides``: what is left out."""
    way = one_of(*selectors.ways_about(kind, object_id))
    question = Question((way,), Q() if besides is None else ~besides)
    return page(user, question, place, size, with_payload=True)


def in_order(events: Sequence[Event]) -> list[Event]:
    """Return events oldest first, in the order of the ledger; those not numbered yet come last."""
    never = 2**63
    return sorted(events, key=lambda it: (it.position or never, it.occurred_at, it.pk))  # type: ignore[attr-defined]


def with_leaves(events: Sequence[Event]) -> list[Event]:
    """Set ``leaf_hash`` of events that have a position: in hex, None while they are not sealed."""
    placed = [position for event in events if (position := event.position)]  # type: ignore[attr-defined]
    found = Leaf.objects.filter(index__in=[position - 1 for position in placed])
    sealed = {index + 1: bytes(leaf).hex() for index, leaf in found.values_list("index", "leaf_hash")}
    for event in events:
        event.leaf_hash = sealed.get(event.position)  # type: ignore[attr-defined]
    return list(events)


def kinds() -> list[str]:
    """Return the kinds of objects that there are events about, by as many looks into the index as kinds."""
    with connection.cursor() as cursor:
        cursor.execute(
            "WITH RECURSIVE found AS ("
            " (SELECT subject_kind FROM audit_event ORDER BY subject_kind LIMIT 1)"
            " UNION ALL SELECT (SELECT e.subject_kind FROM audit_event e"
            "  WHERE e.subject_kind > found.subject_kind ORDER BY e.subject_kind LIMIT 1)"
            " FROM found WHERE found.subject_kind IS NOT NULL"
            ") SELECT subject_kind FROM found WHERE subject_kind IS NOT NULL"
        )
        return [row[0] for row in cursor.fetchall()]


def _any(parts: Way) -> Q:
    found = parts[0]
    for part in parts[1:]:
        found |= part
    return found


def first_id(at: datetime, later: timedelta = -CLOCKS_APART) -> UUID:
    """Return the least UUIDv7 of a moment so much later; left out: below all that was made from it on."""
    milliseconds = int((at.timestamp() + later.total_seconds()) * 1000)
    return UUID(int=min(max(0, milliseconds), 2**48 - 1) << 80)


def _order(ascends: bool) -> str:
    return "id" if ascends else "-id"


def _paged(events: list[Event], place: Place, *, more: bool, end: UUID | None) -> Page:
    looked = not more and end is not None
    onward = events[-1].pk if more else None
    if not more and end is not None:  # the page after begins with the entry at which this look ended
        onward = UUID(int=end.int + (-1 if place.ascends else 1))
    if place.ascends:
        events = events[::-1]
        back = UUID(int=place.after.int + 1) if place.after else None
        return Page(events, older=events[-1].pk if events else back, newer=onward, looked=looked)
    back = UUID(int=place.before.int - 1) if place.before and place.before.int else None
    newer = None if place.before is None else events[0].pk if events else back
    return Page(events, older=onward, newer=newer, looked=looked)


def _furthest(ways: Sequence[Way], span: Q, ascends: bool, most: int) -> tuple[Way, UUID | None]:
    """Return the way whose next entries reach furthest, and the entry at which they end; None: they are all."""
    asked: list[str] = []
    given: list[Any] = []
    for way in ways:
        sql, params = _entries(way, span, ascends, most, only_id=True)
        asked.append(f"({sql})")
        given += params
    with connection.cursor() as cursor:
        cursor.execute("SELECT " + ", ".join(asked), given)
        ends = cursor.fetchone()
    for way, end in zip(ways, ends, strict=True):
        if end is None:
            return way, None
    pick = max if ascends else min
    return pick(zip(ways, ends, strict=True), key=lambda found: found[1])


def _among(way: Way, span: Q, ascends: bool, most: int) -> EventQuerySet:
    """Return a queryset of events that reads the next entries of a way, and nothing else of the table."""
    found: EventQuerySet = Event.objects.all()
    query = found.query
    table = query.get_initial_alias()
    sql, params = _entries(way, span, ascends, most)
    query.alias_map[table] = _Entries(table, table, f"({sql})", params)
    return found


class _Entries(BaseTable):
    """A statement that stands in a queryset where the name of the table would."""

    def __init__(self, table_name: str, alias: str, sql: str, params: tuple[Any, ...]) -> None:
        super().__init__(table_name, alias)
        self.sql, self.params = sql, params

    @property
    def identity(self) -> tuple[Any, ...]:
        """Return what it is compared by."""
        return (type(self), self.table_alias, self.sql, self.params)

    def as_sql(self, compiler: Any, connection: Any) -> tuple[str, tuple[Any, ...]]:
        """Return it under the name that the rest of the query knows."""
        return f"{self.sql} {connection.ops.quote_name(self.table_alias)}", self.params

    def relabeled_clone(self, change_map: Any) -> _Entries:
        """Return the same under another name."""
        alias = str(change_map.get(self.table_alias, self.table_alias))
        return _Entries(self.table_name, alias, self.sql, self.params)


def _entries(
    way: Way, span: Q, ascends: bool, most: int, *, only_id: bool = False
) -> tuple[str, tuple[Any, ...]]:
    """Return the statement for the next entries of a way, or for the id of the one after so many of them."""
    first, last = (most, most + 1) if only_id else (0, most)
    parts = [_part(part & span, ascends, only_id) for part in way]
    if len(parts) == 1:
        return _compiled(parts[0][first:last])
    compiled = [_compiled(part[:last]) for part in parts]
    united = " UNION ALL ".join(f"({sql})" for sql, _ in compiled)
    order = "id" if ascends else "id DESC"
    params = tuple(param for _, given in compiled for param in given)
    return f"SELECT * FROM ({united}) found ORDER BY {order} LIMIT {last - first} OFFSET {first}", params


def _part(condition: Q, ascends: bool, only_id: bool) -> QuerySet[Any]:
    found = Event.objects.filter(condition).order_by(_order(ascends))
    return found.values("id") if only_id else found


def _compiled(found: QuerySet[Any]) -> tuple[str, tuple[Any, ...]]:
    sql, params = found.query.sql_with_params()
    return sql, tuple(params)
