"""A run from start to end: agents claim, people settle, operations are governed, nothing is done twice."""

from __future__ import annotations

import copy
from importlib import import_module
from typing import Any

import pytest
from django.db import DatabaseError, transaction
from django.db.models.functions import Now

from agents.models import ChangeRequest, Department
from agents.services import lifecycle, stops
from audit.models import Event
from audit.vocabulary import Refusal
from tests.fakes import arguments
from tests.workflows.approved import in_force, written
from tests.workflows.conftest import ask, hold_above
from tests.workflows.test_engine import CONTENT
from workflows.actions.models import Action
from workflows.actions.services import run_action
from workflows.approvals.models import Approval
from workflows.approvals.services import cast_vote
from workflows.runs import services
from workflows.runs.choices import RUN_TRANSITIONS, STEP_SETTLED, STEP_TRANSITIONS
from workflows.runs.models import Ready, Run, Step, Timer, Workflow
from workflows.runs.selectors import visible_to
from workflows.tasks import services as tasks
from workflows.tasks.models import Task

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("hints", "holds")]
WHY = "set up for a test"


def letters(**nodes: Any) -> dict[str, Any]:
    """Return the small workflow of these tests, some of its nodes changed."""
    content = copy.deepcopy(CONTENT)
    content["nodes"]["read"]["role"] = "bookkeeper"
    content["nodes"]["read"]["due_seconds"] = 600
    enter = content["nodes"]["enter"]
    enter.update(
        role="bookkeeper",
        refused="look",
        arguments={
            "number": "input.topic",
            "supplier": '"SUP-001"',
            "total": '{"minor": 12300, "currency": "EUR"}',
            "date": '"2026-01-31"',
        },
    )
    fitting = set(arguments("N", 12_300))
    enter["arguments"] = {name: text for name, text in enter["arguments"].items() if name in fitting}
    for name, changes in nodes.items():
        content["nodes"][name].update(changes)
    return content


def approve(bob: Any) -> None:
    """Let bob approve the one change that waits."""
    question = Approval.objects.get(subject_kind="agents.changerequest", state="pending")
    cast_vote(
        actor=bob.as_actor(),
        approval_id=question.pk,
        verdict="approve",
        reason="read and agreed",
        digest=question.digest,
    )


def publish(alice: Any, bob: Any, content: dict[str, Any] | None = None) -> Workflow:
    return in_force(alice, bob, content or letters())


@pytest.fixture
def workflow(clerk: Any, alice: Any, bob: Any) -> Workflow:
    return publish(alice, bob)


def start(alice: Any, topic: str = "bolts", key: str = "letter-1") -> Run:
    return services.start_run(
        actor=alice.as_actor(), workflow_code="letters", input={"topic": topic}, key=key
    ).run


def begun(alice: Any, **more: Any) -> Run:
    run = start(alice, **more)
    services.tick()
    return run


def claim(clerk: Any) -> Task:
    (task,) = tasks.claim_next(actor=clerk.user.as_actor())
    return task


def complete(clerk: Any, task: Task, **answer: Any) -> None:
    tasks.complete_task(actor=clerk.user.as_actor(), task_id=task.pk, epoch=task.epoch, answer=answer)
    services.tick()


def step(run: Run, node: str) -> Step:
    return run.steps.filter(node=node).latest("generation")


def test_an_agent_reads_and_the_run_ends(workflow: Workflow, alice: Any, clerk: Any) -> None:
    run = begun(alice)
    task = claim(clerk)
    assert (task.input, task.references["run_id"]) == ({"topic": "bolts"}, str(run.pk))
    complete(clerk, task, kind="chat", pages=1)
    run.refresh_from_db()
    assert (run.state, run.outcome, run.output) == ("done", "answered", {"topic": "bolts"})
    assert step(run, "read").agent == clerk
    verbs = set(Event.objects.filter(run_id=str(run.pk)).values_list("verb", flat=True))
    assert {"runs.run_started", "tasks.task_claimed", "tasks.task_completed", "runs.run_finished"} <= verbs
    assert Ready.objects.count() == Timer.objects.count() == 0


