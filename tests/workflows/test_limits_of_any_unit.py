"""Limits of failures, of what is under way and of records, at real actions against a real system."""

from __future__ import annotations

from typing import Any

import pytest

from agents.forms import MeasureForm
from agents.models import Agent, MeasureCounter
from tests.workflows.conftest import ask, limit
from workflows.actions.models import Action
from workflows.actions.policies.words import records_in
from workflows.actions.services import resolve_in_doubt, run_action

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("hints")]


def done(agent: Any, number: str, **more: Any) -> Action:
    action = ask(agent, number=number, **more)
    return run_action(action_id=action.pk) if action.state == "authorized" else action


def counter() -> tuple[int, int]:
    row = MeasureCounter.objects.get()
    return row.reserved, row.settled


def test_two_failures_in_a_row_are_all_until_one_succeeds(clerk, fake, holds):
    limit("in_a_row", 2, unit="failures", window="ever", key="agent.code")
    fake.fail_next("422")
    assert done(clerk, "RE-1").state == "failed"
    assert counter() == (0, 1)
    assert done(clerk, "RE-2").state == "confirmed"
    assert counter() == (0, 0)
    fake.fail_next("422", 2)
    assert [done(clerk, f"RE-{number}").state for number in (3, 4)] == ["failed", "failed"]
    refused = done(clerk, "RE-5")
    assert (refused.state, refused.code) == ("denied", "limit_reached")
    assert "2 have failed" in refused.sentence


def test_above_it_the_agent_is_paused(clerk, fake, django_capture_on_commit_callbacks, holds):
    limit("in_a_row", 1, unit="failures", window="ever", on_exceed="pause")
    fake.fail_next("422")
    assert done(clerk, "RE-1").state == "failed"
    with django_capture_on_commit_callbacks(execute=True):
        assert done(clerk, "RE-2").code == "limit_reached"
    assert Agent.objects.get(pk=clerk.pk).brake == "paused"


def test_what_is_in_doubt_counts_until_a_person_says_what_it_was(clerk, dave):
    limit("in_a_row", 1, unit="failures", window="ever")
    action = ask(clerk, number="RE-1")
    assert counter() == (1, 0)
    assert ask(clerk, number="RE-2").code == "limit_reached"
    Action.objects.filter(pk=action.pk).update(state="dispatched", dispatched_at=action.decided_at)
    Action.objects.filter(pk=action.pk).update(state="in_doubt")
    assert ask(clerk, number="RE-3").code == "limit_reached"
    resolve_in_doubt(actor=dave.as_actor(), action_id=action.pk, outcome="failed", reason="It is not there")
    assert counter() == (0, 1)


def test_what_is_under_way_is_counted_while_it_is(clerk, holds):
    limit("at_once", 1, unit="running", window="ever")
    first = ask(clerk, number="RE-1")
    assert ask(clerk, number="RE-2").code == "limit_reached"
    run_action(action_id=first.pk)
    assert ask(clerk, number="RE-3").state == "authorized"


@pytest.mark.parametrize(
    ("output", "count"),
    [({"records": 7}, 7), ({"records": 0}, 0), ({}, None)]
    + [({"records": odd}, None) for odd in (-1, True, "7", 10**10, [1], None)],
)
def test_only_a_plain_number_of_records_is_believed(output, count):
    assert records_in(output) == count


class TestTheForm:
    def form(self, **typed: Any) -> MeasureForm:
        plain = {"code": "x_limit", "name": "X", "operations": "*", "window": "day", "ceiling": "3"}
        form = MeasureForm({**plain, "scope": "company", "on_exceed": "deny", "mode": "draft", **typed})
        form.is_valid()
        return form

    def test_a_manager_writes_words_and_no_cel(self, clerk):
        records = self.form(unit="records", amount="lines", key="system")
        assert records.cleaned_data["amount"] == "size(args.lines)"
        assert records.cleaned_data["key"] == "system.code"
        row = self.form(unit="failures", window="ever", key=" agent ")
        assert (row.cleaned_data["amount"], row.cleaned_data["key"]) == ("1", "agent.code")
        assert self.form(unit="running").cleaned_data["window"] == "ever"
        assert self.form(unit="records", amount="size(args.a) + 1").cleaned_data["amount"] == "size(args.a) + 1"

    def test_of_records_it_asks_for_the_list(self, clerk):
        assert "Say which list of the call" in self.form(unit="records").errors["amount"][0]
