"""Compensation: what a run completed is undone, the newest first, each by a governed action of its own."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import Group

from agents.models import Agent
from audit.models import Event
from audit.vocabulary import Refusal
from tests.workflows.conftest import TESTS, grant, hold_above, new_agent
from tests.workflows.test_runs import begun, step
from tests.workflows.test_runs_frames import nothing_is_left, publish, start_over
from workflows.actions.models import Action
from workflows.actions.services import run_action
from workflows.approvals.models import Approval
from workflows.approvals.services import cast_vote
from workflows.runs import services
from workflows.runs.models import Ready, Run, Step
from workflows.tasks.models import Task

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("hints", "holds")]

CANCEL = {
    "type": "object",
    "additionalProperties": False,
    "required": ["invoice"],
    "properties": {"invoice": {"type": "string", "maxLength": 60}},
}
MAPPING = {
    "request": {"method": "POST", "path": "/invoices", "body": {"cancels": {"$arg": "/invoice"}}},
    "success": [201],
    "result": {"id": "/id"},
    "remote_ref": "/id",
}
NOTHING: dict[str, Any] = {"type": "object", "additionalProperties": False, "properties": {}}
WAIT = {
    "kind": "human",
    "groups": ["Approvers"],
    "form": NOTHING,
    "due_seconds": 60,
}


@pytest.fixture
def cancel(clerk: Agent, book: dict[str, Any]) -> Any:
    """The operation that takes an invoice back, and leave for the clerk to use it."""
    from connectors.services import publish_operation

    operation = publish_operation(
        actor=TESTS, system=book["system"], code="fake.invoice.cancel", name="Cancel an invoice",
        effect="write", input_schema=CANCEL, mapping=MAPPING, reason="set up for a test",
    )  # fmt: skip
    grant(clerk, operation)
    return operation


def posts(node: str, number: str = "", **more: Any) -> dict[str, Any]:
    """Return a node that posts an invoice, and says what takes it back."""
    return {
        "kind": "operation",
        "role": "bookkeeper",
        "operation": "fake.invoice.post",
        "arguments": {
            "number": number or f'"{node}"',
            "supplier": '"S-1"',
            "total": '{"minor": 12300, "currency": "EUR"}',
        },
        "undo": {"operation": "fake.invoice.cancel", "arguments": {"invoice": f"steps.{node}.answer.id"}},
        **more,
    }


def chain(alice: Any, bob: Any, **more: Any) -> None:
    """Post a, b and c (which is said to need no undoing), then d; its refusal undoes everything."""
    nodes = {
        "a": posts("a", next="b"),
        "b": posts("b", next="c"),
        "c": posts("c", undo="none", next="d"),
        "d": posts("d", refused="back", next="done"),
        "back": {"kind": "compensate", "next": "gone", "failed": "look"},
        "look": {**WAIT, "next": "gone"},
        "gone": {"kind": "end", "outcome": "gone"},
    }
    publish(alice, bob, "a", **_reached({**nodes, **more}))


def _reached(nodes: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Return the nodes something leads to."""
    found, todo = set(), ["a"]
    while todo:
        found.add(key := todo.pop())
        ways = nodes[key].get("next", ())
        targets = [ways] if isinstance(ways, str) else [way["to"] for way in ways]
        targets += [nodes[key][name] for name in ("refused", "failed") if name in nodes[key]]
        todo += [target for target in targets if target in nodes and target not in found]
    return {key: nodes[key] for key in nodes if key in found}


def work(most: int = 20) -> None:
    """Do everything that is authorized, as workers would, until nothing is."""
    services.tick()
    for _ in range(most):
        ready = list(Action.objects.filter(state="authorized").order_by("pk").values_list("pk", flat=True))
        if not ready:
            return
        run_action(action_id=ready[0])
        services.tick()
    raise AssertionError("there is always something to do")


def posted(fake: Any, *numbers: str) -> list[str]:
    """Return the ids the fake system gave to invoices."""
    ids = {effect.get("number"): effect["id"] for effect in fake.effects}
    return [ids[number] for number in numbers]


def cancelled(fake: Any) -> list[str]:
    """Return the invoices that were taken back, in order."""
    return [effect["cancels"] for effect in fake.effects if "cancels" in effect]


def until_d_fails(alice: Any, fake: Any) -> Run:
    """Run a, b and c, and let the system refuse d."""
    run = begun(alice)
    for number in "abc":
        assert run_action(action_id=Action.objects.get(state="authorized").pk).state == "confirmed", number
        services.tick()
    fake.fail_next("422")
    run_action(action_id=Action.objects.get(state="authorized").pk)
    services.tick()
    return run