def test_an_operation_goes_the_one_path(workflow: Workflow, alice: Any, clerk: Any, fake: Any) -> None:
    run = begun(alice)
    complete(clerk, claim(clerk), kind="order")
    action = Action.objects.get()
    assert (action.agent, action.state, action.references["run_id"]) == (clerk, "authorized", str(run.pk))
    assert "the least to do" in step(run, "enter").chosen_because
    run_action(action_id=action.pk)
    services.tick()
    run.refresh_from_db()
    assert (run.outcome, fake.count()) == ("answered", 1)
    assert Event.objects.filter(action_id=str(action.pk), run_id=str(run.pk)).exists()


def test_a_held_operation_waits_and_a_rejected_one_goes_the_way_for_that(
    workflow: Workflow, alice: Any, bob: Any, clerk: Any, fake: Any
) -> None:
    hold_above(10_000)
    run = begun(alice)
    complete(clerk, claim(clerk), kind="order")
    question = Approval.objects.get(state="pending")
    services.tick()
    assert step(run, "enter").state == "running"
    cast_vote(
        actor=bob.as_actor(),
        approval_id=question.pk,
        verdict="reject",
        reason="not ours",
        digest=question.digest,
    )
    services.tick()
    assert (step(run, "enter").error["code"], step(run, "look").state) == ("rejected", "running")
    assert fake.count() == 0


def test_an_operation_that_is_refused_outright_goes_the_way_for_that(clerk: Any, alice: Any, bob: Any) -> None:
    content = letters()
    content["nodes"]["enter"]["arguments"]["number"] = (
        "1 + 2"  # no text, as the schema wants it; the lint cannot tell
    )
    publish(alice, bob, content)
    run = begun(alice)
    complete(clerk, claim(clerk), kind="order")
    run.refresh_from_db()
    assert (run.state, step(run, "enter").error["code"]) == ("running", "invalid_arguments")
    assert step(run, "look").state == "running"
    assert Event.objects.filter(verb="actions.request_refused", run_id=str(run.pk)).count() == 1


def test_a_person_settles(workflow: Workflow, alice: Any, bob: Any, clerk: Any) -> None:
    run = begun(alice)
    task = claim(clerk)
    tasks.fail_task(
        actor=clerk.user.as_actor(),
        task_id=task.pk,
        epoch=task.epoch,
        code="torn",
        message="Torn.",
        retry=False,
    )
    services.tick()
    human = step(run, "look").task
    assert human is not None
    assert human.kind == "human_work"
    tasks.claim_task(actor=bob.as_actor(), task_id=human.pk)
    with pytest.raises(Refusal, match="was refused at"):
        tasks.complete_task(actor=bob.as_actor(), task_id=human.pk, answer={"surprise": 1})
    tasks.complete_task(actor=bob.as_actor(), task_id=human.pk, answer={"note": "called them"})
    services.tick()
    run.refresh_from_db()
    assert run.outcome == "answered"
    assert step(run, "read").error["code"] == "torn"


def test_the_same_key_is_the_same_run(workflow: Workflow, alice: Any) -> None:
    run = start(alice)
    again = services.start_run(
        actor=alice.as_actor(), workflow_code="letters", input={"topic": "bolts"}, key="letter-1"
    )
    assert (again.run, again.is_new) == (run, False)
    with pytest.raises(Refusal, match="began with other input"):
        start(alice, topic="nuts")


def test_who_may_start_and_what_fits(workflow: Workflow, alice: Any, mallory: Any, clerk: Any) -> None:
    with pytest.raises(Refusal, match="may not start"):
        start(mallory)
    with pytest.raises(Refusal, match=r"portal\.run\.start"):
        start(clerk.user)
    with pytest.raises(Refusal, match="No run of Answer letters"):
        services.start_run(actor=alice.as_actor(), workflow_code="letters", input={"x": 1}, key="k")
    with pytest.raises(Refusal, match="no workflow"):
        services.start_run(actor=alice.as_actor(), workflow_code="gone", input={}, key="k")
    services.set_enabled(actor=alice.as_actor(), workflow=workflow, enabled=False, reason=WHY)
    with pytest.raises(Refusal, match="switched off"):
        start(alice)
    assert Event.objects.filter(verb="runs.start_refused").count() == 4


