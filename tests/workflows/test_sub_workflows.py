"""A step begins a run of another workflow: it waits for its end, and takes it along."""

from __future__ import annotations

from typing import Any

import pytest
from django.db.models.functions import Now

from agents.services import stops
from audit.models import Event
from audit.vocabulary import Actor, Refusal
from tests.workflows.approved import in_force
from tests.workflows.test_runs import begun, letters, start, step
from tests.workflows.test_runs_frames import WORK, give_up, hand_in, nothing_is_left
from workflows.actions.models import Action
from workflows.runs import jobs, services
from workflows.runs.choices import OPEN_RUNS
from workflows.runs.models import Ready, Run, Step, Workflow
from workflows.runs.selectors import people_behind

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("hints")]
TESTS = Actor.system("tests")
BUILD: dict[str, Any] = {"kind": "sub", "workflow": "inner", "give": {"topic": "input.topic"}, "next": "done"}
DONE = {"kind": "end", "name": "Done", "outcome": "answered"}


def write(who: Any, approver: Any, code: str, begin: str, **nodes: Any) -> Workflow:
    content = letters()
    content.update(code=code, name=code.capitalize(), start=begin)
    content["nodes"] = {"done": DONE, **{key: {"name": key, **node} for key, node in nodes.items()}}
    return in_force(who, approver, content)


@pytest.fixture
def both(clerk: Any, alice: Any, bob: Any) -> None:
    """letters begins inner, in which an agent works."""
    ends = {**DONE, "output": {"sum": "steps.work.answer.sum"}}
    write(alice, bob, "inner", "work", work={**WORK, "next": "done"}, done=ends)
    write(alice, bob, "letters", "build", build=BUILD)


def child_of(run: Run, node: str = "build") -> Run:
    return Run.objects.get(parent=step(run, node))


def test_the_end_of_the_child_is_the_answer_of_the_step(both: None, clerk: Any, alice: Any) -> None:
    run = begun(alice)
    child = child_of(run)
    assert (child.workflow.code, child.depth, child.input) == ("inner", 1, {"topic": "bolts"})
    assert step(run, "build").state == "running"
    services.tick()
    hand_in(clerk, sum=7)
    run.refresh_from_db()
    answer = {"outcome": "answered", "output": {"sum": 7}, "run": str(child.pk)}
    assert (run.state, step(run, "build").answer) == ("done", answer)
    for each in (run, child):
        nothing_is_left(each)


def test_cancelling_the_parent_cancels_the_tree(clerk: Any, alice: Any, bob: Any) -> None:
    write(alice, bob, "inmost", "work", work={**WORK, "next": "done"})
    write(alice, bob, "inner", "build", build={**BUILD, "workflow": "inmost"})
    write(alice, bob, "letters", "build", build=BUILD)
    run = begun(alice)
    services.tick()
    assert Run.objects.filter(state="running").count() == 3
    effect = services.preview_steering(actor=alice.as_actor(), run=run, verb=services.Cancel())
    assert f"{child_of(run).label} is cancelled with it." in [change.sentence for change in effect.changes]
    services.cancel_run(actor=alice.as_actor(), run=run, reason="not wanted")
    assert set(Run.objects.values_list("state", flat=True)) == {"cancelled"}
    ended = Event.objects.filter(verb__in=("runs.run_cancelled", "runs.run_finished"))
    assert ended.count() == 3
    services.sweep_runs()
    for each in Run.objects.all():
        nothing_is_left(each)


def test_a_child_that_was_busy_is_cancelled_by_the_clock(both: None, clerk: Any, alice: Any) -> None:
    """As if somebody had held the child at the moment in which its step was cancelled."""
    run = begun(alice)
    child = child_of(run)
    Step.objects.filter(pk=child.parent_id).update(state="cancelled", finished_at=Now())
    assert services.sweep_runs()["left"] == 1
    child.refresh_from_db()
    assert child.state == "cancelled"
    nothing_is_left(child)


