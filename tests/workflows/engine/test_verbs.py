"""What an operator may do: each verb is a plan that can be looked at before it is written."""

from __future__ import annotations

from typing import Any

import pytest

from tests.workflows.engine.build import content, node, parsed
from tests.workflows.engine.shell import Shell
from tests.workflows.engine.test_machine import UNDO, chain, each, fork, lines, run
from workflows.runs import engine
from workflows.runs.engine import events, orders


def two(**more: Any) -> dict[str, dict[str, Any]]:
    nodes = {"a": node("agent", next="b"), "b": node("agent", next="c"), "c": node("agent", next="done")}
    return {**nodes, **more}


def verb(shell: Shell, node_id: str, event: Any) -> str:
    """Send a verb to the newest step of a node; return why it was refused."""
    refused = shell.send(shell.newest(node_id).id, event).refused
    shell.pass_all()
    return refused


def test_a_step_is_skipped_with_what_is_known() -> None:
    shell = run(**two(b=node("agent", next=[{"when": "steps.b.answer.ok", "to": "c"}, {"to": "done"}])))
    shell.do("a")
    assert verb(shell, "b", events.Skip({"ok": True})) == ""
    assert (shell.newest("b").state, shell.open_nodes()) == ("skipped", ["c"])
    assert verb(shell, "b", events.Skip()) == "Agent is skipped already."


def test_an_opener_that_is_parked_can_be_skipped() -> None:
    shell = run(**each(a=node("map", over="input.none", do="b", join="met"), done=node("end")))
    assert verb(shell, "a", events.Skip()) == ""
    assert (shell.over, shell.newest("met").state) == ("done", "skipped")


def test_a_join_that_is_parked_can_be_skipped_or_answered() -> None:
    few = {"few": True}
    shell = run(few, **fork(need=2))
    assert "do it again from Parallel" in verb(shell, "met", events.RetryStep())
    assert verb(shell, "met", events.Skip()) == ""
    assert shell.over == "done"
    shell = run(few, **fork(need=2, done=node("end", output={"n": "steps.met.answer.arrived"})))
    verb(shell, "met", events.Override({"arrived": 2}))
    assert shell.output == {"n": 2}


def test_an_open_step_gets_an_answer_by_hand_and_a_closed_one_another() -> None:
    shell = run(**two(done=node("end", output={"x": "steps.a.answer.x"})))
    verb(shell, "a", events.Override({"x": 1}))
    assert shell.open_nodes() == ["b"]
    verb(shell, "a", events.Override({"x": 2}))
    assert shell.open_nodes() == ["b"]
    assert shell.do("b").do("c").output == {"x": 2}


def test_what_was_answered_by_hand_is_not_undone() -> None:
    shell = run(**chain()).do("a")
    verb(shell, "b", events.Override({}))
    shell.do("c").fail("d")
    assert (shell.undo(), shell.outcome) == ("a", "gone")


def test_rerunning_makes_new_generations_and_keeps_the_old() -> None:
    shell = run(**two()).do("a", {"n": 1}).do("b", {"n": 2})
    assert verb(shell, "a", events.Rerun()) == ""
    assert shell.open_nodes() == ["a"]
    shell.do("a").do("b")
    assert [(s.node, s.generation, s.state) for s in shell.steps.values()] == [
        ("a", 1, "done"),
        ("b", 1, "done"),
        ("c", 1, "cancelled"),
        ("a", 2, "done"),
        ("b", 2, "done"),
        ("c", 2, "ready"),
    ]


def test_rerunning_inside_a_frame_concerns_that_item_alone() -> None:
    nodes = each(b=node("agent", next="c"), c=node("agent", next="met"), met=node("join", next="done"))
    shell = run(lines(2), **nodes).do("b", {}, 0).do("c", {}, 0).do("b", {}, 1)
    first = next(step for step in shell.steps.values() if step.node == "b" and step.index == 0)
    assert shell.send(first.id, events.Rerun()).orders[1:2] == (orders.Reopen(first.frame, 0, "arrived"),)
    assert [(s.node, s.index) for s in shell.steps.values() if s.is_open] == [("c", 1), ("b", 0)]
    shell.do("c", {}, 1).do("b", {}, 0)
    assert shell.do("c", {}, 0).over == "done"


def test_after_the_join_a_frame_is_run_again_from_its_opener() -> None:
    shell = run(**fork(met=node("join", next="b"), b=node("agent", next="done"))).do("x").do("y").do("z")
    assert "do it again from Parallel" in verb(shell, "x", events.Rerun())
    assert "do it again from Parallel" in verb(shell, "met", events.Rerun())
    assert verb(shell, "a", events.Rerun()) == ""
    assert shell.open_nodes() == ["x", "y", "z"]
    assert len(shell.frames) == 2


def test_rerunning_while_branches_are_at_work_takes_them_back() -> None:
    shell = run(**fork(a=node("agent", next="p"), p=fork()["a"]))
    shell.do("a").do("x")
    assert verb(shell, "a", events.Rerun()) == ""
    assert shell.open_nodes() == ["a"]
    assert all(frame.closed for frame in shell.frames.values())