def test_a_running_run_keeps_its_version(workflow: Workflow, alice: Any, bob: Any, clerk: Any) -> None:
    run = begun(alice)
    content = letters(done={"outcome": "replied"})
    services.propose_version(actor=alice.as_actor(), text=written(content), reason=WHY, workflow=workflow)
    other = start(alice, key="between")
    approve(bob)
    newest = start(alice, key="after")
    assert [it.version.number for it in (run, other, newest)] == [1, 1, 2]
    services.tick()
    for _turn in range(3):
        complete(clerk, claim(clerk), kind="chat", pages=1)
    outcomes = dict(Run.objects.values_list("key", "outcome"))
    assert outcomes == {"letter-1": "answered", "between": "answered", "after": "replied"}


def test_a_version_needs_a_second_person(clerk: Any, alice: Any, bob: Any) -> None:
    text = written(letters())
    services.propose_version(actor=alice.as_actor(), text=text, reason=WHY)
    with pytest.raises(Refusal, match="no version"):
        start(alice)
    with pytest.raises(Refusal):
        approve(alice)
    with pytest.raises(Refusal, match="still waits"):
        services.propose_version(actor=alice.as_actor(), text=text, reason=WHY)
    question = Approval.objects.get(state="pending")
    cast_vote(
        actor=bob.as_actor(), approval_id=question.pk, verdict="reject", reason="not so", digest=question.digest
    )
    version = Workflow.objects.get().versions.get()
    assert (version.state, ChangeRequest.objects.get().state) == ("rejected", "rejected")


def test_a_version_is_never_changed(workflow: Workflow) -> None:
    version = workflow.current
    assert version is not None
    with pytest.raises(DatabaseError, match="never changed"), transaction.atomic():
        type(version).objects.filter(pk=version.pk).update(text="other")
    with pytest.raises(DatabaseError, match="never deleted"), transaction.atomic():
        type(version).objects.filter(pk=version.pk)._raw_delete("default")


def test_what_is_wrong_with_a_definition_is_said(clerk: Any, alice: Any, bob: Any) -> None:
    content = letters(read={"role": "pilot"})
    with pytest.raises(Refusal, match="There is no role pilot") as refused:
        services.propose_version(actor=alice.as_actor(), text=written(content), reason=WHY)
    assert refused.value.code == "definition_invalid"
    with pytest.raises(Refusal, match="may not change workflows"):
        services.propose_version(actor=bob.as_actor(), text=written(letters()), reason=WHY)


def test_a_retry_comes_later_and_ends(workflow: Workflow, alice: Any, clerk: Any) -> None:
    run = begun(alice)
    for attempt in (1, 2, 3):
        task = claim(clerk)
        tasks.fail_task(
            actor=clerk.user.as_actor(),
            task_id=task.pk,
            epoch=task.epoch,
            code="away",
            message="The scanner is away.",
            retry=True,
        )
        services.tick()
        if attempt < 3:
            assert tasks.claim_next(actor=clerk.user.as_actor()) == []  # not yet
            Task.objects.filter(pk=task.pk).update(available_at=Now())
    assert step(run, "read").state == "failed"
    assert step(run, "look").state == "running"


def test_a_task_waits_for_its_action_and_nobody_sits_there(
    workflow: Workflow, alice: Any, bob: Any, clerk: Any, fake: Any
) -> None:
    hold_above(10_000)
    begun(alice)
    task = claim(clerk)
    held = ask(clerk, key="k", minor=20_000, task_id=str(task.pk), task_epoch=task.epoch)
    assert held.state == "held"
    tasks.release_task(actor=clerk.user.as_actor(), task_id=task.pk, epoch=task.epoch, wait_for=held.as_ref())
    assert tasks.claim_next(actor=clerk.user.as_actor()) == []
    question = Approval.objects.get(state="pending")
    cast_vote(
        actor=bob.as_actor(),
        approval_id=question.pk,
        verdict="approve",
        reason="fine by me",
        digest=question.digest,
    )
    assert tasks.claim_next(actor=clerk.user.as_actor()) == []  # authorized is not the end of it
    run_action(action_id=held.pk)
    again = claim(clerk)
    repeated = ask(clerk, key="k", minor=20_000, task_id=str(again.pk), task_epoch=again.epoch)
    assert (again.pk, repeated.pk, repeated.state, fake.count()) == (task.pk, held.pk, "confirmed", 1)


