"""The page of a run by its tabs: each says what it is for, hides what rules hide, costs no more for many."""

from __future__ import annotations

from typing import Any

import pytest
from django.urls import reverse

from tests.fakes import arguments
from tests.workflows.conftest import ask, hold_above
from tests.workflows.test_model_use import report
from tests.workflows.test_pages_runs import HOSTILE, browser, fail, read, steered, workflow
from tests.workflows.test_runs import begun, claim, complete, step
from workflows.actions.models import Action
from workflows.actions.services import run_action
from workflows.approvals.models import Approval
from workflows.approvals.services import cast_vote
from workflows.pages.run_tabs import TABS
from workflows.runs import services
from workflows.runs.models import Run
from workflows.tasks import services as tasks

__all__ = ["workflow"]
pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("hints")]


def told(user: Any, run: Run, tab: str, **query: str) -> str:
    return read(user, "run", run.pk, tab=tab, **query)


def test_a_run_that_went_through_people_is_told_by_each_tab(workflow, alice, bob, carol, clerk, fake):
    hold_above(10_000)
    run = begun(alice)
    task = claim(clerk)
    assert report(clerk, task=str(task.pk)).status_code == 201
    complete(clerk, task, kind="order")
    question = Approval.objects.get(state="pending")
    page = read(carol, "run", run.pk)
    for words in ("Waiting for Approvers", "Look at it", "version 1", "By hand", "100 tokens"):
        assert words in page
    assert "Review now" not in page, "to decide is not hers"
    assert "Review now" in read(bob, "run", run.pk)
    cast_vote(
        actor=bob.as_actor(),
        approval_id=question.pk,
        verdict="approve",
        reason="<b>ours</b>",
        digest=question.digest,
    )
    run_action(action_id=Action.objects.get().pk)
    services.tick()
    run.refresh_from_db()
    assert run.state == "done"
    decisions = told(carol, run, "decisions")
    for words in ("Held for people", "Bob", "&lt;b&gt;ours", "Approved", "of the policies"):
        assert words in decisions
    trace = told(carol, run, "trace")
    for words in ("Enter it", "gpt-x", "Authorized action at", "Arguments"):
        assert words in trace
    timeline = told(carol, run, "timeline")
    assert "portal-bar-people" in timeline
    assert "Waited for people" in timeline
    assert "finished" in told(carol, run, "log").lower() or "answered" in told(carol, run, "log")
    assert run.version.sha256 in told(carol, run, "raw")
    assert "What was done in systems" in told(carol, run, "artefacts")


def test_every_tab_has_an_address_and_an_unknown_one_shows_the_steps(workflow, alice, carol):
    run = begun(alice)
    for tab in TABS:
        page = told(carol, run, tab)
        assert f'href="{reverse("run", args=[run.pk])}?tab={tab}" aria-current="page"' in page
        assert f"?tab={tab}" in page
    assert 'id="run-steps"' in told(carol, run, "<script>")
    assert 'id="run-steps"' in told(carol, run, "steps", state="x", after="y")


def test_steps_are_narrowed_to_a_state_and_a_link_leads_to_each(workflow, alice, dave, clerk):
    run = begun(alice)
    complete(clerk, claim(clerk), kind="chat")
    steered(dave, "run-retry", run.pk)
    page = told(dave, run, "steps")
    old, new = run.steps.filter(node="read").order_by("generation")
    assert f'id="step-{new.pk}"' in page
    assert reverse("step-skip", args=[run.pk, new.pk]) in page
    narrowed = told(dave, run, "steps", state="open")
    assert f'id="step-{new.pk}"' in narrowed
    assert f'id="step-{old.pk}"' not in narrowed
    assert "No such step" in told(dave, run, "steps", state="cancelled")


def test_a_later_attempt_shows_only_what_is_other(workflow, alice, dave, carol, clerk):
    run = begun(alice)
    complete(clerk, claim(clerk), kind="chat")
    steered(dave, "run-retry", run.pk)
    complete(clerk, claim(clerk), kind="chat", pages=3)
    trace = told(carol, run, "trace")
    assert "Answered, where it changed" in trace
    assert "<ins>3</ins>" in trace