def test_what_completed_is_undone_newest_first_one_at_a_time(
    cancel: Any, clerk: Agent, alice: Any, bob: Any, fake: Any
) -> None:
    chain(alice, bob)
    run = until_d_fails(alice, fake)
    first = step(run, "b")
    assert (first.undone, step(run, "a").undone, step(run, "back").undoes) == ("running", "", first)
    action = first.undo_action
    assert action is not None
    assert (action.operation_code, action.state, action.agent) == ("fake.invoice.cancel", "authorized", clerk)
    assert (action.references["run_id"], action.references["step_id"]) == (str(run.pk), str(first.pk))
    work()
    run.refresh_from_db()
    assert cancelled(fake) == posted(fake, "b", "a")
    assert [step(run, node).undone for node in "abcd"] == ["done", "done", "", ""]
    assert (run.state, run.outcome, step(run, "back").undoes) == ("done", "gone", None)
    told = Event.objects.filter(verb="runs.step_undone", run_id=str(run.pk)).order_by("pk")
    assert list(told.values_list("code", flat=True)) == ["done", "done"]
    nothing_is_left(run)


def test_an_undoing_may_be_held_and_people_decide(cancel: Any, alice: Any, bob: Any, fake: Any) -> None:
    hold_above(0, operations="*.invoice.cancel", condition="true", sentence="taking back needs a person")
    chain(alice, bob)
    run = until_d_fails(alice, fake)
    question = Approval.objects.get(state="pending")
    services.sweep_runs()
    assert (step(run, "b").undone, step(run, "b").undo_action.state) == ("running", "held")
    cast_vote(
        actor=bob.as_actor(),
        approval_id=question.pk,
        verdict="reject",
        reason="leave it",
        digest=question.digest,
    )
    services.tick()
    assert (step(run, "b").undone, step(run, "back").state, step(run, "look").state) == (
        "failed", "failed", "running",
    )  # fmt: skip
    assert step(run, "back").error["code"] == "undo_failed"
    assert cancelled(fake) == []


def test_what_is_refused_waits_for_an_operator_and_is_tried_again(
    clerk: Agent, cancel: Any, alice: Any, bob: Any, dave: Any, fake: Any
) -> None:
    from connectors.services import revoke_grant

    revoke_grant(actor=alice.as_actor(), operation=cancel, agent=clerk, reason="not any more")
    chain(alice, bob, back={"kind": "compensate", "next": "gone"})
    run = until_d_fails(alice, fake)
    run.refresh_from_db()
    assert (run.state, step(run, "b").undone, step(run, "back").is_parked) == ("incident", "failed", True)
    grant(clerk, cancel)
    services.retry_run(actor=dave.as_actor(), run=run, reason="it may again")
    work()
    run.refresh_from_db()
    assert (run.outcome, cancelled(fake)) == ("gone", posted(fake, "b", "a"))


def test_another_agent_of_the_role_undoes_what_the_first_may_not_any_more(
    clerk: Agent, cancel: Any, book: Any, alice: Any, bob: Any, fake: Any
) -> None:
    chain(alice, bob, d={**WAIT, "next": "done"})
    run = begun(alice)
    run_action(action_id=Action.objects.get().pk)
    second = new_agent(alice, "rita")
    grant(second, book["post"])
    grant(second, cancel)
    Agent.objects.filter(pk=clerk.pk).update(brake="paused")
    services.tick()
    work()
    services.compensate_run(actor=alice.as_actor(), run=run, reason="the order was a joke")
    work()
    assert {action.agent for action in Action.objects.filter(operation_code="fake.invoice.cancel")} == {second}
    assert cancelled(fake) == posted(fake, "b", "a")


def test_an_end_undoes_everything_before_it_ends(cancel: Any, alice: Any, bob: Any, fake: Any) -> None:
    chain(
        alice, bob, d=posts("d", next=[{"when": 'input.topic == "x"', "to": "done"}, {"to": "gone"}]),
        gone={"kind": "end", "outcome": "gone", "compensate": True, "output": {"id": "steps.a.answer.id"}},
    )  # fmt: skip
    run = begun(alice)
    work()
    run.refresh_from_db()
    assert cancelled(fake) == posted(fake, "d", "b", "a")
    assert (run.state, run.outcome, run.output) == ("done", "gone", {"id": "inv-1"})
    nothing_is_left(run)


def test_an_item_undoes_only_its_own(cancel: Any, alice: Any, bob: Any, fake: Any) -> None:
    publish(
        alice, bob, "each",
        each={"kind": "map", "over": "input.lines", "do": "b", "join": "met"},
        b=posts("b", number="item", next="c"),
        c={"kind": "branch", "next": [{"when": 'item == "wrong"', "to": "back"}, {"to": "met"}]},
        back={"kind": "compensate", "next": "met"},
        met={"kind": "join", "next": "done"},
    )  # fmt: skip
    run = start_over(alice, ["right", "wrong"])
    work()
    run.refresh_from_db()
    assert (run.state, cancelled(fake)) == ("done", posted(fake, "wrong"))


