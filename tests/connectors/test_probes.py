from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from audit.models import Event
from audit.vocabulary import Actor, ActorKind, Refusal
from connectors.models import Call
from connectors.policies.digests import reference_of
from connectors.services import execute, look_up, publish_operation, read, read_back
from connectors.services import test_connection as try_connection
from connectors.services.calls import GRACE, close_abandoned
from connectors.services.probes import same_value
from connectors.vocabulary import Probe
from tests.connectors.conftest import PORTAL, authorized
from tests.fakes import FakeSystem, arguments

PROBE = Probe(PORTAL, "look_up", action_id="action-1")


def post(book: dict[str, Any]) -> Any:
    passed = authorized(book["post"], arguments())
    return execute(actor=PORTAL, authorization_id=passed.pk, arguments=arguments(), stop_scopes=[])


@pytest.mark.django_db
def test_a_look_up_finds_what_a_lost_answer_hid(book: dict[str, Any], fake: FakeSystem) -> None:
    assert look_up(probe=PROBE, operation=book["post"], arguments=arguments()).result == "absent"
    fake.fail_next("effect_then_500")
    assert post(book).outcome == "unknown"
    found = look_up(probe=PROBE, operation=book["post"], arguments=arguments())
    assert (found.result, found.remote_ref) == ("found", "inv-1")
    other = Probe(PORTAL, "look_up", action_id="another action")
    assert look_up(probe=other, operation=book["post"], arguments=arguments()).result == "absent"


@pytest.mark.django_db
def test_a_look_up_that_cannot_ask_knows_nothing(book: dict[str, Any], fake: FakeSystem) -> None:
    fake.stop()
    found = look_up(probe=PROBE, operation=book["post"], arguments=arguments())
    assert (found.result, found.error_code) == ("unknown", "unreachable")


@pytest.mark.django_db
def test_read_back_compares_by_value(book: dict[str, Any], fake: FakeSystem) -> None:
    post(book)
    probe = Probe(PORTAL, "read_back", action_id="action-1")
    assert read_back(probe=probe, operation=book["post"], arguments=arguments()).differences == ()
    fake.effects[0]["amount"] = "9.99"
    differences = read_back(probe=probe, operation=book["post"], arguments=arguments()).differences
    assert differences == ({"pointer": "/amount", "expected": "123.00", "found": "9.99"},)


@pytest.mark.django_db
def test_a_probe_reads_and_nothing_else(book: dict[str, Any], fake: FakeSystem) -> None:
    with pytest.raises(Refusal) as refused:
        read(probe=Probe(PORTAL, "read"), operation=book["post"], arguments=arguments())
    assert refused.value.code == "not_a_read"
    nobody = Probe(Actor(ActorKind.PERSON, "", ""), "read")
    with pytest.raises(Refusal):
        read(probe=nobody, operation=book["find"], arguments={"number": "RE-1"})
    assert (fake.count(), fake.requests) == (0, [])


@pytest.mark.django_db
def test_every_probe_is_in_the_ledger_under_a_name(book: dict[str, Any]) -> None:
    read(probe=Probe(PORTAL, "read"), operation=book["find"], arguments={"number": "RE-1"})
    try_connection(actor=PORTAL, system=book["system"])
    assert list(Call.objects.order_by("id").values_list("purpose", "outcome", "actor_label")) == [
        ("read", "confirmed", "tests"),
        ("test", "confirmed", "tests"),
    ]
    assert Event.objects.filter(verb="connectors.call_finished", actor_label="tests").count() == 2


@pytest.mark.django_db
def test_an_operation_without_a_look_up_says_that_a_person_has_to_check(book: dict[str, Any]) -> None:
    with pytest.raises(Refusal) as refused:
        look_up(probe=PROBE, operation=book["find"], arguments={})
    assert refused.value.code == "no_look_up"


@pytest.mark.django_db
def test_a_call_whose_process_died_becomes_unknown_after_its_limit(
    book: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    who = {"actor_kind": "system", "actor_id": "x", "actor_label": "x"}
    call = Call.objects.create(purpose="look_up", system=book["system"], action_id="dead", **who)
    assert close_abandoned("dead") == 0
    later = timezone.now() + timedelta(seconds=book["system"].total_timeout) + GRACE + timedelta(seconds=1)
    monkeypatch.setattr(timezone, "now", lambda: later)
    assert close_abandoned("dead") == 1
    call.refresh_from_db()
    assert (call.outcome, call.error_code) == ("unknown", "process_died")


@pytest.mark.django_db
def test_the_reference_goes_with_a_look_up_only_where_it_is_asked_for(
    book: dict[str, Any], fake: FakeSystem
) -> None:
    post(book)
    assert fake.effects[0]["reference"] == reference_of("action-1")
    publish_operation(
        actor=PORTAL,
        system=book["system"],
        code="fake.invoice.find",
        input_schema={
            "type": "object",
            "additionalProperties": False,
            "properties": {"number": {"type": "string", "maxLength": 60}},
        },
        mapping=book["find"].current_revision.mapping,
        reason="without our reference",
    )
    book["post"].refresh_from_db()
    assert look_up(probe=PROBE, operation=book["post"], arguments=arguments()).result == "found"


@pytest.mark.parametrize(
    ("wanted", "actual", "same"),
    [
        ("10.0", "10.00", True),
        ("10", "10.00", True),
        ("10", "100", False),
        ("a", "a", True),
        ("1", "01", False),
    ],
)
def test_decimals_are_compared_by_value(wanted: str, actual: str, same: bool) -> None:
    assert same_value(wanted, actual) is same


@pytest.mark.django_db
def test_who_may_not_test_a_system_does_not(book: dict[str, Any], mallory: Any, dave: Any) -> None:
    assert try_connection(actor=dave.as_actor(), system=book["system"]).ok
    with pytest.raises(Refusal) as refused:
        try_connection(actor=mallory.as_actor(), system=book["system"])
    assert refused.value.code == "permission_missing"
