"""One array of keys instead of a parameter for each."""

from __future__ import annotations

from uuid import uuid4

import pytest

from audit.lookups import attach, by_key
from audit.models import Event, Position


def test_rows_are_found_by_any_of_their_keys(live_db, record):
    first, second, third = record(), record(), record()
    found = Event.objects.filter(pk__any_of=[first.pk, str(third.pk), uuid4()])
    assert {event.pk for event in found} == {first.pk, third.pk}
    assert by_key(Event.objects.all(), [str(second.pk)]) == {second.pk: second}


def test_among_no_keys_is_nothing(live_db, record):
    record()
    assert not Event.objects.filter(pk__any_of=[]).exists()


def test_it_reaches_through_a_reference(live_db, record, number):
    first, _ = record(), record()
    number()
    assert [one.event_id for one in Position.objects.filter(event__pk__any_of=[first.pk])] == [first.pk]


def test_what_is_no_key_is_refused_before_it_is_asked(live_db):
    with pytest.raises(ValueError, match="hexadecimal"):
        Event.objects.filter(pk__any_of=["'}' OR true"]).exists()


def test_what_rows_refer_to_is_read_once(live_db, record, number, django_assert_num_queries):
    events = [record(), record()]
    number()
    positions = list(Position.objects.order_by("position"))
    with django_assert_num_queries(1):
        attach(positions, "event", Event.objects.all())
        assert [position.event for position in positions] == events


def test_nothing_is_asked_for_rows_that_refer_to_nothing(live_db, django_assert_num_queries):
    with django_assert_num_queries(0):
        attach([], "event", Event.objects.all())
