from __future__ import annotations

import datetime as dt
from types import SimpleNamespace

import pytest
from django.db import transaction

from audit import registry, services
from audit.models import Event, PendingEvent
from audit.services import recording
from audit.vocabulary import Refusal
from tests.audit.conftest import SYSTEM, THING

pytestmark = pytest.mark.usefixtures("verbs")


def test_an_event_is_stamped_by_the_database_and_waits_for_its_position(db, record):
    event = record(agent_id="a1", payload={"amount": 5})
    assert event.occurred_at is not None
    assert PendingEvent.objects.filter(event=event).exists()
    assert event.payload.data == {"amount": 5}


def test_nobody_can_back_date_an_event(db, record):
    event = Event(verb="tests.thing_done", actor_kind="system", actor_id="x", subject_kind="t", sentence="s")
    event.occurred_at = dt.datetime(2000, 1, 1, tzinfo=dt.UTC)
    event.save()
    assert Event.objects.get(pk=event.pk).occurred_at.year > 2000


def test_recording_outside_a_transaction_is_refused(db, record, monkeypatch):
    monkeypatch.setattr(recording, "connection", SimpleNamespace(in_atomic_block=False))
    with pytest.raises(RuntimeError, match="inside the transaction"):
        record()


def test_an_undescribed_verb_is_refused(db, record):
    with pytest.raises(registry.UnregisteredVerb):
        services.record_event(actor=SYSTEM, verb="tests.unknown_thing", subject=THING, sentence="?")
    assert not Event.objects.exists()


def test_hostile_text_is_recorded_without_what_no_record_can_hold(db, record):
    event = record(
        reason="a\x00b\ud800c",
        correlation_id="c" * 500,
        payload={"k\x00": ["\x00", {"x": "\udfff"}], "n": float("nan"), "s": {"one"}},
    )
    stored = Event.objects.get(pk=event.pk)
    assert stored.reason == "a\N{REPLACEMENT CHARACTER}b\N{REPLACEMENT CHARACTER}c"
    assert len(stored.correlation_id) == 64
    assert stored.payload.data["n"] == "nan"


def test_a_long_sentence_is_cut_with_an_ellipsis(db, record):
    event = services.record_event(actor=SYSTEM, verb="tests.thing_done", subject=THING, sentence="word " * 200)
    assert len(event.sentence) == 500
    assert event.sentence.endswith("…")


def test_a_refusal_is_recorded_with_its_code_and_the_next_step(db, record):
    refusal = Refusal("no_grant", "Refused: no grant. Ask your sponsor.", {"operation": "x"}, next_step="Ask.")
    event = services.record_refusal(
        actor=SYSTEM, verb="tests.thing_refused", subject=THING, refusal=refusal, action_id="7"
    )
    assert (event.decision, event.code, event.action_id) == ("deny", "no_grant", "7")
    assert event.payload.data == {"kind": "forbidden", "next_step": "Ask.", "detail": {"operation": "x"}}


def test_a_refusal_inside_another_transaction_is_not_recorded(db, record):
    with pytest.raises(RuntimeError), transaction.atomic():
        services.record_refusal(
            actor=SYSTEM, verb="tests.thing_refused", subject=THING, refusal=Refusal("x", "x")
        )


def test_many_facts_are_recorded_in_their_order_by_one_statement(db, django_assert_num_queries):
    facts = [
        services.Fact(actor=SYSTEM, verb="tests.thing_done", subject=THING, sentence=str(number))
        for number in range(200)
    ]
    with transaction.atomic(), django_assert_num_queries(1):
        services.record_events(facts)
    queued = PendingEvent.objects.order_by("id").values_list("event__sentence", flat=True)
    assert list(queued) == [str(number) for number in range(200)]
    assert services.record_events([]) == []
