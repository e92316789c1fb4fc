"""Erasing content: by rule when it is old enough, and on request what two persons agreed on.

Each batch is one transaction: what goes, and the event that tells of it. A crash leaves whole batches; the next
run goes on where this one was, as what is erased is not found again.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import connection, transaction
from django.db.models import Count, Max, Min, Q

from audit import retention, selectors
from audit.models import Event, Position
from audit.retention import DataClass, Hold, Reach
from audit.services.recording import record_event
from audit.services.sequencing import LOCK_ROOM
from audit.vocabulary import Actor, Ref, Refusal, RefusalKind

LOCK_ERASE = 4
MOST_AT_ONCE = 1000
MOST_ON_REQUEST = 50_000
ERASER = Actor.system("retention")


@dataclass(frozen=True, slots=True)
class Stock:
    """How much there is to erase of one class, and from when to when it is."""

    data_class: DataClass
    rule: str
    count: int
    oldest: datetime | None
    newest: datetime | None

    @property
    def words(self) -> str:
        """Say it in a sentence."""
        if not self.count:
            return f"{self.data_class.words}: nothing."
        span = f"{self.oldest:%Y-%m-%d} to {self.newest:%Y-%m-%d}"
        return f"{self.data_class.words}: {self.count:,}, from {span}."


def stock(found: DataClass, reach: Reach, rule: str = "") -> Stock:
    """Count what would be erased, without erasing it."""
    said = (
        found.find(reach)
        .order_by()
        .aggregate(count=Count("pk", distinct=True), oldest=Min(found.at), newest=Max(found.at))
    )
    return Stock(found, rule, said["count"], said["oldest"], said["newest"])


def expired() -> list[Stock]:
    """Count what the rules let go now, for each class and rule."""
    now, holds = selectors.database_now(), retention.holds()
    return [
        stock(found, part.reach(now, holds), part.rule.label)
        for found in retention.registered().values()
        for part in retention.slices(found.code)
    ]


def expired_if(code: str, department: str, days: int) -> Stock:
    """Count what a rule would let go of its departments at once, if it said so many days."""
    rules = {part.rule.id: part for part in _supposed(code, department, days)}
    found, holds = retention.data_class(code), retention.holds()
    return stock(found, rules["supposed"].reach(selectors.database_now(), holds))


def _supposed(code: str, department: str, days: int) -> list[retention.Slice]:
    rules = {
        part.department_id: (part.days, part.as_ref())
        for part in selectors.retention_rules().filter(data_class=code)
    }
    rules[department] = (days, Ref("audit.retentionrule", "supposed"))
    return retention.divided(rules, retention.parents())


def erase_expired(most: int | None = None) -> int:
    """Erase what the rules let go now, at most so many rows; return how many. Empty months are dropped, too."""
    now, erased = selectors.database_now(), 0
    for found in retention.registered().values():
        for part in retention.slices(found.code):
            left = None if most is None else most - erased
            erased += _erase_all(found, part.reach(now, ()), ERASER, part.rule, "It is older than that.", left)
        _finish(found)
    with connection.cursor() as cursor:
        cursor.execute("SELECT audit_drop_empty_partitions()")
    return erased


def erase_expired_and_tell() -> int:
    """Erase what the rules let go now; that it failed is an event, and raised."""
    try:
        return erase_expired()
    except Exception as error:
        with transaction.atomic():
            record_event(
                actor=ERASER,
                verb="audit.erasing_failed",
                subject=Ref("audit.retentionrule", "", "Retention"),
                sentence="What is older than the rules of retention allow could not be erased. It is tried "
                "again tomorrow; manage.py erase_expired tries at once.",
                code=type(error).__name__[:64],
            )
        raise


def about(subject: Ref) -> list[Stock]:
    """Count what can be erased of what the portal keeps about one object, a person or an event."""
    reach = Reach(about=subject, holds=retention.holds())
    return [stock(found, reach) for found in retention.registered().values()]


def erase_about(*, actor: Actor, subject: Ref, reason: str, told: Ref) -> int:
    """Erase what is kept about one object, a person or one event, however old, in the caller's transaction.

    ``told``: the request that two persons agreed on. Raises Refusal ``nothing_to_erase``, ``too_much``.
    """
    require_some(about(subject))
    reach, erased = Reach(about=subject), 0
    for found in retention.registered().values():
        erased += _erase_all(found, reach, actor, told, reason, None)
        if found.after_commit is not None:
            transaction.on_commit(found.after_commit)
    return erased


def require_some(found: Iterable[Stock]) -> None:
    """Raise Refusal unless there is something to erase, and not more than one request may."""
    count = sum(one.count for one in found)
    if not count:
        raise Refusal(
            "nothing_to_erase",
            "Nothing was erased: all of it is erased already, not sealed yet, needed by open work, or under a "
            "legal hold.",
            kind=RefusalKind.CONFLICT,
            next_step="Look again when the work has ended, or end the hold.",
        )
    if count > MOST_ON_REQUEST:
        raise Refusal(
            "too_much",
            f"Nothing was erased: {count:,} entries are more than the {MOST_ON_REQUEST:,} of one request.",
            kind=RefusalKind.TOO_LARGE,
            next_step="Ask for less at a time: single runs, actions or documents.",
        )


def _erase_all(found: DataClass, reach: Reach, actor: Actor, rule: Ref, reason: str, most: int | None) -> int:
    erased, after = 0, None
    while most is None or erased < most:
        limit = MOST_AT_ONCE if most is None else min(MOST_AT_ONCE, most - erased)
        batch = _erase_batch(found, reach, actor, rule, reason, after, limit)
        if not batch:
            break
        erased, after = erased + len(batch), batch[-1]
    return erased


def _erase_batch(
    found: DataClass,
    reach: Reach,
    actor: Actor,
    rule: Ref,
    reason: str,
    after: tuple[datetime, Any] | None,
    limit: int,
) -> list[tuple[datetime, Any]]:
    """Erase the next rows of a class with the event that tells of it; return when and which they were."""
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s, %s)", [LOCK_ROOM, LOCK_ERASE])
        rows = found.find(_held_now(reach)).order_by(found.at, "pk")
        if after is not None:
            at, key = after
            rows = rows.filter(Q(**{f"{found.at}__gt": at}) | Q(**{found.at: at, "pk__gt": key}))
        batch = list(rows.values_list(found.at, "pk").distinct()[:limit])
        if batch:
            keys = [key for _at, key in batch]
            erase_content(actor=actor, data_class=found, keys=keys, rule=rule, reason=reason)
        return batch


def erase_content(*, actor: Actor, data_class: DataClass, keys: Sequence[Any], rule: Ref, reason: str) -> Event:
    """Erase the content of at most 1,000 rows of a class and record it, in one transaction; return the event.

    Of the ledger itself, the event says by leaf indexes what went. Raises ValueError for more rows, and what
    the database says of an event that is not sealed, under a hold, or of the ledger itself.
    """
    if len(keys) > MOST_AT_ONCE:
        raise ValueError(f"At most {MOST_AT_ONCE} rows are erased at once, not {len(keys)}.")
    payload: dict[str, Any] = {"class": data_class.code, "rule": rule.label, "count": len(keys)}
    if data_class.part:
        payload |= {"part": data_class.part, "indexes": ranges(_indexes(keys))}
    with transaction.atomic():
        event = record_event(
            actor=actor,
            verb="audit.content_erased",
            subject=rule,
            sentence=f"Erased: {data_class.words.lower()}, {len(keys):,} in number.",
            reason=reason,
            code=data_class.code,
            payload=payload,
        )
        data_class.erase(keys, event)
    return event


def erase_part(keys: Sequence[Any], event: Event, part: str) -> None:
    """Let the database erase a part of events; it refuses whatever may not go."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT audit_erase(%s, %s::uuid[], %s)", [event.pk, list(keys), part])


