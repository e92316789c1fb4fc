"""Whatever becomes of an action, each event it leaves says all that docs/ledger-record.schema.json asks for."""

from __future__ import annotations

from typing import Any

import pytest
from django.db.models.functions import Now

from agents.services import stops
from audit.models import Event
from connectors.models import Operation
from connectors.services import publish_operation
from tests.fakes import POST_MAPPING, POST_SCHEMA
from tests.records import faults, records
from tests.workflows.conftest import TESTS, ask, hold_above
from workflows.actions.choices import FINAL, State
from workflows.actions.models import Action, Lease
from workflows.actions.policies import seen_of, source_labels
from workflows.actions.services import (
    reconcile_action,
    reconciling,
    resolve_in_doubt,
    run_action,
    sweep_due,
    withdraw_action,
)
from workflows.approvals.services import cast_vote

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("hints")]


@pytest.fixture
def every_ending(
    clerk: Any, fake: Any, alice: Any, bob: Any, dave: Any, book: Any, monkeypatch: Any, settings: Any
) -> None:
    """An action came to each end there is, by each way that differs in what is seen."""
    monkeypatch.setattr(reconciling, "LATE_ANSWER_SECONDS", -3600)
    actor = clerk.user.as_actor()
    hold_above(10_000)

    def done(number: str, mode: str = "", **more: Any) -> Action:
        if mode:
            fake.fail_next(mode)
        return run_action(action_id=ask(clerk, number=number, minor=500, **more).pk)

    def held(number: str) -> Action:
        return ask(clerk, number=number, minor=20_000)

    def vote(action: Action, verdict: str) -> None:
        told = {"verdict": verdict, "reason": "seen and decided", "digest": action.approval.digest}
        cast_vote(actor=bob.as_actor(), approval_id=action.approval_id, **told)

    labels = {"args.total": "supplier-pdf", "args.note": "jane@home.example"}
    done("as asked", on_behalf_of=str(dave.pk), provenance=labels)
    real = fake._effect
    fake._effect = lambda invoice: real({**invoice, "amount": "1.00"})
    done("otherwise")
    fake._effect = real
    done("refused by the system", "422")
    vote(approved := held("approved"), "approve")
    run_action(action_id=approved.pk)
    vote(held("rejected"), "reject")
    withdraw_action(actor=actor, action_id=held("withdrawn").pk, reason="no longer needed")
    settings.APPROVAL_SECONDS = 0
    held("nobody decides")
    settings.APPROVAL_SECONDS = 3600
    begun = ask(clerk, number="not begun", minor=500)
    Action.objects.filter(pk=begun.pk).update(expires_at=Now())
    sweep_due()
    stopped = ask(clerk, number="stopped", minor=500)
    stop = stops.raise_stop(actor=TESTS, scope_kind="everything", scope_id="", reason="a drill")
    run_action(action_id=stopped.pk)
    ask(clerk, number="while stopped", minor=500)
    stops.lift_stop(actor=alice.as_actor(), stop=stop, reason="the drill is over")
    for outcome in ("confirmed", "failed"):
        Operation.objects.update(lookup_operation=None)
        lost = done(outcome, "effect_then_hang")
        Lease.objects.filter(pk=lost.pk).update(until=Now())
        reconcile_action(action_id=lost.pk)
        resolve_in_doubt(actor=dave.as_actor(), action_id=lost.pk, outcome=outcome, reason="I looked there")
    superseded = held("published anew")
    newer = {**POST_SCHEMA, "description": "newer"}
    publish_operation(
        actor=TESTS, system=book["system"], code=book["post"].code, input_schema=newer, mapping=POST_MAPPING,
        reason="a new version",
    )  # fmt: skip
    vote(superseded, "approve")


def test_every_event_of_the_whole_life_of_actions_says_all_of_it(every_ending: None) -> None:
    assert set(Action.objects.values_list("state", flat=True)) == FINAL
    found = records()
    assert faults(found) == []
    of_actions = [one for one in found if one["subject_kind"] == "actions.action"]
    assert {one["effect"] for one in of_actions} == {"", "confirmed", "failed", "in_doubt"}
    assert {one["agreement"] for one in of_actions} == {"", "agrees", "differs", "unknown"}
    assert all(one["risk"]["effect"] for one in of_actions if one["decision"])
    delegated = [one for one in of_actions if one["delegated_id"]]
    allowed = next(one for one in delegated if one["decision"] == "allow")
    assert allowed["risk"]["sources"] == "other,supplier-pdf"
    for one in found:
        if one["verb"].startswith("approvals.") and one["action_id"]:
            assert (one["operation"], one["system_id"] != "") == ("fake.invoice.post", True), one["verb"]
    ends = Event.objects.filter(verb="connectors.call_finished").exclude(effect="")
    assert set(ends.values_list("effect", flat=True)) == {"confirmed", "failed", "in_doubt"}
    assert not Event.objects.filter(verb__startswith="connectors.call", operation="").exists()


def test_a_decision_without_one_of_them_is_no_record(clerk: Any) -> None:
    ask(clerk)
    allowed = next(one for one in records() if one["verb"] == "actions.action_authorized")
    assert not faults([allowed])
    for missing in ("agent_id", "operation", "system_id", "risk", "correlation_id", "code"):
        assert faults([{**allowed, missing: type(allowed[missing])()}]), missing
    for missing in allowed:
        assert faults([{name: said for name, said in allowed.items() if name != missing}]), missing


@pytest.mark.parametrize("state", State)
def test_what_is_seen_is_known_once_it_ended(state: State) -> None:
    effect, agreement = seen_of(state, "")
    assert bool(effect) == (state in ("confirmed", "failed", "in_doubt")) == bool(agreement)


def test_a_label_that_is_no_code_is_kept_out() -> None:
    assert source_labels({"a": "mail", "b": "Jane Doe", "c": "x@y.example", "d": "mail"}) == "mail,other"
    assert source_labels({"a": "x" * 41, "b": ""}) == "other"
