"""Pages of the ledger: nothing is skipped or shown twice, and each costs a bounded look."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest
from django.db.models import Q
from django.utils import timezone

from audit import asking, reading, visibility
from audit.models import Event
from audit.vocabulary import Actor, ActorKind, Ref

RUN = "0197f0c0-0000-7000-8000-0000000000aa"


@dataclass
class Reader:
    is_active: bool = True


READER = Reader()


@pytest.fixture(autouse=True)
def _sees_all(monkeypatch):
    monkeypatch.setattr(visibility, "_rules", {"all": lambda user: visibility.EVERYTHING})


@pytest.fixture
def many(db, record):
    """Twenty events; each third is of a run, each fourth by Alice, each fifth denied."""
    return [
        record(
            subject=Ref("tests.thing", str(n % 7), f"Thing {n}"),
            sentence=f"Event {n}.",
            run_id=RUN if n % 3 == 0 else "",
            decision="deny" if n % 5 == 0 else "allow",
            **({"actor": Actor(ActorKind.PERSON, "u-1", "Alice")} if n % 4 == 0 else {}),
        )
        for n in range(20)
    ]


def walk(asked, *, size=3, upwards=False):
    """Read every page from one end to the other; return the numbers of the events, newest first."""
    place, found, pages = reading.Place(after=reading.OLDEST) if upwards else reading.Place(), [], 0
    while pages < 60:
        page = reading.page(READER, asked, place, size)
        numbers = [int(event.sentence.split()[1][:-1]) for event in page.events]
        found = numbers + found if upwards else found + numbers
        onward = page.newer if upwards else page.older
        if onward is None:
            return found
        place = reading.Place(after=onward) if upwards else reading.Place(before=onward)
        pages += 1
    raise AssertionError("it never ends")


ASKED = [
    ({}, lambda n: True),
    ({"run": RUN}, lambda n: n % 3 == 0),
    ({"run": RUN, "actor": "u-1"}, lambda n: n % 12 == 0),
    ({"decision": "deny"}, lambda n: n % 5 == 0),
    ({"decision": "allow", "run": RUN}, lambda n: n % 5 and n % 3 == 0),
    ({"kind": "tests.thing", "object": "2"}, lambda n: n % 7 == 2),
    ({"object": "u-1"}, lambda n: n % 4 == 0),
    ({"q": "alice"}, lambda n: n % 4 == 0),
    ({"q": "Event 13"}, lambda n: n == 13),
    ({"kind": "tests.thing"}, lambda n: True),
    ({"kind": "tests.other"}, lambda n: False),
]


@pytest.mark.parametrize("looked", [2, 3, 20_000])
@pytest.mark.parametrize(("asked", "is_meant"), ASKED)
def test_each_event_that_is_meant_comes_once_whatever_a_page_looks_at(
    many, monkeypatch, looked, asked, is_meant
):
    monkeypatch.setattr(reading, "MOST_LOOKED", looked)
    monkeypatch.setattr(reading, "MOST_READ", looked)
    meant = [n for n in reversed(range(20)) if is_meant(n)]
    assert walk(asking.question(asked)) == meant
    assert walk(asking.question(asked), upwards=True) == meant


def test_newer_and_older_lead_to_the_same_entries_and_new_rows_move_nothing(many, record):
    first = reading.page(READER, reading.Question(), reading.Place(), 5)
    second = reading.page(READER, reading.Question(), reading.Place(before=first.older), 5)
    record(sentence="Event 99.")
    again = reading.page(READER, reading.Question(), reading.Place(before=first.older), 5)
    assert [it.pk for it in again.events] == [it.pk for it in second.events]
    back = reading.page(READER, reading.Question(), reading.Place(after=second.newer), 5)
    assert [it.pk for it in back.events] == [it.pk for it in first.events]


def test_what_the_reader_may_not_see_is_on_no_page(many, monkeypatch):
    monkeypatch.setattr(visibility, "_rules", {"some": lambda user: Q(actor_id="u-1")})
    assert walk(asking.question({"run": RUN})) == [12, 0]
    monkeypatch.setattr(visibility, "_rules", {})
    assert walk(reading.Question()) == []


def test_a_page_says_how_far_it_looked_where_little_of_much_is_meant(many, monkeypatch):
    monkeypatch.setattr(reading, "MOST_READ", 6)
    page = reading.page(READER, asking.question({"q": "Event 2."}), reading.Place())
    assert page.looked
    assert page.events == []
    assert page.older == reading.above(many[13].pk)
    rest = reading.page(
        READER, asking.question({"q": "Event 2."}), reading.Place(before=reading.above(many[5].pk))
    )
    assert not rest.looked
    assert [it.sentence for it in rest.events] == ["Event 2."]


def test_a_period_is_found_by_the_time_in_the_id_and_told_by_the_database(many):
    now = timezone.now()
    inside = reading.in_period(now - timedelta(minutes=5), now + timedelta(minutes=5))
    assert len(reading.page(READER, reading.Question(), reading.Place(), period=inside).events) == 20
    for since, until in ((now + timedelta(minutes=5), None), (None, now - timedelta(minutes=5))):
        period = reading.in_period(since, until)
        assert reading.page(READER, reading.Question(), reading.Place(), period=period).events == []


def test_a_period_may_reach_to_the_ends_of_the_calendar(many):
    ends = (datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC))
    period = reading.in_period(*ends)
    assert len(reading.page(READER, reading.Question(), reading.Place(), period=period).events) == 20


@pytest.mark.parametrize("asked", [asked for asked, _ in ASKED])
def test_a_page_costs_the_same_number_of_queries_whatever_is_in_the_ledger(
    many, django_assert_max_num_queries, asked
):
    with django_assert_max_num_queries(3):
        reading.page(READER, asking.question(asked), reading.Place(), 5)


def test_everything_is_read_page_by_page_up_to_the_most(many):
    given = {"until": reading.above(many[-1].pk), "size": 3}
    pages = list(reading.everything(READER, reading.Question(), most=8, **given))
    assert [len(page) for page in pages] == [3, 3, 2]
    assert sum(map(len, reading.everything(None, reading.Question(), most=99, **given))) == 20


def test_a_timeline_is_what_is_said_of_an_object_and_by_it(many, record):
    record(subject=Ref("runs.run", RUN), run_id=RUN, sentence="Event 50.", payload={"n": 1})
    page = reading.timeline("runs.run", RUN, READER, size=3, besides=Q(sentence="Event 18."))
    assert [it.sentence for it in page.events] == ["Event 50.", "Event 15.", "Event 12."]
    assert page.events[0].payload.data == {"n": 1}
    assert not hasattr(page.events[1], "payload")
    assert [it.sentence for it in reading.in_order(page.events)][-1] == "Event 50."


def test_kinds_are_those_that_occur(many, record):
    record(subject=Ref("a.b", "1"))
    assert reading.kinds() == ["a.b", "tests.thing"]
    assert Event.objects.count() == 21
