from __future__ import annotations

from types import SimpleNamespace

import pytest
from django.db import transaction

from audit import registry, selectors, services, visibility
from audit.models import Event, PendingEvent, Position
from audit.services import recording
from audit.vocabulary import Actor, Ref, Refusal

SYSTEM = Actor.system("tests")
SUBJECT = Ref("tests.thing", "1", "A thing")


@pytest.fixture(autouse=True)
def verbs(monkeypatch):
    monkeypatch.setattr(
        registry, "_verbs", {"tests.thing_done": "A thing was done.", "tests.thing_refused": "No."}
    )


def record(**more):
    return services.record_event(
        actor=SYSTEM, verb="tests.thing_done", subject=SUBJECT, sentence="A thing was done.", **more
    )


def test_an_event_is_stamped_by_the_database_and_waits_for_its_position(db):
    event = record(agent_id="a1", payload={"amount": 5})
    assert event.occurred_at is not None
    assert PendingEvent.objects.filter(event=event).exists()
    assert event.payload.data == {"amount": 5}


def test_nobody_can_back_date_an_event(db):
    import datetime as dt

    event = Event(verb="tests.thing_done", actor_kind="system", actor_id="x", subject_kind="t", sentence="s")
    event.occurred_at = dt.datetime(2000, 1, 1, tzinfo=dt.UTC)
    event.save()
    assert Event.objects.get(pk=event.pk).occurred_at.year > 2000


def test_recording_outside_a_transaction_is_refused(db, monkeypatch):
    monkeypatch.setattr(recording, "connection", SimpleNamespace(in_atomic_block=False))
    with pytest.raises(RuntimeError, match="inside the transaction"):
        record()


def test_an_undescribed_verb_is_refused(db):
    with pytest.raises(registry.UnregisteredVerb):
        services.record_event(actor=SYSTEM, verb="tests.unknown_thing", subject=SUBJECT, sentence="?")
    assert not Event.objects.exists()


def test_hostile_text_is_recorded_without_what_no_record_can_hold(db):
    event = record(
        reason="a\x00b\ud800c",
        correlation_id="c" * 500,
        payload={"k\x00": ["\x00", {"x": "\udfff"}], "n": float("nan"), "s": {"one"}},
    )
    stored = Event.objects.get(pk=event.pk)
    assert stored.reason == "a\N{REPLACEMENT CHARACTER}b\N{REPLACEMENT CHARACTER}c"
    assert len(stored.correlation_id) == 64
    assert stored.payload.data["n"] == "nan"


def test_a_long_sentence_is_cut_with_an_ellipsis(db):
    event = services.record_event(
        actor=SYSTEM, verb="tests.thing_done", subject=SUBJECT, sentence="word " * 200
    )
    assert len(event.sentence) == 500
    assert event.sentence.endswith("…")


def test_a_refusal_is_recorded_with_its_code_and_the_next_step(db):
    refusal = Refusal("no_grant", "Refused: no grant. Ask your sponsor.", {"operation": "x"}, next_step="Ask.")
    event = services.record_refusal(
        actor=SYSTEM, verb="tests.thing_refused", subject=SUBJECT, refusal=refusal, action_id="7"
    )
    assert (event.decision, event.code, event.action_id) == ("deny", "no_grant", "7")
    assert event.payload.data == {"kind": "forbidden", "next_step": "Ask.", "detail": {"operation": "x"}}


def test_a_refusal_inside_another_transaction_is_not_recorded(db):
    with pytest.raises(RuntimeError), transaction.atomic():
        services.record_refusal(
            actor=SYSTEM, verb="tests.thing_refused", subject=SUBJECT, refusal=Refusal("x", "x")
        )


def test_positions_are_dense_and_follow_insertion(db, as_sequencer):
    events = [record() for _ in range(5)]
    with as_sequencer():
        assert services.sequence_pending(limit=3) == 3
        assert services.sequence_pending(limit=3) == 2
        assert services.sequence_pending() == 0
    places = dict(Position.objects.values_list("event_id", "position"))
    assert [places[event.pk] for event in events] == [1, 2, 3, 4, 5]
    assert not PendingEvent.objects.exists()


def test_a_timeline_puts_events_without_a_position_last(
    db, as_sequencer, monkeypatch, django_assert_num_queries
):
    monkeypatch.setattr(visibility, "_rules", {"all": lambda user: visibility.EVERYTHING})
    first, second = record(), record(payload={"a": 1})
    with as_sequencer():
        services.sequence_pending()
    third = record()
    with django_assert_num_queries(1):
        story = list(selectors.timeline("tests.thing", "1", someone()))
        assert [getattr(event, "payload", None) and event.payload.data for event in story] == [
            None,
            {"a": 1},
            None,
        ]
    assert [(event.pk, event.position) for event in story] == [(first.pk, 1), (second.pk, 2), (third.pk, None)]


def someone():
    return SimpleNamespace(is_active=True)