def test_an_operator_has_a_whole_run_undone(
    cancel: Any, clerk: Agent, alice: Any, bob: Any, dave: Any, fake: Any
) -> None:
    chain(alice, bob, d={**WAIT, "next": "done"})
    run = begun(alice)
    work()
    with pytest.raises(Refusal, match="may not steer"):
        services.compensate_run(actor=clerk.user.as_actor(), run=run, reason="I am tired of it")
    foreseen = services.preview_steering(actor=dave.as_actor(), run=run, verb=services.Compensate())
    assert foreseen.of_kind("ends")[0].sentence == "d is not done any further."
    first, second = (change.sentence for change in foreseen.of_kind("undoes"))
    assert (first[:4], second[:4]) == ("1. b", "2. a")
    assert first.endswith("is undone by fake.invoice.cancel.")
    assert foreseen.of_kind("stays")[0].sentence == "c stays as it is: there is nothing to undo."
    assert foreseen.changes[-1].kind == "run"
    services.compensate_run(actor=dave.as_actor(), run=run, reason="the order was a joke")
    run.refresh_from_db()
    assert (run.state, run.is_compensating, step(run, "d").state) == ("running", True, "cancelled")
    with pytest.raises(Refusal, match="is being undone"):
        services.compensate_run(actor=dave.as_actor(), run=run, reason="once more")
    work()
    run.refresh_from_db()
    assert (run.state, run.outcome, cancelled(fake)) == ("cancelled", "compensated", posted(fake, "b", "a"))
    assert Event.objects.filter(verb="runs.run_compensated", run_id=str(run.pk), reason="the order was a joke")
    nothing_is_left(run)


def test_a_run_that_did_nothing_ends_at_once(cancel: Any, alice: Any, bob: Any, dave: Any) -> None:
    chain(alice, bob, a={**WAIT, "next": "done"})
    run = begun(alice)
    services.compensate_run(actor=dave.as_actor(), run=run, reason="the order was a joke")
    run.refresh_from_db()
    assert (run.state, run.outcome, Task.objects.get(kind="human_work").state) == (
        "cancelled",
        "compensated",
        "cancelled",
    )


def test_undoing_a_whole_run_waits_for_an_operator_where_it_fails(
    cancel: Any, alice: Any, bob: Any, dave: Any, fake: Any
) -> None:
    chain(alice, bob, d={**WAIT, "next": "done"})
    run = begun(alice)
    work()
    services.compensate_run(actor=dave.as_actor(), run=run, reason="the order was a joke")
    fake.fail_next("422")
    work()
    run.refresh_from_db()
    assert (run.state, step(run, "b").undone, step(run, "b").is_parked) == ("incident", "failed", True)
    assert "b was not undone" in run.problem
    assert Task.objects.filter(kind="incident", state="open").count() == 1
    services.retry_run(actor=dave.as_actor(), run=run, reason="the system is back")
    work()
    run.refresh_from_db()
    assert (run.outcome, cancelled(fake)) == ("compensated", posted(fake, "b", "a"))
    assert Action.objects.filter(references__step_id=str(step(run, "b").pk)).count() == 3
    assert not Task.objects.filter(kind="incident", state="open").exists()


def test_a_run_that_waits_for_an_operator_can_be_undone(
    cancel: Any, alice: Any, bob: Any, dave: Any, fake: Any
) -> None:
    chain(alice, bob, d=posts("d", next="done"))
    run = until_d_fails(alice, fake)
    run.refresh_from_db()
    assert run.state == "incident"
    services.compensate_run(actor=dave.as_actor(), run=run, reason="it will not work")
    run.refresh_from_db()
    assert (run.state, run.problem, step(run, "d").is_parked) == ("running", "", False)
    assert not Task.objects.filter(kind="incident", state="open").exists()
    work()
    run.refresh_from_db()
    assert (run.outcome, cancelled(fake)) == ("compensated", posted(fake, "b", "a"))


def test_an_undoing_under_way_comes_to_its_end_when_the_run_is_cancelled(
    cancel: Any, alice: Any, bob: Any, dave: Any, fake: Any
) -> None:
    chain(alice, bob)
    run = until_d_fails(alice, fake)
    services.cancel_run(actor=dave.as_actor(), run=run, reason="enough")
    assert step(run, "back").state == "cancelled"
    work()
    assert (step(run, "b").undone, step(run, "a").undone, step(run, "back").undoes) == ("done", "", None)
    run.refresh_from_db()
    assert (run.state, run.outcome, cancelled(fake)) == ("cancelled", "cancelled", posted(fake, "b"))
    assert not Ready.objects.exists()


