"""Agents say what their models take; a spent budget stops calls, work, the run, the agent."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.db import connections

from agents.models import Agent, Measure, MeasureCounter, ModelUse
from audit.models import Event
from tests.workflows.conftest import ask, limit, signed_in
from tests.workflows.test_runs import begun, letters, publish
from tests.workflows.test_task_api import claim, code, post, work
from workflows.actions.choices import State
from workflows.runs.models import Run
from workflows.tasks.models import Task

ADDRESS = "/api/v1/model-use"


def budget(ceiling: int, **more: Any) -> Measure:
    return limit("model_tokens", ceiling, **{"operations": "*", "unit": "tokens", **more})


def report(agent: Agent, key: str = "k1", **more: Any) -> Any:
    body = {"key": key, "model": "gpt-x", "input_tokens": 60, "output_tokens": 40, **more}
    return signed_in(agent.user).post(ADDRESS, body, format="json")


@pytest.fixture
def commits(django_capture_on_commit_callbacks: Any) -> Any:
    """What is done after a commit is done."""
    return lambda: django_capture_on_commit_callbacks(execute=True)


@pytest.mark.django_db
def test_a_report_is_counted_once_and_tells_what_is_left(clerk: Agent) -> None:
    budget(1000)
    told = report(clerk)
    assert told.status_code == 201, told.content
    (found,) = told.json()["budgets"]
    assert (found["used"], found["ceiling"], found["spent"]) == (100, 1000, False)
    assert report(clerk).json() == told.json()
    assert MeasureCounter.objects.get().settled == 100
    assert code(report(clerk, input_tokens=1)) == (422, "report_key_reused")
    assert signed_in(clerk.user).get(ADDRESS).json() == told.json()


@pytest.mark.usefixtures("hints")
@pytest.mark.django_db
def test_a_spent_budget_refuses_calls_and_work_until_it_starts_anew(clerk: Agent) -> None:
    budget(150)
    assert ask(clerk, number="RE-1").state == State.AUTHORIZED
    report(clerk)
    assert not Event.objects.filter(verb="agents.budget_spent").exists()
    assert report(clerk, "k2").json()["budgets"][0]["stops_work"]
    assert report(clerk, "k3").status_code == 201  # what has been spent may still be said
    refused = ask(clerk, number="RE-2")
    assert (refused.state, refused.code) == (State.DENIED, "limit_reached")
    assert "at most 150 tokens per day; 300 tokens used" in refused.sentence
    work(clerk)
    assert code(post(clerk.user, "claim")) == (429, "budget_spent")
    assert Event.objects.filter(verb="agents.budget_spent").count() == 1


@pytest.mark.usefixtures("hints")
@pytest.mark.django_db
def test_a_budget_can_pause_the_agent_and_so_can_any_limit(clerk: Agent, commits: Any) -> None:
    calls = limit("calls", 1, on_exceed="pause")
    ask(clerk, number="RE-1")
    with commits():
        assert ask(clerk, number="RE-2").code == "limit_reached"
    clerk.refresh_from_db()
    assert clerk.brake == "paused"
    paused = Event.objects.get(verb="agents.agent_paused")
    assert (paused.actor_label, calls.name in paused.reason) == ("limits", True)
    Agent.objects.filter(pk=clerk.pk).update(brake="none")
    budget(100, on_exceed="pause")
    with commits():
        report(clerk)
    clerk.refresh_from_db()
    assert clerk.brake == "paused"


@pytest.mark.usefixtures("hints")
@pytest.mark.django_db
def test_a_run_that_has_spent_its_budget_is_paused_midway(
    clerk: Agent, alice: Any, bob: Any, commits: Any
) -> None:
    publish(alice, bob, letters())
    budget(150, key="run")
    run = begun(alice)
    (task,) = claim(clerk.user)
    with commits():
        report(clerk, task=task["id"])
    assert not Run.objects.get(pk=run.pk).is_paused
    with commits():
        report(clerk, "k2", task=task["id"])
    assert Run.objects.get(pk=run.pk).is_paused
    event = Event.objects.get(verb="runs.run_paused")
    assert (event.actor_label, event.run_id) == ("limits", str(run.pk))
    beat = post(clerk.user, f"{task['id']}/heartbeat", {"epoch": task["epoch"]})
    assert code(beat) == (429, "budget_spent")
    assert report(clerk, "k3").json()["budgets"][0]["used"] == 300  # what is at hand is what it is spent on
    assert ModelUse.objects.filter(run_id=str(run.pk)).count() == 3
    assert Task.objects.get(pk=task["id"]).state == Task.State.CLAIMED


@pytest.mark.django_db
def test_a_report_names_only_a_task_of_ones_own_and_a_cost_that_can_be_counted(
    clerk: Agent, robo: Agent
) -> None:
    limit("cost", 1_000_000, operations="*", unit="cost")
    assert code(report(clerk, cost={"amount": "0.5", "currency": "XAU"})) == (422, "no_rate")
    for wrong in (
        {"amount": "1e3", "currency": "EUR"},
        {"amount": "-1", "currency": "EUR"},
        {"amount": 1},
        "1",
    ):
        assert report(clerk, cost=wrong).status_code == 422, wrong
    told = report(clerk, cost={"amount": "0.0042", "currency": "EUR"}).json()["budgets"]
    assert [it["used"] for it in told if it["code"] == "cost"] == [4200]
    assert report(clerk, input_tokens=10**9).status_code == 422
    task = work(clerk)
    assert code(report(clerk, "k2", task=str(task.pk))) == (403, "task_not_claimed")


def test_fifty_reports_at_once_are_all_counted_and_one_says_that_it_was_spent(
    live_db: Any, clerk: Agent
) -> None:
    budget(2_500)

    def one(number: int) -> int:
        try:
            status: int = report(clerk, f"k{number}").status_code
            return status
        finally:
            connections.close_all()

    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(one, range(50))) == {201}
    assert MeasureCounter.objects.get().settled == 5_000
    assert Event.objects.filter(verb="agents.budget_spent").count() == 1
