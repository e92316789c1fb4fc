from __future__ import annotations

from types import SimpleNamespace

import pytest
from django.db.models import Q

from audit import selectors, visibility
from audit.vocabulary import Ref

READER = SimpleNamespace(is_active=True, pk=1)


@pytest.fixture
def rules(monkeypatch):
    empty = {}
    monkeypatch.setattr(visibility, "_rules", empty)
    return empty


def seen(user=READER):
    return {event.subject_id for event in selectors.visible_events(user)}


@pytest.fixture
def three_events(db, record):
    for n in "123":
        record(subject=Ref("tests.thing", n), agent_id=f"agent-{n}", correlation_id="same")


def test_what_no_rule_names_nobody_sees(three_events, rules):
    assert seen() == set()


def test_a_reader_sees_the_union_of_all_rules(three_events, rules):
    visibility.register("one", lambda user: Q(agent_id="agent-1"))
    visibility.register("two", lambda user: Q(agent_id="agent-2"))
    visibility.register("none", lambda user: None)
    assert seen() == {"1", "2"}


def test_everything_stays_everything_in_a_union(three_events, rules):
    visibility.register("one", lambda user: Q(agent_id="agent-1"))
    visibility.register("all", lambda user: visibility.EVERYTHING)
    visibility.register("two", lambda user: Q(agent_id="agent-2"))
    assert seen() == {"1", "2", "3"}


def test_an_empty_condition_is_not_taken_for_everything(three_events, rules):
    visibility.register("empty", lambda user: Q())
    with pytest.raises(ValueError, match="EVERYTHING"):
        seen()


@pytest.mark.parametrize("user", [None, SimpleNamespace(is_active=False)])
def test_nobody_and_the_inactive_see_nothing(three_events, rules, user):
    visibility.register("all", lambda user: visibility.EVERYTHING)
    assert seen(user) == set()


def test_a_second_rule_of_the_same_name_is_refused(rules):
    visibility.register("one", lambda user: None)
    with pytest.raises(ValueError, match="already"):
        visibility.register("one", lambda user: None)


def test_the_permission_to_see_every_event_shows_every_event(three_events, auditor, mallory):
    assert seen(auditor) == {"1", "2", "3"}
    assert seen(mallory) == set()


@pytest.mark.parametrize(
    ("kind", "object_id", "expected"),
    [
        ("tests.thing", "2", {"2"}),
        ("agents.agent", "agent-3", {"3"}),
        ("agents.agent", "agent-9", set()),
        ("agents.user", "tests", {"1", "2", "3"}),
        ("agents.agent", "", set()),
    ],
)
def test_a_timeline_holds_what_is_about_one_object(three_events, rules, kind, object_id, expected):
    visibility.register("all", lambda user: visibility.EVERYTHING)
    assert {event.subject_id for event in selectors.timeline(kind, object_id, READER)} == expected


def test_a_timeline_holds_only_what_its_reader_may_see(three_events, rules):
    visibility.register("one", lambda user: Q(agent_id="agent-1"))
    assert len(selectors.timeline("agents.user", "tests", READER)) == 1


def test_a_timeline_is_one_query_and_ends_with_what_has_no_position_yet(
    live_db, record, number, rules, django_assert_num_queries
):
    visibility.register("all", lambda user: visibility.EVERYTHING)
    first, second = record(), record(payload={"a": 1})
    number()
    third = record()
    with django_assert_num_queries(1):
        story = list(selectors.timeline("tests.thing", "1", READER))
        payloads = [event.payload.data if hasattr(event, "payload") else None for event in story]
    assert [(event.pk, event.position) for event in story] == [(first.pk, 1), (second.pk, 2), (third.pk, None)]
    assert payloads == [None, {"a": 1}, None]


def test_a_reader_of_the_feed_gets_everything_once_and_in_order(live_db, record, number, rules):
    visibility.register("odd", lambda user: Q(subject_id__in=["1", "3", "5"]))
    for n in range(1, 8):
        record(subject=Ref("tests.thing", str(n)))
    number()
    record(subject=Ref("tests.thing", "5"))
    page = selectors.feed(READER, 0, limit=2)
    assert ([event.position for event in page.events], page.next_after) == ([1, 3], 3)
    page = selectors.feed(READER, page.next_after, limit=2)
    assert ([event.position for event in page.events], page.next_after) == ([5], 7)
    page = selectors.feed(READER, 7, limit=2)
    assert (page.events, page.next_after) == ([], 7)
    assert selectors.feed(READER, 999, limit=2).next_after == 999


def test_a_page_of_the_feed_looks_at_a_bounded_piece_of_the_ledger(live_db, record, number, rules, monkeypatch):
    monkeypatch.setattr(selectors, "FEED_WINDOW", 3)
    visibility.register("last", lambda user: Q(subject_id="8"))
    for n in range(1, 9):
        record(subject=Ref("tests.thing", str(n)))
    number()
    walked, after = [], 0
    while (page := selectors.feed(READER, after)).next_after > after:
        walked.append((page.next_after, len(page.events)))
        after = page.next_after
    assert walked == [(3, 0), (6, 0), (8, 1)]