def test_a_cancelled_child_is_a_failure_of_the_step(clerk: Any, alice: Any, bob: Any) -> None:
    write(alice, bob, "inner", "work", work={**WORK, "next": "done"})
    failed = {"kind": "end", "outcome": "gone_wrong"}
    write(alice, bob, "letters", "build", build={**BUILD, "failed": "bad"}, bad=failed)
    run = begun(alice)
    services.cancel_run(actor=alice.as_actor(), run=child_of(run), reason="not wanted")
    services.tick()
    run.refresh_from_db()
    assert (run.outcome, step(run, "build").error["code"]) == ("gone_wrong", "child_cancelled")


def test_a_child_that_stops_leaves_its_parent_waiting(both: None, clerk: Any, alice: Any) -> None:
    run = begun(alice)
    services.tick()
    give_up(clerk)
    child = child_of(run)
    run.refresh_from_db()
    assert (child.state, run.state, step(run, "build").state) == ("incident", "running", "running")
    services.retry_run(actor=alice.as_actor(), run=child, reason="again")
    services.tick()
    hand_in(clerk, sum=1)
    run.refresh_from_db()
    assert run.state == "done"


def test_what_cannot_start_is_a_failure_with_its_code(both: None, clerk: Any, alice: Any) -> None:
    services.set_enabled(
        actor=alice.as_actor(),
        workflow=Workflow.objects.get(code="inner"),
        enabled=False,
        reason="off for a test",
    )
    run = begun(alice)
    run.refresh_from_db()
    assert (run.state, step(run, "build").error["code"]) == ("incident", "workflow_disabled")


def test_a_stop_of_the_childs_workflow_holds_it(both: None, clerk: Any, alice: Any) -> None:
    inner = Workflow.objects.get(code="inner")
    stop = stops.raise_stop(
        actor=TESTS, scope_kind="workflow", scope_id=str(inner.pk), reason="wait for a test"
    )
    run = begun(alice)
    held = step(run, "build")
    assert (held.state, held.error["code"], Run.objects.count()) == ("ready", "stopped", 1)
    assert services.tick() == 0  # it does not turn round and round
    jobs.release()  # nobody has lifted it: it looks, and waits on
    services.tick()
    assert Run.objects.count() == 1
    stops.lift_stop(actor=alice.as_actor(), stop=stop, reason="go on for a test")
    jobs.release()
    services.tick()
    assert (step(run, "build").error, child_of(run).state) == ({}, "running")


def test_done_again_it_is_another_run(clerk: Any, alice: Any, bob: Any) -> None:
    write(alice, bob, "inner", "work", work={**WORK, "next": "done"})
    write(alice, bob, "letters", "build", build={**BUILD, "key": '"inner of " + run.key'})
    run = begun(alice)
    first = child_of(run)
    services.steer_run(
        actor=alice.as_actor(), run=run, verb=services.Rerun(), step=step(run, "build"), reason="again"
    )
    first.refresh_from_db()
    second = child_of(run)
    assert (first.state, first.key) == ("cancelled", "inner of letter-1")
    assert (second.state, second.key) == ("running", "inner of letter-1 #2")


def test_a_key_that_stands_for_other_work_is_no_child(clerk: Any, alice: Any, bob: Any) -> None:
    write(alice, bob, "inner", "work", work={**WORK, "next": "done"})
    write(alice, bob, "letters", "build", build={**BUILD, "key": '"taken"'})
    services.start_run(actor=alice.as_actor(), workflow_code="inner", input={"topic": "bolts"}, key="taken")
    run = begun(alice)
    assert step(run, "build").error["code"] == "child_exists"


def test_a_skipped_step_ends_its_child(both: None, clerk: Any, alice: Any) -> None:
    run = begun(alice)
    child = child_of(run)
    services.steer_run(
        actor=alice.as_actor(), run=run, verb=services.Skip(), step=step(run, "build"), reason="without"
    )
    child.refresh_from_db()
    run.refresh_from_db()
    assert (child.state, run.state) == ("cancelled", "done")


