"""What the ledger itself holds for a period, as tables; other rooms show events of their verbs with it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

from django.db.models import Count, Max, Min, Q

from audit import registry
from audit.evidence.tables import Cell, Column, Kind, Scope, Table, register
from audit.models import Cosignature, Erasure, Event, Payload, SigningKey
from audit.vocabulary import ActorKind

CHUNK = 2_000
ERASED = "(erased)"
COLUMNS = (
    Column("position", "No.", Kind.NUMBER),
    Column("at", "When", Kind.MOMENT),
    Column("what", "What happened"),
    Column("actor", "Who"),
    Column("subject", "About"),
    Column("sentence", "In words"),
    Column("reason", "Reason given"),
    Column("verb", "Verb"),
)


def event_table(code: str, title: str, says: str, verbs: Sequence[str], *, empty: str = "") -> Table:
    """Return the table of the events with these verbs, in the order in which they happened."""
    return Table(
        code,
        title,
        says,
        COLUMNS,
        lambda scope: events_of(scope, verbs),
        empty or "Nothing of the kind happened in this period.",
    )


def events_of(scope: Scope, verbs: Sequence[str]) -> Iterator[Sequence[Cell]]:
    """Return events of a period with these verbs, oldest first; erased words are shown as erased."""
    found = Event.objects.with_position().filter(scope.within("occurred_at"), _concerned(scope), verb__in=verbs)
    meanings = registry.registered_verbs()
    for event in found.order_by("occurred_at", "id").iterator(CHUNK):
        erased = not bytes(event.words_salt)
        yield (
            event.position,
            event.occurred_at,
            meanings.get(event.verb, event.verb),
            ERASED if erased else event.actor_label or event.actor_id,
            ERASED if erased else event.subject_label or event.subject_id,
            ERASED if erased else event.sentence,
            ERASED if erased else event.reason,
            event.verb,
        )


def acted_in(scope: Scope) -> dict[str, tuple[int, datetime]]:
    """Return for each person who did something in a period how many entries say so, and the last time."""
    found = Event.objects.filter(scope.within("occurred_at"), actor_kind=ActorKind.PERSON).order_by()
    rows = found.values_list("actor_id").annotate(number=Count("pk"), last=Max("occurred_at"))
    return {actor: (number, last) for actor, number, last in rows}


def actions_with(scope: Scope, verbs: Sequence[str]) -> Iterator[list[tuple[str, datetime]]]:
    """Return the actions with events of these verbs in a period, with the time of the first, in batches."""
    found = Event.objects.filter(scope.within("occurred_at"), verb__in=verbs).exclude(action_id="").order_by()
    first = found.values_list("action_id").annotate(first=Min("occurred_at")).order_by("first", "action_id")
    batch: list[tuple[str, datetime]] = []
    for row in first.iterator(CHUNK):
        batch.append(row)
        if len(batch) == CHUNK:
            yield batch
            batch = []
    if batch:
        yield batch


def said_of_actions(action_ids: Sequence[str], verbs: Sequence[str]) -> dict[str, tuple[datetime, str, str]]:
    """Return for each action the last event with one of these verbs: when, who and the reason given."""
    found = Event.objects.filter(action_id__in=action_ids, verb__in=verbs).order_by("occurred_at", "id")
    return {
        event.action_id: (
            event.occurred_at,
            event.actor_label if bytes(event.words_salt) else ERASED,
            event.reason if bytes(event.words_salt) else ERASED,
        )
        for event in found
    }


def _concerned(scope: Scope) -> Q:
    if scope.departments is None:
        return Q()
    return scope.of_departments("department_id") | scope.of_agents("agent_id")


def _counts(scope: Scope) -> Iterator[Sequence[Cell]]:
    meanings = registry.registered_verbs()
    found = Event.objects.filter(scope.within("occurred_at"), _concerned(scope)).order_by()
    rows = found.values_list("verb").annotate(
        number=Count("pk"), first=Min("occurred_at"), last=Max("occurred_at")
    )
    for verb, number, first, last in rows.order_by("verb"):
        yield verb, meanings.get(verb, ""), number, first, last


def _erasures(scope: Scope) -> Iterator[Sequence[Cell]]:
    found = Erasure.objects.filter(scope.within("cause__occurred_at")).order_by("pk")
    rows = found.values_list(
        "cause__occurred_at",
        "event__placement__position",
        "event__verb",
        "part",
        "cause__actor_label",
        "cause__sentence",
        "cause__reason",
    )
    words = dict(Erasure.Part.choices)
    for at, position, verb, part, actor, sentence, reason in rows.iterator(CHUNK):
        yield at, position, verb, words.get(part, part), actor, sentence, reason


def _reach(scope: Scope) -> Iterator[Sequence[Cell]]:
    oldest = Event.objects.order_by("id").values_list("occurred_at", flat=True).first()
    content = Payload.objects.order_by("pk").values_list("event__occurred_at", flat=True).first()
    for what, at in (("Entries", oldest), ("Contents of entries", content)):
        if at is not None:
            yield what, at, max((scope.until - at).days, 0)


def _keys(scope: Scope) -> Iterator[Sequence[Cell]]:
    found = SigningKey.objects.filter(first_used_at__lt=scope.until).order_by("first_used_at", "vkey")
    for key in found:
        yield key.vkey, key.first_size, key.first_used_at


def _witnesses(scope: Scope) -> Iterator[Sequence[Cell]]:
    found = Cosignature.objects.filter(scope.within("received_at")).order_by().values_list("source", "kind")
    rows = found.annotate(number=Count("pk"), first=Min("received_at"), last=Max("received_at"))
    words = dict(Cosignature.Kind.choices)
    for source, kind, number, first, last in rows.order_by("source", "kind"):
        yield source, words.get(kind, kind), number, first, last


def register_tables() -> None:
    """Add what the ledger says of itself."""
    register(
        Table(
            "retention.reach",
            "How far back the records reach",
            "The oldest entry that is still there, and the oldest of which the content is.",
            (
                Column("what", "What"),
                Column("oldest_at", "Oldest", Kind.MOMENT),
                Column("days", "Days before the end of the period", Kind.NUMBER),
            ),
            _reach,
            "There is no record.",
            whole_company=True,
        ),
        Table(
            "retention.erasures",
            "What was erased",
            "Content that was erased from the ledger in the period: of which entry, by whom and why.",
            (
                Column("at", "When", Kind.MOMENT),
                Column("position", "Of entry no.", Kind.NUMBER),
                Column("verb", "Which said"),
                Column("part", "What of it"),
                Column("actor", "By whom"),
                Column("sentence", "In words"),
                Column("reason", "Reason given"),
            ),
            _erasures,
            "Nothing was erased in this period.",
            whole_company=True,
        ),
        Table(
            "ledger.events",
            "What was recorded",
            "How many entries of each kind the period has.",
            (
                Column("verb", "Verb"),
                Column("meaning", "What it means"),
                Column("number", "Entries", Kind.NUMBER),
                Column("first", "First", Kind.MOMENT),
                Column("last", "Last", Kind.MOMENT),
            ),
            _counts,
            "Nothing was recorded in this period.",
        ),
        Table(
            "ledger.keys",
            "Keys that sign the ledger",
            "The public halves of the keys used until the end of the period; with them anybody checks a seal.",
            (
                Column("vkey", "Public key"),
                Column("first_size", "First tree it signed", Kind.NUMBER),
                Column("first_used_at", "Since", Kind.MOMENT),
            ),
            _keys,
            "The ledger was not sealed yet.",
            whole_company=True,
        ),
        Table(
            "ledger.witnesses",
            "Witnesses and time-stamps",
            "Who else signed seals of the ledger in the period.",
            (
                Column("source", "Who"),
                Column("kind", "How"),
                Column("number", "Seals", Kind.NUMBER),
                Column("first", "First", Kind.MOMENT),
                Column("last", "Last", Kind.MOMENT),
            ),
            _witnesses,
            "Nobody outside signed a seal in this period.",
            whole_company=True,
        ),
    )
