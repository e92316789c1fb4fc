"""Parallels, maps and waits as rows: what the pure machine says, written for many runs at once."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection
from django.db.models.functions import Now
from django.test.utils import CaptureQueriesContext

from audit.models import Event
from tests.workflows.approved import in_force
from tests.workflows.conftest import hold_above
from tests.workflows.test_runs import begun, claim, letters, step
from workflows.runs import services
from workflows.runs.models import Frame, Item, Ready, Run, Step, Timer, Workflow
from workflows.tasks import services as tasks
from workflows.tasks.models import Task

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("hints", "holds")]

WORK = {
    "kind": "agent",
    "role": "bookkeeper",
    "answer": {"type": "object", "additionalProperties": False, "properties": {"sum": {"type": "integer"}}},
}


def publish(alice: Any, bob: Any, start: str, **nodes: Any) -> Workflow:
    content = letters()
    content["start"] = start
    content["input"]["properties"]["lines"] = {"type": "array", "items": {"type": "string"}}
    done = {"kind": "end", "name": "Done", "outcome": "answered"}
    content["nodes"] = {"done": done, **{key: {"name": key, **node} for key, node in nodes.items()}}
    return in_force(alice, bob, content)


def both(alice: Any, bob: Any, **join: Any) -> None:
    publish(
        alice,
        bob,
        "both",
        both={"kind": "parallel", "join": "met", "branches": [{"to": "left"}, {"to": "right"}]},
        left={**WORK, "next": "met"},
        right={**WORK, "next": "met"},
        met={"kind": "join", "next": "done", **join},
    )


def each(
    alice: Any, bob: Any, over: str = "input.lines", join: dict[str, Any] | None = None, **of_map: Any
) -> None:
    publish(
        alice,
        bob,
        "each",
        each={"kind": "map", "over": "input.lines", "do": "book", "join": "booked", **of_map},
        book={**WORK, "give": {"line": "item", "at": "index"}, "next": "booked"},
        booked={"kind": "join", "collect": "steps.book.answer.sum", "next": "done"},
    )


def hand_in(clerk: Any, **answer: Any) -> Any:
    task = claim(clerk)
    tasks.complete_task(actor=clerk.user.as_actor(), task_id=task.pk, epoch=task.epoch, answer=answer)
    services.tick()
    return task


def give_up(clerk: Any) -> None:
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


def start_over(alice: Any, lines: list[str]) -> Run:
    run = services.start_run(
        actor=alice.as_actor(), workflow_code="letters", input={"topic": "bolts", "lines": lines}, key="k"
    ).run
    services.tick()
    return run


def nothing_is_left(run: Run) -> None:
    assert not Ready.objects.exists()
    assert not Timer.objects.exists()
    assert not Step.objects.filter(run=run, state__in=["ready", "running"]).exists()
    assert not Frame.objects.filter(run=run, is_closed=False).exists()


def test_an_end_in_one_branch_ends_the_run_though_another_waits_for_an_operator(
    clerk: Any, alice: Any, bob: Any
) -> None:
    publish(
        alice,
        bob,
        "both",
        both={"kind": "parallel", "join": "met", "branches": [{"to": "left"}, {"to": "right"}]},
        left={**WORK, "next": "met"},
        right={**WORK, "next": [{"when": "steps.right.answer.sum == 1", "to": "done"}, {"to": "met"}]},
        met={"kind": "join", "next": "done"},
    )
    run = begun(alice)
    give_up(clerk)
    run.refresh_from_db()
    assert run.state == "incident"
    hand_in(clerk, sum=1)
    run.refresh_from_db()
    assert (run.state, run.outcome, run.problem) == ("done", "answered", "")
    assert not Task.objects.filter(kind="incident", state__in=Task.WAITING).exists()
    nothing_is_left(run)


def test_branches_go_on_beside_each_other_and_meet(clerk: Any, alice: Any, bob: Any) -> None:
    both(alice, bob)
    run = begun(alice)
    assert {step(run, name).state for name in ("left", "right")} == {"running"}
    hand_in(clerk, sum=1)
    run.refresh_from_db()
    assert (run.state, Frame.objects.get().arrived) == ("running", 1)
    hand_in(clerk, sum=2)
    run.refresh_from_db()
    assert (run.state, step(run, "met").answer["arrived"]) == ("done", 2)
    nothing_is_left(run)


def test_the_first_is_enough_and_the_other_is_taken_back(clerk: Any, alice: Any, bob: Any) -> None:
    both(alice, bob, need="any", rest="cancel")
    run = begun(alice)
    hand_in(clerk, sum=1)
    run.refresh_from_db()
    states = sorted(step(run, name).state for name in ("left", "right"))
    assert (run.state, states) == ("done", ["cancelled", "done"])
    assert tasks.claim_next(actor=clerk.user.as_actor()) == []
    nothing_is_left(run)


def test_one_branch_that_stops_leaves_the_other_to_go_on(clerk: Any, alice: Any, bob: Any, dave: Any) -> None:
    both(alice, bob)
    run = begun(alice)
    give_up(clerk)
    run.refresh_from_db()
    assert (run.state, run.problem) == ("incident", "Torn.")
    hand_in(clerk, sum=1)
    run.refresh_from_db()
    assert (run.state, Frame.objects.get().arrived) == ("incident", 1)
    services.retry_run(actor=dave.as_actor(), run=run, reason="it was mended")
    hand_in(clerk, sum=2)
    run.refresh_from_db()
    assert run.state == "done"
    nothing_is_left(run)


def test_an_incident_is_open_while_another_branch_still_waits(
    clerk: Any, alice: Any, bob: Any, dave: Any
) -> None:
    both(alice, bob)
    run = begun(alice)
    give_up(clerk)
    give_up(clerk)
    incidents = Task.objects.filter(kind="incident", state="open")
    assert incidents.count() == 2
    services.retry_run(actor=dave.as_actor(), run=run, reason="one was mended")
    run.refresh_from_db()
    assert (run.state, incidents.exists()) == ("incident", True)
    services.retry_run(actor=dave.as_actor(), run=run, reason="the other, too")
    run.refresh_from_db()
    assert (run.state, incidents.exists()) == ("running", False)


def test_a_run_that_ends_beside_one_that_begins_is_told_once(clerk: Any, alice: Any, bob: Any) -> None:
    publish(alice, bob, "only", only={**WORK, "next": "done"})
    first = begun(alice)
    task = claim(clerk)
    tasks.complete_task(actor=clerk.user.as_actor(), task_id=task.pk, epoch=task.epoch, answer={"sum": 1})
    services.start_run(actor=alice.as_actor(), workflow_code="letters", input={"topic": "nuts"}, key="second")
    services.tick()
    assert Event.objects.filter(run_id=str(first.pk), verb="runs.run_finished").count() == 1


def test_a_run_is_cancelled_with_everything_in_its_frames(clerk: Any, alice: Any, bob: Any, dave: Any) -> None:
    both(alice, bob)
    run = begun(alice)
    claim(clerk)
    services.cancel_run(actor=dave.as_actor(), run=run, reason="no longer wanted")
    run.refresh_from_db()
    assert run.state == "cancelled"
    assert tasks.claim_next(actor=clerk.user.as_actor()) == []
    nothing_is_left(run)


def test_every_item_is_done_and_what_came_of_it_stands_in_its_order(clerk: Any, alice: Any, bob: Any) -> None:
    each(alice, bob, most_at_once=2)
    run = start_over(alice, ["a", "b", "c"])
    assert Step.objects.filter(run=run, node="book").count() == 2
    given = {}
    for _ in range(3):
        task = hand_in(clerk, sum=len(given) + 10)
        given[task.input["at"]] = (task.input["line"], len(given) + 10)
    run.refresh_from_db()
    assert {at: line for at, (line, _) in given.items()} == {0: "a", 1: "b", 2: "c"}
    assert step(run, "booked").answer["items"] == [given[at][1] for at in range(3)]
    assert run.state == "done"
    nothing_is_left(run)


def test_an_empty_list_is_done_at_once(clerk: Any, alice: Any, bob: Any) -> None:
    each(alice, bob)
    run = start_over(alice, [])
    run.refresh_from_db()
    assert (run.state, step(run, "booked").answer["items"]) == ("done", [])
    nothing_is_left(run)


def test_so_many_items_may_fail_and_no_more(clerk: Any, alice: Any, bob: Any) -> None:
    each(alice, bob, tolerate=1)
    run = start_over(alice, ["a", "b", "c"])
    give_up(clerk)
    hand_in(clerk, sum=7)
    hand_in(clerk, sum=8)
    run.refresh_from_db()
    assert (run.state, step(run, "booked").answer["failed"]) == ("done", 1)
    assert None in step(run, "booked").answer["items"]
    nothing_is_left(run)


def test_a_wait_ends_by_the_clock_of_the_database(clerk: Any, alice: Any, bob: Any) -> None:
    publish(alice, bob, "later", later={"kind": "wait", "seconds": 3600, "next": "done"})
    run = begun(alice)
    services.sweep_runs()
    run.refresh_from_db()
    assert run.state == "running"
    Timer.objects.update(fire_at=Now())
    services.sweep_runs()
    run.refresh_from_db()
    assert run.state == "done"
    nothing_is_left(run)


def test_a_gate_tells_what_the_policy_would_say_and_does_nothing(
    clerk: Any, alice: Any, bob: Any, fake: Any
) -> None:
    hold_above(10_000)
    arguments = letters()["nodes"]["enter"]["arguments"]
    publish(
        alice,
        bob,
        "ask",
        ask={
            "kind": "gate",
            "role": "bookkeeper",
            "operation": "fake.invoice.post",
            "arguments": arguments,
            "next": [{"when": 'steps.ask.answer.verdict == "hold"', "to": "held"}, {"to": "done"}],
        },
        held={"kind": "end", "outcome": "would_wait"},
    )
    run = begun(alice)
    run.refresh_from_db()
    assert (run.outcome, fake.count()) == ("would_wait", 0)


def test_many_items_are_looked_at_in_batches(clerk: Any, alice: Any, bob: Any) -> None:
    publish(
        alice,
        bob,
        "each",
        each={"kind": "map", "over": "input.lines", "do": "look", "join": "met", "most_at_once": 1000},
        look={"kind": "branch", "next": [{"when": 'item == "never"', "to": "other"}, {"to": "met"}]},
        other={"kind": "branch", "next": "met"},
        met={"kind": "join", "collect": "index", "next": "done"},
    )
    run = start_over(alice, [str(number) for number in range(300)])
    with CaptureQueriesContext(connection) as queries:
        while services.tick():
            pass
    run.refresh_from_db()
    assert len(queries) < 60
    assert (run.state, step(run, "met").answer["items"]) == ("done", list(range(300)))
    assert Item.objects.filter(how="arrived").count() == 300
    nothing_is_left(run)
