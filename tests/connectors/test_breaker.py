from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from audit.models import Event
from connectors.models import SystemHealth
from connectors.services import execute
from connectors.services import test_connection as try_connection
from tests.connectors.conftest import PORTAL, authorized
from tests.fakes import FakeSystem, arguments


def post(book: dict[str, Any], number: int) -> Any:
    given = arguments(f"RE-{number}")
    passed = authorized(book["post"], given, action_id=f"action-{number}")
    return execute(actor=PORTAL, authorization_id=passed.pk, arguments=given, stop_scopes=[])


def cool_down(book: dict[str, Any]) -> None:
    past = timezone.now() - timedelta(minutes=5)
    SystemHealth.objects.filter(system=book["system"]).update(opened_at=past)


@pytest.mark.django_db
def test_failures_in_a_row_hold_calls_back_and_one_trial_lets_them_through_again(
    book: dict[str, Any], fake: FakeSystem
) -> None:
    fake.fail_next("500", 6)
    assert [post(book, number).error_code for number in range(5)] == ["status_500"] * 5
    held = post(book, 5)
    assert (held.outcome, held.error_code, held.temporary) == ("failed", "breaker_open", True)
    assert len(fake.requests) == 5
    cool_down(book)
    assert post(book, 6).error_code == "status_500"
    assert post(book, 7).error_code == "breaker_open"
    cool_down(book)
    assert post(book, 8).outcome == "confirmed"
    assert post(book, 9).outcome == "confirmed"
    verbs = Event.objects.filter(verb__contains="breaker").order_by("id").values_list("verb", flat=True)
    assert list(verbs) == ["connectors.breaker_opened", "connectors.breaker_closed"]


@pytest.mark.django_db
def test_only_one_trial_goes_through(book: dict[str, Any], fake: FakeSystem) -> None:
    from connectors.exceptions import NotSent
    from connectors.services.breaker import record_failure, require_closed

    for _ in range(5):
        record_failure(book["system"], "down")
    cool_down(book)
    require_closed(book["system"])
    with pytest.raises(NotSent):
        require_closed(book["system"])


@pytest.mark.django_db
def test_a_business_refusal_is_no_failure_of_the_system(book: dict[str, Any], fake: FakeSystem) -> None:
    fake.fail_next("422", 8)
    assert {post(book, number).error_code for number in range(8)} == {"status_422"}
    assert SystemHealth.objects.get(system=book["system"]).consecutive_failures == 0


@pytest.mark.django_db
def test_a_connection_test_says_what_is_wrong(book: dict[str, Any], fake: FakeSystem) -> None:
    assert try_connection(actor=PORTAL, system=book["system"]).ok
    fake.key = "another key"
    refused = try_connection(actor=PORTAL, system=book["system"])
    assert (refused.ok, "401" in refused.message) == (False, True)
    fake.stop()
    gone = try_connection(actor=PORTAL, system=book["system"])
    assert (gone.ok, "nothing was sent" in gone.message) == (False, True)
