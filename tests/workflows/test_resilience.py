"""When the world breaks: retries, time limits, systems that are down, clocks that stand still."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db.models import F

from audit.models import Event
from audit.vocabulary import Actor
from tests.workflows.test_runs import begun, claim, complete, step, workflow
from workflows.runs import services
from workflows.runs.models import Run, Timer
from workflows.tasks.models import Task

__all__ = ["workflow"]
pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("hints", "holds")]
OPERATOR = Actor.system("tests")


def pass_time(run: Run, seconds: int) -> None:
    """Let so much time have passed for a run, as its rows tell the time."""
    by = timedelta(seconds=seconds)
    Timer.objects.filter(step__run=run).update(fire_at=F("fire_at") - by)
    run.steps.exclude(clock_stopped_at=None).update(clock_stopped_at=F("clock_stopped_at") - by)
    Task.objects.filter(step__run=run).update(
        due_at=F("due_at") - by, claimed_at=F("claimed_at") - by, lease_until=F("lease_until") - by,
        available_at=F("available_at") - by, clock_stopped_at=F("clock_stopped_at") - by,
    )  # fmt: skip


def clocks(do: Any, *steps: Any, why: str = "paused") -> int:
    return do(actor=OPERATOR, steps=[found.pk for found in steps], why=why, reason="the test says so")


@pytest.mark.usefixtures("workflow")
def test_a_clock_stands_still_and_goes_on_with_what_was_left(alice: Any, clerk: Any) -> None:
    run = begun(alice)
    read = step(run, "read")
    assert clocks(services.stop_clocks, read) == 1
    assert clocks(services.stop_clocks, read) == 0, "the same word twice changes nothing"
    pass_time(run, 5000)
    services.sweep_runs()
    assert Timer.objects.count() == 1
    assert not Event.objects.filter(verb="runs.step_overdue").exists()
    assert (
        Task.objects.get(kind="agent_work").clock_stopped_at == step(run, "read").clock_stopped_at is not None
    )
    assert clocks(services.start_clocks, read) == 1
    timer, task = Timer.objects.get(), Task.objects.get(kind="agent_work")
    left = (timer.fire_at - task.created_at).total_seconds()
    assert 595 < left < 605, "600 seconds of 600 are left"
    assert abs((task.due_at - timer.fire_at).total_seconds()) < 1
    assert task.clock_stopped_at is None
    services.sweep_runs()
    assert not Event.objects.filter(verb="runs.step_overdue").exists()
    told = Event.objects.filter(verb__startswith="runs.clocks_").order_by("pk")
    assert [(event.verb, event.code) for event in told] == [
        ("runs.clocks_stopped", "paused"),
        ("runs.clocks_started", "paused"),
    ]
    complete(clerk, claim(clerk), kind="chat", pages=1)
    assert Run.objects.get().outcome == "answered"


@pytest.mark.usefixtures("workflow")
def test_a_clock_goes_on_when_the_last_reason_is_gone(alice: Any) -> None:
    run = begun(alice)
    read = step(run, "read")
    clocks(services.stop_clocks, read, why="paused")
    clocks(services.stop_clocks, read, why="system_down")
    assert clocks(services.start_clocks, read, why="paused") == 0
    assert step(run, "read").clock_stopped_by == ["system_down"]
    assert clocks(services.start_clocks, read, why="system_down") == 1
    assert (step(run, "read").clock_stopped_at, step(run, "read").clock_stopped_by) == (None, [])
    assert clocks(services.start_clocks, read, why="system_down") == 0