def test_a_circle_is_seen_when_it_is_published(both: None, alice: Any, bob: Any) -> None:
    with pytest.raises(Refusal) as refused:
        write(alice, bob, "inner", "build", build={**BUILD, "workflow": "letters"})
    assert "inner → letters → inner" in refused.value.message
    with pytest.raises(Refusal) as refused:
        write(alice, bob, "inner", "build", build=BUILD)
    assert "inner → inner" in refused.value.message


def test_no_run_is_inside_of_more_than_eight(both: None, clerk: Any, alice: Any) -> None:
    run = start(alice)
    deep = Run.objects.create(
        workflow=run.workflow, version=run.version, key="deep", label="deep", input=run.input,
        input_digest=run.input_digest, depth=8,
    )  # fmt: skip
    run.steps.model.objects.create(run=deep, node="build", kind="sub", name="build")
    services.sweep_runs()
    assert step(deep, "build").error["code"] == "too_deep"
    assert Run.objects.filter(parent__run=deep).count() == 0


def test_what_does_not_fit_is_found_before_it_runs(both: None, alice: Any, bob: Any) -> None:
    with pytest.raises(Refusal) as refused:
        write(alice, bob, "letters", "build", build={**BUILD, "give": {"colour": '"red"'}})
    assert "colour: it is not taken" in refused.value.message
    with pytest.raises(Refusal) as refused:
        write(alice, bob, "letters", "build", build={**BUILD, "workflow": "nowhere"})
    assert "no workflow nowhere" in refused.value.message


def test_a_turn_of_the_parent_that_was_lost_is_found(both: None, clerk: Any, alice: Any) -> None:
    run = begun(alice)
    services.tick()
    services.cancel_run(actor=alice.as_actor(), run=child_of(run), reason="not wanted")
    assert Ready.objects.filter(step=step(run, "build")).exists()
    Ready.objects.all().delete()
    assert services.sweep_runs()["repaired"] == 1
    run.refresh_from_db()
    assert run.state == "incident"


def test_people_behind_the_parent_are_behind_the_child(
    both: None, clerk: Any, alice: Any, django_assert_num_queries: Any
) -> None:
    """One question finds them, however many runs there are around it."""
    run = begun(alice)
    action = Action(references={"run_id": str(child_of(run).pk)})
    with django_assert_num_queries(1):
        assert str(alice.pk) in people_behind(action)
    assert run.state in OPEN_RUNS


def test_whoever_shaped_a_run_beside_it_is_behind_it(clerk: Any, alice: Any, bob: Any, dave: Any) -> None:
    """What one child answers is given to the next: whoever answered it by hand approves nothing in either."""
    write(alice, bob, "inner", "work", work={**WORK, "next": "done"})
    write(alice, bob, "letters", "build", build={**BUILD, "next": "more"}, more=BUILD)
    run = begun(alice)
    first = child_of(run)
    services.tick()
    services.steer_run(
        actor=dave.as_actor(),
        run=first,
        verb=services.Override({"sum": 1}),
        step=step(first, "work"),
        reason="known",
    )
    services.tick()
    beside = Action(references={"run_id": str(child_of(run, "more").pk)})
    assert {str(dave.pk), str(alice.pk)} <= people_behind(beside)


def test_the_pages_of_both_link_to_each_other(both: None, clerk: Any, alice: Any, client: Any) -> None:
    run = begun(alice)
    child = child_of(run)
    client.force_login(alice)
    assert f"/runs/{child.pk}/" in client.get(f"/runs/{run.pk}/").content.decode()
    assert f"/runs/{run.pk}/" in client.get(f"/runs/{child.pk}/").content.decode()
    told = client.get(f"/api/v1/runs/{run.pk}").json()
    assert told["steps"][0]["child"] == str(child.pk)
    assert client.get(f"/api/v1/runs/{child.pk}").json()["parent_run"] == str(run.pk)
