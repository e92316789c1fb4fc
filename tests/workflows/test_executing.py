from __future__ import annotations

from typing import Any

import pytest

from agents.models import Reservation
from agents.services import lifecycle, stops
from audit.models import Event
from connectors.models import Call
from connectors.policies.digests import reference_of
from connectors.services import revoke_grant
from tests.workflows.conftest import TESTS, ask, hold_above, limit
from workflows.actions.models import Action, Lease
from workflows.actions.services import run_action
from workflows.tasks.models import Task

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("holds")]


def test_an_authorized_action_is_done_read_back_and_settled(clerk: Any, fake: Any) -> None:
    limit("per_day", 5)
    action = run_action(action_id=ask(clerk).pk)
    assert (action.state, action.outcome, action.remote_ref) == ("confirmed", "agrees", "inv-1")
    assert action.result["state"] == "posted"
    assert fake.effects[0]["reference"] == reference_of(str(action.pk))
    assert Reservation.objects.get().state == "settled"
    assert not Lease.objects.exists()
    events = Event.objects.filter(verb__startswith="actions.").order_by("occurred_at")
    verbs = list(events.values_list("verb", flat=True))
    assert verbs == ["actions.action_authorized", "actions.action_dispatched", "actions.action_confirmed"]


def test_running_it_again_does_nothing(clerk: Any, fake: Any) -> None:
    action = ask(clerk)
    run_action(action_id=action.pk)
    assert run_action(action_id=action.pk).state == "confirmed"
    assert fake.count() == 1


def test_what_the_system_holds_otherwise_opens_an_incident(clerk: Any, fake: Any) -> None:
    real = fake._effect
    fake._effect = lambda invoice: real({**invoice, "amount": "1.00"})
    action = run_action(action_id=ask(clerk).pk)
    assert (action.state, action.outcome) == ("confirmed", "differs")
    assert Task.objects.get(kind="incident").subject_id == str(action.pk)


def test_what_the_system_refuses_fails_and_gives_back_what_was_reserved(clerk: Any, fake: Any) -> None:
    limit("per_day", 1)
    fake.fail_next("422")
    action = run_action(action_id=ask(clerk).pk)
    assert (action.state, fake.count()) == ("failed", 0)
    assert action.next_step
    assert Reservation.objects.get().state == "released"
    assert run_action(action_id=ask(clerk, number="2").pk).state == "confirmed"


def test_a_stop_before_the_dispatch_wins(clerk: Any, fake: Any, alice: Any) -> None:
    limit("per_day", 1)
    action = ask(clerk)
    stops.raise_stop(actor=alice.as_actor(), scope_kind="everything", reason="something is wrong")
    stopped = run_action(action_id=action.pk)
    assert (stopped.state, stopped.code, fake.count()) == ("stopped", "stopped", 0)
    assert Reservation.objects.get().state == "released"
    assert Event.objects.filter(
        action_id=str(action.pk), verb="actions.action_stopped", decision="deny"
    ).exists()


@pytest.mark.parametrize("scope", ["department", "role", "agent", "system", "operation"])
def test_every_scope_stops(clerk: Any, fake: Any, alice: Any, book: Any, scope: str) -> None:
    action = ask(clerk)
    ids = {
        "department": clerk.department_id,
        "role": clerk.role_id,
        "agent": clerk.pk,
        "system": book["system"].pk,
        "operation": book["post"].code,
    }
    stops.raise_stop(actor=alice.as_actor(), scope_kind=scope, scope_id=str(ids[scope]), reason="stop it now")
    assert run_action(action_id=action.pk).state == "stopped"
    assert fake.count() == 0
    assert ask(clerk, number="2").state == "denied"


def test_a_pause_between_authorization_and_dispatch_stops_it(clerk: Any, fake: Any, alice: Any) -> None:
    action = ask(clerk)
    lifecycle.pause_agent(actor=alice.as_actor(), agent=clerk, reason="looking into it")
    paused = run_action(action_id=action.pk)
    assert (paused.state, paused.code, fake.count()) == ("stopped", "agent_paused", 0)


def test_a_grant_taken_away_before_the_dispatch_denies_it(clerk: Any, fake: Any, book: Any) -> None:
    limit("per_day", 1)
    action = ask(clerk)
    revoke_grant(actor=TESTS, operation=book["post"], agent=clerk, reason="not its work any more")
    denied = run_action(action_id=action.pk)
    assert (denied.state, fake.count()) == ("denied", 0)
    assert Reservation.objects.get().state == "released"


def test_a_rule_that_would_hold_it_now_denies_what_was_authorized(clerk: Any, fake: Any) -> None:
    action = ask(clerk)
    hold_above(100)
    denied = run_action(action_id=action.pk)
    assert (denied.state, fake.count()) == ("denied", 0)


def test_its_own_reservation_is_no_duplicate_when_authority_moved(clerk: Any, fake: Any, book: Any) -> None:
    limit("once", 1, window="ever", key='args.supplier + "/" + args.number')
    action = ask(clerk)
    hold_above(10_000_000)
    assert run_action(action_id=action.pk).state == "confirmed"


def test_an_authorization_that_lapsed_expires_and_reaches_nobody(clerk: Any, fake: Any) -> None:
    from django.db.models.functions import Now

    limit("per_day", 1)
    action = ask(clerk)
    Action.objects.filter(pk=action.pk).update(expires_at=Now())
    expired = run_action(action_id=action.pk)
    assert (expired.state, expired.code, fake.count()) == ("expired", "authorization_expired", 0)
    assert Reservation.objects.get().state == "released"


def test_one_byte_changed_after_the_authorization_reaches_nobody(clerk: Any, fake: Any) -> None:
    from workflows.actions.services.executing import _begin, perform

    claim = _begin(ask(clerk).pk)
    assert claim is not None
    claim.action.arguments["total"]["minor"] += 1
    perform(claim)
    failed = Action.objects.get(pk=claim.action.pk)
    assert (failed.state, failed.code, fake.count()) == ("failed", "arguments_changed", 0)
    assert not Call.objects.exists()


def test_a_late_answer_is_dropped(clerk: Any, fake: Any) -> None:
    from workflows.actions.services.outcome import record_failed

    action = run_action(action_id=ask(clerk).pk)
    record_failed(action.pk, action.epoch, code="late", sentence="late")
    action.refresh_from_db()
    assert action.state == "confirmed"