def ranges(indexes: Iterable[int]) -> list[list[int]]:
    """Return whole numbers as ranges of first and last, ascending."""
    found: list[list[int]] = []
    for index in sorted(set(indexes)):
        if found and found[-1][1] == index - 1:
            found[-1][1] = index
        else:
            found.append([index, index])
    return found


def _indexes(keys: Sequence[Any]) -> Iterable[int]:
    positions = Position.objects.filter(event_id__in=keys).values_list("position", flat=True)
    return (position - 1 for position in positions)


def _held_now(reach: Reach) -> Reach:
    """Ask again for the holds in each batch: one may have been placed meanwhile."""
    return Reach(reach.before, reach.only, reach.but, reach.about, retention.holds())


def _finish(found: DataClass) -> None:
    if found.after_commit is not None:
        found.after_commit()


# -- the ledger's own classes --------------------------------------------------------------------------------


def events_to_erase(reach: Reach) -> Any:
    """Return the sealed events within reach that no open work needs and no hold covers; none of its own."""
    found = Event.objects.filter(placement__position__lte=_sealed()).exclude(verb__startswith="audit.")
    found = found.exclude(retention.events_in_use()).filter(reach.by_department("department_id"))
    for hold in reach.holds:
        found = found.exclude(_held_event(hold))
    if reach.before is not None:
        found = found.filter(occurred_at__lt=reach.before)
    if reach.about is not None:
        found = found.filter(_about(reach.about))
    return found


def payloads_to_erase(reach: Reach) -> Any:
    """Return the events whose payload may go."""
    return events_to_erase(reach).filter(payload__isnull=False)


def words_to_erase(reach: Reach) -> Any:
    """Return the events whose words may go."""
    return events_to_erase(reach).exclude(words_salt=b"")


def _about(subject: Ref) -> Q:
    if subject.kind == "audit.event":
        return Q(pk=subject.id)
    concerned = selectors.about(subject.kind, subject.id)
    return concerned | Q(delegated_id=subject.id) if subject.kind == "agents.user" else concerned


def _held_event(hold: Hold) -> Q:
    if hold.scope == "period":
        return hold.within("occurred_at")
    if hold.scope == "department":
        return Q(department_id__in=sorted(hold.departments)) | selectors.about("agents.department", hold.id)
    if hold.scope == "agent":
        return selectors.about("agents.agent", hold.id) | Q(actor_id=hold.id)
    return selectors.about(hold.of_kind, hold.id)


def _sealed() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT coalesce(max(index) + 1, 0) FROM audit_leaf")
        return int(cursor.fetchone()[0])


def register_classes() -> None:
    """Say what the ledger itself keeps."""
    retention.register(
        DataClass(
            "ledger.payloads", "Payloads of events", payloads_to_erase, _erase_data, "occurred_at", part="data"
        )
    )
    retention.register(
        DataClass(
            "ledger.words",
            "Words of events (names, sentence, reason)",
            words_to_erase,
            _erase_words,
            "occurred_at",
            part="words",
        )
    )


def _erase_data(keys: Sequence[Any], event: Event) -> None:
    erase_part(keys, event, "data")


def _erase_words(keys: Sequence[Any], event: Event) -> None:
    erase_part(keys, event, "words")
