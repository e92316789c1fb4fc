from __future__ import annotations

from typing import Any

import pytest
from django.db import IntegrityError, transaction
from uuid_utils.compat import uuid7

from audit.models import Event
from audit.services import in_one_message, record_events, update_rows
from audit.services.recording import Fact
from audit.vocabulary import Actor, Ref

pytestmark = pytest.mark.django_db
ACTOR = Actor.system("portal")


def fact(sentence: str, **more: Any) -> Fact:
    return Fact(actor=ACTOR, verb="audit.change_refused", subject=Ref("x.y", "1"), sentence=sentence, **more)


def test_what_is_inserted_inside_is_sent_in_its_order_with_one_message(django_assert_num_queries) -> None:
    with transaction.atomic(), django_assert_num_queries(1), in_one_message():
        record_events([fact("first", payload={"percent": "100 % of it; really"})])
        with in_one_message():
            record_events([fact("second")])
    assert list(Event.objects.order_by("id").values_list("sentence", flat=True)) == ["first", "second"]
    assert Event.objects.get(sentence="first").payload.data == {"percent": "100 % of it; really"}


def test_nothing_is_sent_where_it_raises(django_assert_num_queries) -> None:
    def give_up() -> None:
        with in_one_message():
            record_events([fact("never")])
            raise ValueError("no")

    with transaction.atomic(), django_assert_num_queries(0), pytest.raises(ValueError, match="no"):
        give_up()
    with transaction.atomic(), django_assert_num_queries(1):
        record_events([fact("by itself again")])


def test_a_refusal_of_the_database_comes_out_of_the_message() -> None:
    with pytest.raises(IntegrityError), transaction.atomic(), in_one_message():
        record_events([fact("good"), fact("bad", decision="maybe")])
    assert not Event.objects.exists()


def test_what_is_saved_already_is_not_part_of_a_message() -> None:
    event = Event(pk=uuid7())
    with pytest.raises(RuntimeError, match="Only what is new"), in_one_message():
        update_rows([event], ["sentence"])