def test_what_stopped_says_why_and_what_to_do_to_who_may(workflow, alice, dave, carol, clerk):
    run = begun(alice)
    complete(clerk, claim(clerk), kind="chat")
    for_dave, for_carol = read(dave, "run", run.pk), read(carol, "run", run.pk)
    assert "It waits for an operator: " in for_dave
    assert reverse("run-retry", args=[run.pk]) in for_dave
    assert "An operator has to let it go on." in for_carol
    steered(dave, "run-pause", run.pk, reason="we look first", clocks="stand")
    assert "Dave paused it: “we look first”" in read(carol, "run", run.pk)


def test_what_a_rule_hides_is_hidden_on_every_tab(workflow, alice, carol, clerk):
    hidden = {"name": "hide the supplier", "condition": "true", "redact": ["args.supplier"]}
    hold_above(1_000, **hidden)
    run = begun(alice)
    complete(clerk, claim(clerk), kind="order")
    action = Action.objects.get()
    assert action.arguments["supplier"] == "SUP-001"
    for tab in TABS:
        shown = told(carol, run, tab).split('id="run-definition"')[0]
        assert "SUP-001" not in shown, tab
    for name in ("run-evidence", "run-evidence-json"):
        assert b"SUP-001" not in browser(carol).get(reverse(name, args=[run.pk])).content


def test_hostile_words_stay_words_on_every_tab(workflow, alice, carol, clerk):
    hold_above(1_000)
    run = begun(alice, topic="<script>alert(1)</script>")
    task = claim(clerk)
    action = ask(clerk, task_id=str(task.pk), task_epoch=task.epoch, reason=HOSTILE)
    assert action.state == "held"
    tasks.heartbeat_task(actor=clerk.user.as_actor(), task_id=task.pk, epoch=task.epoch, progress=HOSTILE)
    fail(clerk, task, HOSTILE)
    for tab in TABS:
        page = told(carol, run, tab)
        assert "<script>alert" not in page, tab
        assert '<div hx-get="/live/"' not in page, tab


def test_a_run_of_nobodys_business_is_not_there(workflow, alice, mallory, clerk):
    run = begun(alice)
    for name in ("run", "run-parts", "run-evidence", "run-evidence-json", "run-evidence-pdf"):
        assert browser(mallory).get(reverse(name, args=[run.pk])).status_code == 404
        assert browser(clerk.user).get(reverse(name, args=[run.pk])).status_code == 403


@pytest.mark.parametrize("many", [1, 4])
def test_a_tab_costs_the_same_for_few_and_for_many(
    many, workflow, alice, carol, clerk, django_assert_max_num_queries
):
    hold_above(1_000)
    run = begun(alice)
    task = claim(clerk)
    for number in range(many):
        ask(clerk, number=f"RE-{number}", task_id=str(task.pk), task_epoch=task.epoch)
    client = browser(carol)
    address = reverse("run", args=[run.pk])
    client.get(address)
    for tab in TABS:
        with django_assert_max_num_queries(62):
            client.get(address, {"tab": tab})


def test_the_log_goes_on_page_by_page(workflow, alice, carol, clerk, monkeypatch):
    monkeypatch.setattr("workflows.pages.run_tabs.LOG_LINES", 2)
    run = begun(alice)
    complete(clerk, claim(clerk), kind="chat", pages=1)
    first = told(carol, run, "log")
    assert "Earlier" in first
    older = first.split("before=")[1].split('"')[0]
    second = told(carol, run, "log", before=older)
    assert "started" in second or "began" in second or "Earlier" in second
    assert "Back to the newest" in second


def test_an_input_of_an_operation_is_shown_as_its_action_may_be(workflow, alice, carol, clerk):
    hold_above(1_000)
    run = begun(alice)
    complete(clerk, claim(clerk), kind="order")
    assert set(step(run, "enter").input) <= set(arguments("N", 1))
    assert "SUP-001" in told(carol, run, "steps")