def test_only_what_is_parked_is_retried() -> None:
    shell = run(**two())
    assert verb(shell, "a", events.RetryStep()) == "Agent does not wait for an operator."
    shell.fail("a")
    assert verb(shell, "a", events.RetryStep()) == ""
    assert (shell.newest("a").generation, shell.parked) == (2, {})


def test_cancelling_ends_everything() -> None:
    shell = run(**fork()).do("x").fail("y")
    shell.send(None, events.CancelRun())
    assert (shell.over, shell.outcome, shell.open_nodes(), shell.parked) == ("cancelled", "cancelled", [], {})


def test_compensating_undoes_the_whole_run_newest_first() -> None:
    shell = run(
        lines(2),
        **each(
            b=node("operation", undo=UNDO, next="met"), met=node("join", next="c"), c=node("agent", next="done")
        ),
    )
    shell.do("b", {}, 1).do("b", {}, 0)
    shell.send(None, events.Compensate())
    assert shell.open_nodes() == []
    assert shell.send(None, events.Compensate()).refused == "The run is being undone."
    assert verb(shell, "c", events.Rerun()) == "The run is being undone."
    assert [shell.undo(), shell.undo()] == ["b", "b"]
    assert [shell.steps[step].index for step in shell.undone] == [0, 1]
    assert (shell.over, shell.outcome) == ("cancelled", "compensated")


def test_what_cannot_be_undone_is_tried_again_or_given_up() -> None:
    for last, undone in ((events.RetryStep(), 2), (events.Skip(), 1)):
        shell = run(**chain()).do("a").do("b")
        shell.send(None, events.Compensate())
        shell.undo(ok=False)
        (parked,) = shell.parked
        assert shell.send(parked, last).refused == ""
        while not shell.over:
            shell.undo()
        assert (len(shell.undone), shell.outcome) == (undone, "compensated")


@pytest.mark.parametrize(
    "event",
    [
        events.Skip(),
        events.Override({}),
        events.RetryStep(),
        events.Rerun(),
        events.CancelRun(),
        events.Compensate(),
        events.Migrated(parsed(a=node("agent", next="done"))),
    ],
)
def test_nothing_is_done_to_a_run_that_is_over(event: Any) -> None:
    shell = run(a=node("agent", next="done")).do("a")
    assert shell.send(shell.newest("a").id, event) == engine.Plan(refused="The run is over.")


def test_a_run_moves_to_another_version() -> None:
    new = parsed(
        "first",
        first=node("agent", next="second"),
        second=node("agent", next="more"),
        more=node("human", next="done"),
    )
    shell = run(a=node("agent", next="b"), b=node("agent", next="done")).do("a", {"n": 1})
    assert shell.send(None, events.Migrated(new, {"a": "first", "b": "second"})).refused == ""
    shell.definition = new
    assert shell.newest("first").answer == {"n": 1}
    assert shell.do("second").open_nodes() == ["more"]


def test_what_stands_needs_a_place_of_its_kind_in_the_same_block() -> None:
    new = parsed(a=node("human", next="done"))
    shell = run(**two())
    assert "of kind agent, and a is of kind human" in shell.send(None, events.Migrated(new)).refused
    shell.do("a")
    assert "the new version has no b" in shell.send(None, events.Migrated(new)).refused
    assert "There is no node z" in shell.send(None, events.Migrated(new, {"z": "a"})).refused
    inside = run(**fork())
    flat = parsed(**two(a=node("operation", next="x"), x=node("operation", next="b")))
    assert "Operation is under way in another block" in inside.send(None, events.Migrated(flat)).refused


def test_a_parallel_moves_with_what_is_inside() -> None:
    renamed = {"p": "a", "left": "x", "up": "y", "down": "z", "end": "met"}
    nodes = {new: fork()[old] for new, old in renamed.items()}
    nodes["p"] = node("parallel", branches=[{"to": "left"}, {"to": "up"}, {"to": "down"}], join="end")
    for key in ("left", "up", "down"):
        nodes[key] = node("operation", undo=UNDO, next="end")
    new = engine.parse(content("p", **nodes))
    shell = run(**fork()).do("x")
    back = {old: new for new, old in renamed.items()}
    assert shell.send(None, events.Migrated(new, back)).refused == ""
    shell.definition = new
    assert shell.do("up").do("down").over == "done"


def test_an_undo_under_way_is_noted_even_when_nobody_waits_for_it_any_more() -> None:
    shell = run(**chain()).do("a").do("b").do("c").fail("d")
    by, target = next(iter(shell.undoing.items()))
    shell.send(None, events.Compensate())
    assert shell.send(by, events.Undone(target, True)).orders == (orders.MarkUndone(target, "done"),)
    assert (shell.undo(), shell.outcome, len(shell.undone)) == ("a", "compensated", 2)
    shell = run(**chain()).do("a").do("b").do("c").fail("d")
    by, target = next(iter(shell.undoing.items()))
    shell.send(None, events.CancelRun())
    assert shell.send(by, events.Undone(target, True)).orders == (orders.MarkUndone(target, "done"),)