def test_a_task_waits_for_nothing_that_is_over_or_not_its_own(
    workflow: Workflow, alice: Any, clerk: Any
) -> None:
    begun(alice)
    task = claim(clerk)
    strange = ask(clerk, key="other", number="X")
    with pytest.raises(Refusal, match="no action of this task"):
        tasks.release_task(
            actor=clerk.user.as_actor(), task_id=task.pk, epoch=task.epoch, wait_for=strange.as_ref()
        )
    own = ask(clerk, key="own", number="Y", task_id=str(task.pk), task_epoch=task.epoch)
    run_action(action_id=own.pk)
    tasks.release_task(actor=clerk.user.as_actor(), task_id=task.pk, epoch=task.epoch, wait_for=own.as_ref())
    assert claim(clerk).pk == task.pk


def test_a_stale_claim_writes_nothing(workflow: Workflow, alice: Any, clerk: Any) -> None:
    begun(alice)
    old = claim(clerk)
    Task.objects.filter(pk=old.pk).update(lease_until=Now())
    tasks.release_lapsed()
    new = claim(clerk)
    assert new.epoch == old.epoch + 1
    for stale in (
        lambda: complete(clerk, old, kind="chat", pages=1),
        lambda: tasks.heartbeat_task(actor=clerk.user.as_actor(), task_id=old.pk, epoch=old.epoch),
        lambda: ask(clerk, task_id=str(old.pk), task_epoch=old.epoch),
    ):
        with pytest.raises(Refusal) as refused:
            stale()
        assert refused.value.code == "task_stale"
    complete(clerk, new, kind="chat", pages=1)
    complete(clerk, new, kind="chat", pages=1)  # the reply was lost: the same again is no error


def test_who_is_stopped_is_given_no_work(workflow: Workflow, alice: Any, clerk: Any) -> None:
    begun(alice)
    stop = stops.raise_stop(
        actor=alice.as_actor(), scope_kind="workflow", scope_id=str(workflow.pk), reason="it goes wrong"
    )
    assert tasks.claim_next(actor=clerk.user.as_actor()) == []
    with pytest.raises(Refusal, match="stopped"):
        start(alice, key="other")
    stops.lift_stop(actor=alice.as_actor(), stop=stop, reason="mended now")
    lifecycle.pause_agent(actor=alice.as_actor(), agent=clerk, reason="looking into it")
    with pytest.raises(Refusal, match="is paused"):
        claim(clerk)


def test_a_paused_agent_hands_nothing_in(workflow: Workflow, alice: Any, clerk: Any) -> None:
    begun(alice)
    task = claim(clerk)
    lifecycle.pause_agent(actor=alice.as_actor(), agent=clerk, reason="looking into it")
    with pytest.raises(Refusal, match="is paused"):
        complete(clerk, task, kind="chat", pages=1)
    with pytest.raises(Refusal, match="is paused"):
        tasks.fail_task(
            actor=clerk.user.as_actor(), task_id=task.pk, epoch=task.epoch, code="x", message="x", retry=False
        )
    lifecycle.lift_brake(actor=alice.as_actor(), agent=clerk, reason="all is well again")
    clerk.refresh_from_db()
    complete(clerk, task, kind="chat", pages=1)


def test_work_of_a_department_is_for_its_agents(clerk: Any, alice: Any, bob: Any) -> None:
    Department.objects.create(code="legal", name="Legal")
    publish(alice, bob, letters(read={"department": "legal"}, enter={"department": "legal"}))
    begun(alice)
    assert tasks.claim_next(actor=clerk.user.as_actor()) == []
    clerk.department = Department.objects.create(
        code="contracts", name="Contracts", parent=Department.objects.get(code="legal")
    )
    clerk.save(update_fields=["department"])
    assert claim(clerk).title.startswith("Read it")


def test_a_workflow_that_is_stopped_does_nothing_in_systems(
    workflow: Workflow, alice: Any, clerk: Any, fake: Any
) -> None:
    begun(alice)
    complete(clerk, claim(clerk), kind="order")
    stops.raise_stop(
        actor=alice.as_actor(), scope_kind="workflow", scope_id=str(workflow.pk), reason="it goes wrong"
    )
    assert run_action(action_id=Action.objects.get().pk).state == "stopped"
    assert fake.count() == 0


