"""Stories are told from events: in order, with the waits, without what another event says better."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from audit import registry
from audit.models import Event
from audit.pages import story
from audit.registry import Telling


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "less than a second"),
        (7, "7 s"),
        (60, "1 min"),
        (7800, "2 h 10 min"),
        (86_400 + 7261, "1 day 2 h"),
        (3601, "1 h 1 s"),
        (200_000, "2 days 7 h"),
    ],
)
def test_a_time_is_said_by_its_two_largest_units(seconds, words):
    assert story.duration(timedelta(seconds=seconds)) == words


@pytest.fixture
def tellings(monkeypatch):
    asked = Telling(waits_for=lambda event: "finance", until=frozenset({"t.voted", "t.ended"}))
    known = {
        "t.asked": asked,
        "t.ended": Telling(echoes=True),
        "t.decided": Telling(more=lambda event, data: [f"By {data.get('rule')}"]),
    }
    monkeypatch.setattr(registry, "_tellings", known)


def at(minutes, verb, subject="1"):
    began = timezone.now()
    event = Event(
        verb=verb, subject_id=subject, subject_kind="t.t", sentence=verb, actor_id="x", words_salt=b"1"
    )
    event.occurred_at, event.position = began + timedelta(minutes=minutes), minutes + 1
    event._state.fields_cache["payload"] = None
    return event


def test_a_wait_is_told_with_what_ended_it(tellings):
    told = story.chapters_of([at(0, "t.asked"), at(3, "t.other"), at(130, "t.voted")], with_payload=False)
    assert [chapter.waited for chapter in told] == ["", "", "Waited 2 h 10 min for finance"]


def test_a_wait_that_an_echo_ended_is_told_with_the_next(tellings):
    told = story.chapters_of([at(0, "t.asked"), at(9, "t.ended"), at(9, "t.decided")], with_payload=False)
    assert [chapter.line.sentence for chapter in told] == ["t.asked", "t.decided"]
    assert told[1].waited == "Waited 9 min for finance"


def test_a_wait_is_ended_by_what_concerns_the_same_question_only(tellings):
    told = story.chapters_of([at(0, "t.asked"), at(9, "t.voted", subject="2")], with_payload=False)
    assert told[1].waited == ""
    assert story._still_waits([at(0, "t.asked"), at(9, "t.voted", subject="2")]) == "finance"
