"""When the world breaks: retries, time limits, systems that are down, clocks that stand still."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db.models import F
from django.db.models.functions import Now

from agents.services import stops
from audit.models import Event
from audit.vocabulary import Actor, Refusal
from connectors.models import System, SystemHealth
from connectors.services import set_system_enabled
from connectors.services.breaker import record_success
from tests.workflows.conftest import hold_above
from tests.workflows.test_runs import begun, claim, complete, letters, publish, step, workflow
from workflows.actions.models import Action, IdempotencyKey
from workflows.actions.services import look_up_early, run_action
from workflows.runs import dispatch, jobs, services
from workflows.runs.models import Ready, Run, Step, Timer
from workflows.runs.services.beginning import begin
from workflows.runs.services.picture import pictures_of
from workflows.tasks import services as tasks
from workflows.tasks.models import Task
from workflows.tasks.selectors import database_now

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


def made(alice: Any, bob: Any, clerk: Any, *, without: tuple[str, ...] = (), **enter: Any) -> Run:
    """Return a run whose operation has been asked for, its node said otherwise."""
    content = letters(enter=enter)
    for member in without:
        content["nodes"]["enter"].pop(member, None)
    publish(alice, bob, content)
    run = begun(alice)
    complete(clerk, claim(clerk), kind="order")
    return run


def again(run: Run) -> None:
    """Let the next attempt begin now."""
    Ready.objects.filter(step__run=run).update(not_before=Now() - timedelta(seconds=1))
    services.tick()


def attempt(run: Run) -> Action:
    """Do what the step asked for last, and let the engine see what came of it."""
    action = Action.objects.filter(references__run_id=str(run.pk)).latest("pk")
    run_action(action_id=action.pk)
    services.tick()
    action.refresh_from_db()
    return action


RETRY = {"most": 3, "wait_seconds": 60, "factor": 2, "cap_seconds": 600}


def test_an_operation_without_effect_is_asked_for_anew(alice: Any, bob: Any, clerk: Any, fake: Any) -> None:
    run = made(alice, bob, clerk, retry=RETRY)
    fake.fail_next("422")
    first = attempt(run)
    enter = step(run, "enter")
    assert (first.state, enter.state, enter.attempts, enter.infra_attempts) == ("failed", "ready", 1, 0)
    services.sweep_runs()
    assert step(run, "enter").state == "ready", "it waits as long as its policy says"
    again(run)
    second = attempt(run)
    assert (second.state, fake.count()) == ("confirmed", 1)
    assert second.pk != first.pk
    keys = set(IdempotencyKey.objects.values_list("key", flat=True))
    assert keys == {f"step:{enter.pk}", f"step:{enter.pk}:{first.pk}"}
    run.refresh_from_db()
    assert (run.outcome, step(run, "enter").generation) == ("answered", 1)


def test_what_may_have_had_an_effect_is_never_repeated(alice: Any, bob: Any, clerk: Any, fake: Any) -> None:
    run = made(alice, bob, clerk, retry=RETRY)
    fake.fail_next("effect_then_500")
    action = attempt(run)
    assert not action.is_final
    Step.objects.filter(pk=step(run, "enter").pk).update(state="ready")  # as nobody does
    with pytest.raises(RuntimeError, match="an attempt begins"):
        begin(step(run, "enter"), picture_of(run))
    assert Action.objects.count() == 1
    assert fake.count() == 1
    Step.objects.filter(pk=step(run, "enter").pk).update(state="running")
    look_up_early(action_id=action.pk)
    services.tick()
    assert (fake.count(), Run.objects.get().outcome) == (1, "answered")


def picture_of(run: Run) -> Any:
    return pictures_of([run], [str(step(run, "enter").pk)])[str(run.pk)]


def test_attempts_end_as_an_incident_that_says_how_often(
    alice: Any, bob: Any, dave: Any, clerk: Any, fake: Any
) -> None:
    run = made(alice, bob, clerk, without=("refused",), retry={**RETRY, "most": 2})
    fake.fail_next("422", 2)
    attempt(run)
    again(run)
    attempt(run)
    run.refresh_from_db()
    assert (run.state, run.problem[:30]) == ("incident", "Tried 2 times; the last time: ")
    services.retry_run(actor=dave.as_actor(), run=run, reason="it is mended")
    services.tick()
    fresh = step(run, "enter")
    assert (fresh.generation, fresh.attempts, fresh.infra_attempts) == (2, 0, 0)
    attempt(run)
    assert (fake.count(), Run.objects.get().outcome) == (1, "answered")


def test_some_failures_are_never_repeated(alice: Any, bob: Any, clerk: Any, fake: Any) -> None:
    fake.fail_next("422")
    run = made(alice, bob, clerk, retry={**RETRY, "never": ["status_422"]})
    assert attempt(run).code == "status_422"
    assert step(run, "look").state == "running"


def test_a_system_out_of_reach_uses_up_no_attempt(alice: Any, bob: Any, clerk: Any, fake: Any) -> None:
    run = made(alice, bob, clerk)
    System.objects.update(base_url="http://127.0.0.1:9", allowed_hosts=["http://127.0.0.1:9"])
    for times in (1, 2):
        assert attempt(run).is_temporary
        enter = step(run, "enter")
        assert (enter.state, enter.attempts, enter.infra_attempts) == ("ready", 0, times)
        again(run)
    System.objects.update(base_url=fake.url, allowed_hosts=[fake.url])
    attempt(run)
    assert (fake.count(), Run.objects.get().outcome) == (1, "answered")


def broken(opened_seconds_ago: int = 0) -> None:
    """Let the breaker of the system be open."""
    at = Now() - timedelta(seconds=opened_seconds_ago)
    SystemHealth.objects.update_or_create(
        system=System.objects.get(code="fake"),
        defaults={"consecutive_failures": 5, "opened_at": at, "trial_at": None},
    )


def test_a_step_is_held_while_its_system_is_down_and_goes_on(
    alice: Any, bob: Any, clerk: Any, fake: Any, book: Any
) -> None:
    broken()
    run = made(alice, bob, clerk, due_seconds=600, stop_clock=True)
    enter = step(run, "enter")
    assert (enter.state, enter.held_by.code, enter.clock_stopped_by) == ("ready", "fake", ["system_down"])
    assert "does not answer" in enter.held_because
    services.sweep_runs()
    assert not Action.objects.exists(), "nothing is asked for while it is down"
    broken(opened_seconds_ago=3600)
    services.sweep_runs()
    trial = step(run, "enter")
    assert (trial.state, trial.held_by.code) == ("running", "fake"), "one tries"
    assert attempt(run).state == "confirmed"
    assert (fake.count(), Run.objects.get().outcome) == (1, "answered")
    told = Event.objects.filter(run_id=str(run.pk), verb__in=["runs.step_held", "runs.clocks_stopped"])
    assert {event.code for event in told} == {"system_down"}


def test_a_trial_that_fails_leaves_the_step_held(alice: Any, bob: Any, clerk: Any, fake: Any) -> None:
    run = made(alice, bob, clerk)
    broken(opened_seconds_ago=3600)
    System.objects.update(base_url="http://127.0.0.1:9", allowed_hosts=["http://127.0.0.1:9"])
    attempt(run)
    enter = step(run, "enter")
    assert (enter.state, enter.attempts, enter.infra_attempts) == ("ready", 0, 0)
    assert enter.held_by is not None
    System.objects.update(base_url=fake.url, allowed_hosts=[fake.url])
    SystemHealth.objects.all().delete()
    services.sweep_runs()
    assert step(run, "enter").held_by is None
    attempt(run)
    assert (fake.count(), Run.objects.get().outcome) == (1, "answered")


def test_a_system_that_is_switched_off_or_stopped_holds_steps(
    alice: Any, bob: Any, clerk: Any, fake: Any, book: Any
) -> None:
    publish(alice, bob, letters())
    System.objects.update(is_enabled=False)
    run = begun(alice)
    complete(clerk, claim(clerk), kind="order")
    assert step(run, "enter").held_because == "The fake system is switched off."
    System.objects.update(is_enabled=True)
    stop = stops.raise_stop(
        actor=alice.as_actor(), scope_kind="system", scope_id=str(System.objects.get().pk), reason="it is wrong"
    )
    services.sweep_runs()
    assert step(run, "enter").held_by is not None
    stops.lift_stop(actor=alice.as_actor(), stop=stop, reason="mended now")
    services.sweep_runs()
    attempt(run)
    assert (fake.count(), Run.objects.get().outcome) == (1, "answered")


def switched(on: bool, alice: Any) -> None:
    set_system_enabled(actor=alice.as_actor(), system=System.objects.get(), enabled=on, reason="at its gates")


@pytest.mark.parametrize("by", ["its breaker", "its switch"])
def test_held_steps_go_on_at_once_when_their_system_is_back(
    alice: Any, bob: Any, clerk: Any, monkeypatch: Any, django_capture_on_commit_callbacks: Any, by: str
) -> None:
    """Nobody waits for the clock; what a worker would be told is done here."""
    told: list[str] = []
    monkeypatch.setattr(dispatch, "hint_release", lambda: (told.append(by), jobs.release()))
    publish(alice, bob, letters())
    broken() if by == "its breaker" else switched(False, alice)
    run = begun(alice)
    complete(clerk, claim(clerk), kind="order")
    assert step(run, "enter").held_by is not None
    with django_capture_on_commit_callbacks(execute=True):
        record_success(System.objects.get()) if by == "its breaker" else switched(True, alice)
    services.tick()
    assert (step(run, "enter").held_by, step(run, "enter").state, told) == (None, "running", [by])
    with django_capture_on_commit_callbacks(execute=True):
        record_success(System.objects.get())
        switched(True, alice)
    assert told == [by], "nothing was down, and nothing is held"


@pytest.mark.parametrize(("way", "found"), [("person", "incident"), ({"to": "look"}, "running")])
def test_another_way_while_a_system_is_down(
    alice: Any, bob: Any, clerk: Any, book: Any, way: Any, found: str
) -> None:
    broken()
    run = made(alice, bob, clerk, when_down=way)
    run.refresh_from_db()
    assert run.state == found
    if found == "running":
        assert (step(run, "enter").error["code"], step(run, "look").state) == ("system_down", "running")


# Agents


def worked(alice: Any, bob: Any, **read: Any) -> Run:
    publish(alice, bob, letters(read=read))
    return begun(alice)


def test_a_task_waits_as_its_policy_says(alice: Any, bob: Any, clerk: Any) -> None:
    run = worked(alice, bob, retry={**RETRY, "never": ["unreadable"]})
    task = claim(clerk)
    failed = {"actor": clerk.user.as_actor(), "message": "no", "retry": True}
    tasks.fail_task(task_id=task.pk, epoch=task.epoch, code="busy", **failed)
    task.refresh_from_db()
    assert 50 < (task.available_at - database_now()).total_seconds() < 61
    Task.objects.filter(pk=task.pk).update(available_at=Now())
    task = claim(clerk)
    tasks.fail_task(task_id=task.pk, epoch=task.epoch, code="unreadable", **failed)
    services.tick()
    read = step(run, "read")
    assert (read.state, read.error["message"]) == ("failed", "Tried 2 times; the last time: no")


def test_nobody_takes_a_task_in_time(alice: Any, bob: Any, clerk: Any) -> None:
    run = worked(alice, bob, attempts=1, timeouts={"queue_seconds": 60})
    services.sweep_runs()
    assert step(run, "read").state == "running"
    pass_time(run, 61)
    services.sweep_runs()
    assert (step(run, "read").error["code"], step(run, "look").state) == ("timed_out_queue", "running")


def test_an_attempt_has_its_time_and_late_work_is_refused(alice: Any, bob: Any, clerk: Any) -> None:
    run = worked(alice, bob, retry={"most": 2, "wait_seconds": 0}, timeouts={"run_seconds": 60})
    pass_time(run, 61)
    services.sweep_runs()
    assert Task.objects.get(kind="agent_work").attempts == 0, "nobody had it"
    task = claim(clerk)
    pass_time(run, 61)
    services.sweep_runs()
    with pytest.raises(Refusal) as late:
        complete(clerk, task, kind="chat", pages=1)
    assert late.value.code == "task_stale"
    task.refresh_from_db()
    assert (task.state, task.failure["code"], task.attempts) == ("open", "timed_out_run", 1)
    complete(clerk, claim(clerk), kind="chat", pages=1)
    assert Run.objects.get().outcome == "answered"


def test_all_attempts_together_have_their_time(alice: Any, bob: Any, clerk: Any) -> None:
    run = worked(alice, bob, attempts=9, timeouts={"total_seconds": 600})
    task = claim(clerk)
    pass_time(run, 601)
    services.sweep_runs()
    assert step(run, "read").error["code"] == "timed_out_total"
    with pytest.raises(Refusal, match=r"claim 1 is over|already failed"):
        complete(clerk, task, kind="chat", pages=1)


def test_a_claim_lapses_without_a_heartbeat(alice: Any, bob: Any, clerk: Any) -> None:
    worked(alice, bob, timeouts={"heartbeat_seconds": 20})
    (task,) = tasks.claim_next(actor=clerk.user.as_actor(), lease_seconds=600)
    assert (task.lease_until - database_now()).total_seconds() < 21


def test_a_question_that_nobody_decides_times_out(alice: Any, bob: Any, clerk: Any, fake: Any) -> None:
    hold_above(10_000)
    run = made(alice, bob, clerk, timeouts={"queue_seconds": 60, "total_seconds": 900})
    assert Action.objects.get().state == "held"
    pass_time(run, 61)
    services.sweep_runs()
    assert Action.objects.get().state in ("withdrawn", "stopped")
    assert (step(run, "enter").error["code"], step(run, "look").state) == ("timed_out_queue", "running")
    assert fake.count() == 0


def test_a_call_that_may_have_an_effect_is_not_given_up(alice: Any, bob: Any, clerk: Any, fake: Any) -> None:
    run = made(alice, bob, clerk, timeouts={"run_seconds": 5, "total_seconds": 60})
    fake.fail_next("effect_then_500")
    action = attempt(run)
    Action.objects.update(dispatched_at=Now() - timedelta(seconds=90))
    pass_time(run, 90)
    services.sweep_runs()
    assert step(run, "enter").state == "running"
    late = Event.objects.filter(verb="runs.step_overdue").values_list("code", flat=True)
    assert set(late) == {"timed_out_run", "timed_out_total"}
    look_up_early(action_id=action.pk)
    services.tick()
    assert (fake.count(), Run.objects.get().outcome) == (1, "answered")