def test_what_nobody_can_go_on_with_waits_for_an_operator(
    workflow: Workflow, alice: Any, dave: Any, clerk: Any
) -> None:
    run = begun(alice)
    complete(clerk, claim(clerk), kind="chat")  # pages is missing, and a condition asks for it
    run.refresh_from_db()
    assert (run.state, "does not have “pages”" in run.problem) == ("incident", True)
    incident = Task.objects.get(kind="incident", subject_kind="runs.run")
    services.retry_run(actor=dave.as_actor(), run=run, reason="asked the agent again")
    incident.refresh_from_db()
    assert incident.state == "done"
    complete(clerk, claim(clerk), kind="chat", pages=2)
    run.refresh_from_db()
    assert (run.state, step(run, "read").generation) == ("done", 2)


def test_an_operation_that_was_done_is_not_repeated_when_the_run_goes_on(
    clerk: Any, alice: Any, bob: Any, dave: Any, fake: Any
) -> None:
    content = letters()
    content["nodes"]["enter"]["next"] = [
        {"when": 'steps.enter.answer.nowhere == "x"', "to": "look"},
        {"to": "done"},
    ]
    publish(alice, bob, content)
    run = begun(alice)
    complete(clerk, claim(clerk), kind="order")
    run_action(action_id=Action.objects.get().pk)
    services.tick()
    run.refresh_from_db()
    assert (run.state, fake.count()) == ("incident", 1)
    services.retry_run(actor=dave.as_actor(), run=run, reason="look at it once more")
    services.tick()
    run.refresh_from_db()
    assert (run.state, Action.objects.count(), fake.count()) == ("incident", 1, 1)
    assert Task.objects.filter(kind="incident", subject_kind="runs.run", state="open").count() == 1


def test_cancelling_takes_back_what_is_open(workflow: Workflow, alice: Any, dave: Any, clerk: Any) -> None:
    hold_above(10_000)
    run = begun(alice)
    complete(clerk, claim(clerk), kind="order")
    with pytest.raises(Refusal, match="may not steer"):
        services.cancel_run(actor=clerk.user.as_actor(), run=run, reason="I am tired of it")
    services.cancel_run(actor=dave.as_actor(), run=run, reason="the letter was a joke")
    run.refresh_from_db()
    assert (
        run.state,
        Action.objects.get().state,
        Approval.objects.get(subject_kind="actions.action").state,
    ) == (
        "cancelled",
        "withdrawn",
        "withdrawn",
    )
    with pytest.raises(Refusal, match="is cancelled"):
        services.cancel_run(actor=dave.as_actor(), run=run, reason="the letter was a joke")
    services.tick()


def test_what_lost_its_row_is_found_again(workflow: Workflow, alice: Any, clerk: Any) -> None:
    run = start(alice)
    Ready.objects.all().delete()
    services.sweep_runs()
    complete(clerk, claim(clerk), kind="chat", pages=1)
    run.refresh_from_db()
    assert run.state == "done"


def test_what_is_overdue_is_said_once(workflow: Workflow, alice: Any) -> None:
    run = begun(alice)
    Timer.objects.update(fire_at=Now())
    services.sweep_runs()
    services.sweep_runs()
    assert Event.objects.filter(run_id=str(run.pk), verb="runs.step_overdue").count() == 1
    assert step(run, "read").task.priority == 1


def test_who_may_see_a_run(
    workflow: Workflow, alice: Any, bob: Any, carol: Any, mallory: Any, clerk: Any
) -> None:
    run = begun(alice)
    assert run in visible_to(alice)
    assert run in visible_to(carol)
    assert run not in visible_to(bob)
    assert run not in visible_to(mallory)
    assert run not in visible_to(clerk.user)
    task = claim(clerk)
    assert run in visible_to(clerk.user)
    tasks.fail_task(
        actor=clerk.user.as_actor(),
        task_id=task.pk,
        epoch=task.epoch,
        code="torn",
        message="Torn.",
        retry=False,
    )
    services.tick()
    assert run in visible_to(bob)  # somebody has to settle it, and bob is one of them


def test_the_triggers_and_the_code_read_the_same_tables() -> None:
    runs = import_module("workflows.runs.migrations.0002_guards").RUNS
    steps = import_module("workflows.runs.migrations.0002_guards").STEPS
    settled = import_module("workflows.runs.migrations.0003_settled_by_hand").SETTLED
    for table, kept in ((RUN_TRANSITIONS, runs), (STEP_TRANSITIONS, steps), (STEP_SETTLED, settled)):
        assert {state.value: sorted(it.value for it in after) for state, after in table.items() if after} == {
            state: sorted(after) for state, after in kept.items()
        }