def test_a_lost_turn_is_found_by_the_clock(cancel: Any, alice: Any, bob: Any, dave: Any, fake: Any) -> None:
    chain(alice, bob)
    run = until_d_fails(alice, fake)
    run_action(action_id=Action.objects.get(state="authorized").pk)
    Ready.objects.all().delete()
    services.sweep_runs()
    assert (step(run, "b").undone, step(run, "a").undone) == ("done", "running")
    services.cancel_run(actor=dave.as_actor(), run=run, reason="enough")
    run_action(action_id=Action.objects.get(state="authorized").pk)
    Ready.objects.all().delete()
    services.sweep_runs()
    assert step(run, "a").undone == "done"


def test_what_undoing_needs_and_cannot_be_put_together_is_an_incident(
    cancel: Any, alice: Any, bob: Any, fake: Any
) -> None:
    missing = {"operation": "fake.invoice.cancel", "arguments": {"invoice": "steps.b.answer.nowhere.id"}}
    chain(alice, bob, b=posts("b", undo=missing, next="c"), back={"kind": "compensate", "next": "gone"})
    run = until_d_fails(alice, fake)
    run.refresh_from_db()
    assert (run.state, step(run, "b").undone) == ("incident", "failed")
    assert "could not be put together" in run.problem


def test_a_node_done_twice_is_undone_twice(cancel: Any, alice: Any, bob: Any, dave: Any, fake: Any) -> None:
    again = [{"when": "steps.a.generation < 2", "to": "a"}, {"to": "b"}]
    chain(alice, bob, a=posts("a", next=again), b={**WAIT, "next": "done"})
    run = begun(alice)
    work()
    services.compensate_run(actor=dave.as_actor(), run=run, reason="twice is too much")
    work()
    assert cancelled(fake) == ["inv-2", "inv-1"]
    assert list(Step.objects.filter(run=run, node="a").values_list("undone", flat=True)) == ["done", "done"]


def test_undoing_waits_while_the_run_is_paused(cancel: Any, alice: Any, bob: Any, dave: Any, fake: Any) -> None:
    chain(alice, bob, d={**WAIT, "next": "done"})
    run = begun(alice)
    work()
    Run.objects.filter(pk=run.pk).update(is_paused=True)
    services.compensate_run(actor=dave.as_actor(), run=run, reason="the order was a joke")
    work()
    assert (step(run, "d").state, step(run, "b").undone, cancelled(fake)) == ("cancelled", "running", [])
    Run.objects.filter(pk=run.pk).update(is_paused=False)
    work()
    run.refresh_from_db()
    assert (run.outcome, cancelled(fake)) == ("compensated", posted(fake, "b", "a"))


def test_undoing_that_fails_can_be_given_up(cancel: Any, alice: Any, bob: Any, dave: Any, fake: Any) -> None:
    chain(alice, bob, d={**WAIT, "next": "done"})
    run = begun(alice)
    work()
    services.compensate_run(actor=dave.as_actor(), run=run, reason="the order was a joke")
    fake.fail_next("422")
    work()
    given_up = services.steer_run(
        actor=dave.as_actor(), run=run, verb=services.Skip(), step=step(run, "b"), reason="it is paid already"
    )
    assert given_up.of_kind("stays")[0].sentence == "b is left as it is: nobody tries to undo it."
    work()
    run.refresh_from_db()
    assert (run.outcome, step(run, "b").undone, cancelled(fake)) == (
        "compensated",
        "given_up",
        posted(fake, "a"),
    )


def test_who_had_it_undone_approves_none_of_that(cancel: Any, alice: Any, bob: Any, fake: Any) -> None:
    hold_above(0, operations="*.invoice.cancel", condition="true", sentence="taking back needs a person")
    chain(alice, bob, d={**WAIT, "next": "done"})
    run = begun(alice)
    work()
    bob.groups.add(Group.objects.get(name="Operators"))
    services.compensate_run(actor=bob.as_actor(), run=run, reason="the order was a joke")
    question = Approval.objects.get(state="pending")
    with pytest.raises(Refusal):
        cast_vote(
            actor=bob.as_actor(), approval_id=question.pk, verdict="approve", reason="mine",
            digest=question.digest,
        )  # fmt: skip


def test_what_was_answered_by_hand_is_not_undone(
    cancel: Any, alice: Any, bob: Any, dave: Any, fake: Any
) -> None:
    hold_above(0)
    chain(alice, bob, b={**WAIT, "next": "done"})
    run = begun(alice)
    by_hand = services.Override({"id": "their-7"})
    services.steer_run(actor=dave.as_actor(), run=run, verb=by_hand, step=step(run, "a"), reason="done by hand")
    assert step(run, "a").undone == "by_hand"
    services.compensate_run(actor=dave.as_actor(), run=run, reason="the order was a joke")
    run.refresh_from_db()
    assert (run.outcome, fake.count()) == ("compensated", 0)
