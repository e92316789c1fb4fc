from __future__ import annotations

from typing import Any

import pytest
from django.db.models.functions import Now

from agents.models import Reservation
from agents.services import stops
from audit.models import Event
from audit.vocabulary import Refusal
from connectors.models import Operation
from connectors.services import revoke_grant
from connectors.vocabulary import LookUp
from tests.workflows.conftest import TESTS, ask, limit
from workflows.actions.models import Action, Lease
from workflows.actions.policies import Remedy, remedy
from workflows.actions.services import (
    look_up_early,
    reconcile_action,
    reconciling,
    resolve_in_doubt,
    run_action,
    sweep_due,
)
from workflows.actions.services.executing import perform
from workflows.tasks.models import Task

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("holds")]


@pytest.fixture
def lost(clerk: Any, fake: Any, hints: Any) -> Any:
    """Return a function that runs an action into a call without an answer."""

    def run(mode: str) -> Action:
        limit("per_day", 1)
        fake.fail_next(mode)
        action = run_action(action_id=ask(clerk).pk)
        assert action.state == "dispatched"
        return action

    return run


@pytest.fixture
def let_time_pass(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return a function that ends a lease, and the longest a call can take with it."""

    def passes(action: Action) -> None:
        Lease.objects.filter(pk=action.pk).update(until=Now())
        monkeypatch.setattr(reconciling, "LATE_ANSWER_SECONDS", -3600)

    return passes


@pytest.mark.parametrize("found", ["found", "absent", "partial", "unknown", "none"])
@pytest.mark.parametrize("idempotent", [True, False])
@pytest.mark.parametrize("settled", [True, False])
@pytest.mark.parametrize("left", [0, 1])
@pytest.mark.parametrize("resumable", [True, False])
def test_what_is_not_idempotent_is_repeated_only_on_conclusive_evidence(
    found: str, idempotent: bool, settled: bool, left: int, resumable: bool
) -> None:
    follows = remedy(
        found=found,
        effect="write",
        idempotent=idempotent,
        settled=settled,
        attempts_left=left,
        resumable=resumable,
    )
    conclusive = settled and (found == "absent" or (found == "partial" and resumable))
    assert (follows is Remedy.RETRY) == bool(left and found != "found" and (idempotent or conclusive))
    if found == "found":
        assert follows is Remedy.CONFIRM
    if not left and found != "found":
        assert follows in (Remedy.ASK_A_PERSON, Remedy.WAIT)


def test_an_effect_without_an_answer_is_found_and_confirmed(lost: Any, fake: Any, hints: Any) -> None:
    action = lost("effect_then_500")
    assert ("workflows.actions.jobs.look_up", str(action.pk)) in hints
    look_up_early(action_id=action.pk)
    action.refresh_from_db()
    assert (action.state, action.remote_ref, fake.count()) == ("confirmed", "inv-1", 1)
    assert Reservation.objects.get().state == "settled"
    assert not Lease.objects.exists()


def test_a_lease_that_runs_is_left_alone(lost: Any, fake: Any) -> None:
    action = lost("500")
    assert reconcile_action(action_id=action.pk).state == "dispatched"
    assert fake.count() == 0


def test_nothing_there_after_the_longest_call_is_done_once_more(
    lost: Any, fake: Any, let_time_pass: Any
) -> None:
    action = lost("500")
    let_time_pass(action)
    again = reconcile_action(action_id=action.pk)
    assert (again.state, again.attempt, fake.count()) == ("confirmed", 2, 1)
    assert Event.objects.filter(verb="actions.action_repeated").count() == 1


def test_nothing_there_too_early_waits(lost: Any, fake: Any) -> None:
    action = lost("500")
    Lease.objects.filter(pk=action.pk).update(until=Now())
    waiting = reconcile_action(action_id=action.pk)
    assert (waiting.state, fake.count()) == ("dispatched", 0)
    assert Lease.objects.filter(pk=action.pk).exists()


def test_a_third_call_without_an_answer_and_trace_goes_to_a_person(
    lost: Any, fake: Any, let_time_pass: Any
) -> None:
    action = lost("500")
    for _ in range(2):
        let_time_pass(action)
        fake.fail_next("500")
        assert reconcile_action(action_id=action.pk).state == "dispatched"
    let_time_pass(action)
    doubt = reconcile_action(action_id=action.pk)
    assert (doubt.state, doubt.attempt) == ("in_doubt", 3)
    incident = Task.objects.get(kind="incident")
    assert (incident.subject_id, incident.state) == (str(action.pk), "open")
    assert Reservation.objects.get().state == "reserved"


@pytest.mark.parametrize(("resumable", "state"), [(True, "confirmed"), (False, "in_doubt")])
def test_what_is_begun_is_taken_up_again_only_where_an_attempt_goes_on_with_it(
    lost: Any, let_time_pass: Any, monkeypatch: pytest.MonkeyPatch, resumable: bool, state: str
) -> None:
    action = lost("500")
    begun = LookUp(result="partial", call_id="", stage="draft", resumable=resumable)
    monkeypatch.setattr(reconciling.connectors, "look_up", lambda **asked: begun)
    let_time_pass(action)
    assert reconcile_action(action_id=action.pk).state == state


def test_without_a_look_up_there_is_no_blind_repeat(lost: Any, fake: Any, let_time_pass: Any) -> None:
    Operation.objects.update(lookup_operation=None)
    action = lost("effect_then_hang")
    let_time_pass(action)
    doubt = reconcile_action(action_id=action.pk)
    assert (doubt.state, fake.count()) == ("in_doubt", 1)


def test_a_doubt_is_cleared_when_the_system_can_be_asked_again(
    lost: Any, fake: Any, hints: Any, let_time_pass: Any
) -> None:
    finder = Operation.objects.get(code="fake.invoice.find")
    Operation.objects.update(lookup_operation=None)
    action = lost("effect_then_500")
    let_time_pass(action)
    reconcile_action(action_id=action.pk)
    Operation.objects.filter(code="fake.invoice.post").update(lookup_operation=finder)
    let_time_pass(action)
    assert sweep_due()["leases_hinted"] == 1
    clear = reconcile_action(action_id=action.pk)
    assert (clear.state, clear.outcome, fake.count()) == ("confirmed", "agrees", 1)
    assert Task.objects.get(kind="incident").state == "done"


@pytest.mark.parametrize(("outcome", "reservation"), [("confirmed", "settled"), ("failed", "released")])
def test_a_person_resolves_a_doubt(
    lost: Any, dave: Any, outcome: str, reservation: str, let_time_pass: Any
) -> None:
    Operation.objects.update(lookup_operation=None)
    action = lost("effect_then_hang")
    let_time_pass(action)
    reconcile_action(action_id=action.pk)
    resolve_in_doubt(
        actor=dave.as_actor(), action_id=action.pk, outcome=outcome, reason="I looked in the ERP itself"
    )
    action.refresh_from_db()
    assert (action.state, action.code) == (outcome, "resolved_by_person")
    assert Reservation.objects.get().state == reservation
    assert Task.objects.get(kind="incident").state == "done"


def test_only_people_with_the_right_resolve_and_only_doubts(
    lost: Any, clerk: Any, mallory: Any, dave: Any
) -> None:
    action = lost("500")
    tries = [(clerk.user, "people_only"), (mallory, "not_permitted"), (dave, "not_in_doubt")]
    for user, code in tries:
        with pytest.raises(Refusal) as refused:
            resolve_in_doubt(
                actor=user.as_actor(), action_id=action.pk, outcome="failed", reason="I looked there"
            )
        assert refused.value.code == code
    assert Event.objects.filter(verb="actions.resolution_refused").count() == 3


def test_a_dispatch_that_died_before_its_call_runs_again_under_the_same_authorization(
    clerk: Any, fake: Any, let_time_pass: Any
) -> None:
    from workflows.actions.services.executing import _begin

    action = ask(clerk)
    claim = _begin(action.pk)
    assert claim is not None
    let_time_pass(claim.action)
    done = reconcile_action(action_id=action.pk)
    assert (done.state, done.attempt, done.epoch, fake.count()) == ("confirmed", 1, 2, 1)


def test_a_worker_that_wakes_up_late_cannot_do_it_twice(clerk: Any, fake: Any, let_time_pass: Any) -> None:
    from workflows.actions.services.executing import _begin, perform

    action = ask(clerk)
    late = _begin(action.pk)
    assert late is not None
    let_time_pass(late.action)
    reconcile_action(action_id=action.pk)
    perform(late)
    action.refresh_from_db()
    assert (action.state, fake.count()) == ("confirmed", 1)


def test_a_call_confirmed_whose_process_died_is_confirmed(clerk: Any, fake: Any, let_time_pass: Any) -> None:
    from connectors import services as connectors
    from workflows.actions.services.executing import _begin

    action = ask(clerk)
    claim = _begin(action.pk)
    assert claim is not None
    connectors.execute(
        actor=clerk.user.as_actor(),
        authorization_id=claim.action.authorization_id,
        arguments=action.arguments,
        stop_scopes=claim.scopes,
    )
    let_time_pass(claim.action)
    assert reconcile_action(action_id=action.pk).state == "confirmed"
    assert fake.count() == 1


def test_a_stop_keeps_what_is_lost_from_being_repeated(
    lost: Any, fake: Any, alice: Any, let_time_pass: Any
) -> None:
    action = lost("500")
    stops.raise_stop(actor=alice.as_actor(), scope_kind="everything", reason="something is wrong")
    let_time_pass(action)
    stopped = reconcile_action(action_id=action.pk)
    assert (stopped.state, stopped.code, fake.count()) == ("failed", "stopped", 0)


def test_the_sweeper_hints_at_what_nobody_began(clerk: Any, hints: Any) -> None:
    from datetime import timedelta

    action = ask(clerk)
    assert sweep_due()["actions_hinted"] == 0
    Action.objects.filter(pk=action.pk).update(decided_at=Now() - timedelta(seconds=10))
    assert sweep_due()["actions_hinted"] == 1
    assert hints[-1] == ("workflows.actions.jobs.run_action", str(action.pk))


def test_the_sweeper_expires_what_nobody_began_in_time(clerk: Any, hints: Any) -> None:
    limit("per_day", 1)
    action = ask(clerk)
    Action.objects.filter(pk=action.pk).update(expires_at=Now())
    assert sweep_due()["actions_expired"] == 1
    action.refresh_from_db()
    assert (action.state, Reservation.objects.get().state) == ("expired", "released")


@pytest.mark.parametrize("died", ["before the call", "after a call that left nothing"])
def test_what_may_no_longer_be_done_is_not_done_after_all(
    died: str, lost: Any, clerk: Any, fake: Any, let_time_pass: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    if died == "before the call":
        monkeypatch.setattr("workflows.actions.services.executing.perform", lambda claim: None)
        action = run_action(action_id=ask(clerk).pk)
    else:
        action = lost("500")
    assert action.state == "dispatched"
    revoke_grant(actor=TESTS, operation=action.target, agent=clerk, reason="it is done with invoices")
    let_time_pass(action)
    action = reconcile_action(action_id=action.pk)
    assert (action.state, action.code, fake.count()) == ("failed", "no_grant", 0)
    assert not Reservation.objects.filter(state="reserved").exists()


def test_what_may_have_been_done_is_not_called_failed_because_it_may_not_be_repeated(
    lost: Any, clerk: Any, fake: Any, let_time_pass: Any
) -> None:
    action = lost("effect_then_500")
    Operation.objects.filter(pk=action.operation_id).update(idempotent=True, lookup_operation=None)
    revoke_grant(actor=TESTS, operation=action.target, agent=clerk, reason="it is done with invoices")
    let_time_pass(action)
    assert reconcile_action(action_id=action.pk).state == "in_doubt"
    assert Reservation.objects.get().state == "reserved"


def test_a_grant_taken_away_between_the_decision_and_the_call_stops_the_call(
    clerk: Any, fake: Any, let_time_pass: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def late(claim: Any) -> None:
        revoke_grant(actor=TESTS, operation=claim.action.target, agent=clerk, reason="it is done with invoices")
        perform(claim)

    monkeypatch.setattr("workflows.actions.services.executing.perform", late)
    action = run_action(action_id=ask(clerk).pk)
    assert fake.count() == 0
    let_time_pass(action)
    assert (reconcile_action(action_id=action.pk).code, fake.count()) == ("no_grant", 0)
