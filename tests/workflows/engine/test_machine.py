"""The machine, kind by kind: what a view and an event lead to, written by a shell in memory."""

from __future__ import annotations

from typing import Any

import pytest

from tests.workflows.engine.build import node, parsed
from tests.workflows.engine.shell import Shell
from workflows.runs import engine
from workflows.runs.engine import events, orders

UNDO = {"operation": "erp.cancel"}


def run(input: dict[str, Any] | None = None, start: str = "a", **nodes: dict[str, Any]) -> Shell:
    return Shell(parsed(start, **nodes), input or {}).start()


def fork(need: Any = "all", rest: str = "finish", **more: Any) -> dict[str, dict[str, Any]]:
    """Three branches of an agent each."""
    ways = [{"to": "x"}, {"to": "y", "when": "!has(input.few)"}, {"to": "z", "when": "!has(input.few)"}]
    nodes = {
        "a": node("parallel", branches=ways, join="met"),
        **{key: node("operation", undo=UNDO, next="met") for key in "xyz"},
        "met": node("join", need=need, rest=rest, next="done"),
    }
    return {**nodes, **more}


def each(**more: Any) -> dict[str, dict[str, Any]]:
    """A map over input.lines, two at once, with one step for an item."""
    nodes = {
        "a": node("map", over="input.lines", item="line", do="b", join="met", most_at_once=2),
        "b": node("operation", next="met"),
        "met": node("join", collect="steps.b.answer.n + line.n", next="done"),
        "done": node("end", output={"items": "steps.met.answer.items", "of": "steps.met.answer"}),
    }
    return {**nodes, **more}


def lines(count: int) -> dict[str, Any]:
    return {"lines": [{"n": number} for number in range(count)]}


# One after the other


def test_a_run_goes_from_step_to_step_to_its_end() -> None:
    shell = run(
        a=node(
            "agent",
            label='"Letter " + steps.a.answer.kind',
            next=[{"when": "steps.a.answer.ok", "to": "b"}, {"to": "done"}],
        ),
        b=node("human", next="done"),
        done=node("end", outcome="fine", output={"kind": "steps.a.answer.kind", "none": "null"}),
    )
    shell.do("a", {"ok": True, "kind": "order"})
    assert (shell.label, shell.open_nodes()) == ("Letter order", ["b"])
    shell.do("b")
    assert (shell.over, shell.outcome, shell.output) == ("done", "fine", {"kind": "order"})


def test_a_loop_makes_generations_and_ends_with_an_operator() -> None:
    shell = run(a=node("agent", next=[{"when": "steps.a.answer.again", "to": "a"}, {"to": "done"}]))
    for _ in range(engine.MOST_VISITS):
        shell.do("a", {"again": True})
    assert shell.newest("a").generation == engine.MOST_VISITS
    assert [code for code, _ in shell.parked.values()] == ["loop"]


def test_an_operator_lets_a_run_go_on_that_came_round_too_often() -> None:
    """What was done again by hand counts, too, and the way on was closed for good then."""
    shell = run(a=node("agent", next="b"), b=node("agent", next="done"))
    for _ in range(engine.MOST_VISITS):
        shell.do("a")
        shell.send(shell.newest("a").id, events.Rerun())
    shell.do("a")
    assert [code for code, _ in shell.parked.values()] == ["loop"]
    (parked,) = shell.parked
    assert not shell.send(parked, events.Skip()).refused
    shell.do("b")
    assert shell.over == "done"


@pytest.mark.parametrize(
    "event", [events.Closed({}), events.Failed("x", "x"), events.Late(), events.Down(), events.Begun()]
)
def test_news_of_a_step_that_is_over_changes_nothing(event: Any) -> None:
    shell = run(a=node("agent", next="b"), b=node("agent", next="done"))
    step = shell.open("a").id
    shell.do("a")
    assert shell.send(step, event).orders == ()


def test_a_condition_that_cannot_be_checked_waits_for_an_operator() -> None:
    shell = run(
        a=node("agent", next=[{"when": "steps.a.answer.ok", "to": "b"}, {"to": "done"}]),
        b=node("agent", next="done"),
    )
    shell.do("a", {})
    assert shell.newest("a").state == "done"
    assert shell.parked[shell.newest("a").id][1] == (
        "Agent: which step comes next depends on “ok” in the answer of Agent, "
        "and the answer of Agent does not have “ok”."
    )
    shell.send(shell.newest("a").id, events.Override({"ok": True}))
    assert (shell.open_nodes(), shell.parked) == (["b"], {})


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("steps.b.answer.ok", "“ok” in the answer of Booking, and Booking has not been done"),
        ("input.total > 5", "“total” of the input of the run, and the input of the run does not have “total”"),
        ("input.number > 5", "that could not be checked: it compares values of different types"),
        ("steps.a.state", "the state of Agent, and that could not be checked: it does not answer yes or no"),
        ("item.sku == run.key", "“sku” of “item” and “key” of the run, and that could not be checked"),
    ],
)
def test_what_cannot_be_checked_is_said_without_the_text_of_the_condition(text: str, why: str) -> None:
    nodes = {
        "a": node("agent", next=[{"when": text, "to": "b"}, {"to": "done"}]),
        "b": node("agent", name="Booking", next="done"),
    }
    shell = run({"number": "R-1"}, **nodes).do("a", {})
    [(code, said)] = shell.parked.values()
    assert code == "condition_failed"
    assert why in said
    assert text not in said


def test_a_failure_goes_its_way_or_waits_for_an_operator() -> None:
    nodes = {"a": node("operation", refused="b", next="done"), "b": node("sub", next="done")}
    shell = run(**nodes).fail("a").fail("b")
    assert shell.parked == {shell.newest("b").id: ("broken", "It broke.")}
    assert shell.newest("a").error == {"code": "broken", "message": "It broke."}


def test_an_end_whose_output_fails_waits_for_an_operator_and_can_be_repeated() -> None:
    shell = run(a=node("agent", next="done"), done=node("end", output={"x": "steps.a.answer.x"}))
    shell.do("a", {})
    assert [code for code, _ in shell.parked.values()] == ["output_failed"]
    shell.send(shell.newest("a").id, events.Override({"x": 1}))
    shell.send(shell.newest("done").id, events.RetryStep())
    assert (shell.over, shell.output) == ("done", {"x": 1})


def test_a_policy_gate_answers_and_the_conditions_choose() -> None:
    ways = [{"when": 'steps.a.answer.verdict == "allow"', "to": "done"}, {"to": "b"}]
    shell = run(a=node("gate", next=ways), b=node("human", next="done"))
    assert shell.do("a", {"verdict": "hold", "code": "large"}).open_nodes() == ["b"]


# Retry, time and systems that are down


@pytest.mark.parametrize(
    ("retry", "draws", "waits"),
    [
        ({"most": 4, "wait_seconds": 10, "factor": 3, "cap_seconds": 50}, [0, 0, 0], [10, 30, 50]),
        ({"most": 4, "wait_seconds": 10, "factor": 1, "jitter": 50}, [0, 0.5, 0.999], [5, 10, 15]),
        ({"most": 1}, [], []),
    ],
)
def test_attempts_are_repeated_with_cap_and_jitter(
    retry: dict[str, Any], draws: list[float], waits: list[int]
) -> None:
    shell = run(a=node("agent", retry=retry, next="done"))
    for draw, seconds in zip(draws, waits, strict=True):
        plan = shell.send(shell.open("a").id, events.Failed("slow", "Slow.", jitter=draw))
        assert isinstance(plan.orders[0], orders.Again)
        assert plan.orders[0].in_seconds == seconds
    shell.send(shell.open("a").id, events.Failed("slow", "Slow."))
    assert [code for code, _ in shell.parked.values()] == ["slow"]


def test_what_may_never_be_repeated_fails_at_once() -> None:
    retry = {"most": 5, "never": ["denied"]}
    assert run(a=node("agent", retry=retry, next="done")).fail("a", code="denied", retryable=True).parked
    assert run(a=node("agent", retry=retry, next="done")).fail("a", retryable=False).parked


def test_a_lost_worker_uses_up_no_attempt_of_the_work() -> None:
    shell = run(a=node("agent", attempts=2, next="done"))
    for count in range(1, 5):
        shell.send(shell.open("a").id, events.Failed("lost", "Lost.", is_infra=True))
        assert (shell.open("a").attempts, shell.open("a").infra_attempts) == (0, count)
    shell.send(shell.open("a").id, events.Failed("lost", "Lost.", is_infra=True))
    assert [code for code, _ in shell.parked.values()] == ["lost"]


def test_a_system_that_is_down_queues_asks_a_person_or_takes_another_way() -> None:
    b = node("human", next="done")
    queued = run(a=node("operation", stop_clock=True, next="done"))
    assert queued.send(queued.open("a").id, events.Down()).orders == (orders.Hold(queued.open("a").id, True),)
    asked = run(a=node("operation", when_down="person", next="done"))
    step = asked.open("a").id
    asked.send(step, events.Down())
    assert asked.parked[step][0] == "system_down"
    assert asked.send(step, events.Down()).orders == ()
    asked.do("a")  # it came back before anybody looked
    assert (asked.parked, asked.over) == ({}, "done")
    other = run(a=node("operation", when_down={"to": "b"}, next="done"), b=b)
    other.send(other.open("a").id, events.Down())
    assert (other.open_nodes(), other.newest("a").error["code"]) == (["b"], "system_down")


def test_a_wait_takes_its_signal_and_no_other() -> None:
    shell = run(
        {"number": "7"},
        a=node("wait", signal="goods", match="signal.order == input.number", late="b", next="done"),
        b=node("human", next="done"),
    )
    step = shell.open("a").id
    for wrong in ({"order": "8"}, {}, "goods", None):
        assert shell.send(step, events.Signalled(wrong)).orders == ()
    shell.send(step, events.Signalled({"order": "7"}))
    assert (shell.over, shell.newest("a").answer) == ("done", {"order": "7"})


def test_a_wait_that_gets_nothing_goes_its_way_or_fails() -> None:
    shell = run(a=node("wait", signal="goods", late="b", next="done"), b=node("human", next="done"))
    shell.send(shell.open("a").id, events.Late())
    assert shell.open_nodes() == ["b"]
    shell = run(a=node("wait", seconds=5, next="done"))
    shell.send(shell.open("a").id, events.Late())
    assert [code for code, _ in shell.parked.values()] == ["late"]


def test_the_deadlines_of_a_person_escalate_or_decide() -> None:
    deadlines = {
        "start": {"seconds": 5, "then": "reassign", "to": ["Managers"]},
        "complete": {"seconds": 9, "then": "outcome", "answer": {"say": "no"}},
    }
    shell = run(
        a=node("human", deadlines=deadlines, next="done"), done=node("end", output={"x": "steps.a.answer.say"})
    )
    step = shell.open("a").id
    assert shell.send(step, events.Late("start")).orders == (
        orders.Escalate(step, "start", "reassign", ("Managers",)),
    )
    shell.send(step, events.Late("complete"))
    assert shell.output == {"x": "no"}


# Parallel and join


def test_all_branches_are_waited_for_and_their_answers_can_be_read() -> None:
    shell = run(**fork(done=node("end", output={"x": "steps.x.answer.n", "met": "steps.met.answer"})))
    assert shell.open_nodes() == ["x", "y", "z"]
    shell.do("y").do("x", {"n": 5}).do("z")
    assert shell.output == {"x": 5, "met": {"arrived": 3, "dead": 0, "failed": 0, "items": []}}


def test_a_branch_whose_condition_does_not_hold_is_dead_and_counts() -> None:
    shell = run({"few": True}, **fork())
    assert shell.open_nodes() == ["x"]
    assert shell.do("x").newest("met").answer == {"arrived": 1, "dead": 2, "failed": 0, "items": []}
    shell = run({"few": True}, **fork(need=2))
    assert [code for code, _ in shell.parked.values()] == ["not_enough"]
    none = node("parallel", branches=[{"to": "x", "when": "false"}], join="met")
    assert run(**fork(a=none)).over == "done"


def test_what_is_left_is_cancelled_when_enough_arrived() -> None:
    shell = run(
        **fork(
            "any", "cancel", met=node("join", need="any", rest="cancel", next="b"), b=node("agent", next="done")
        )
    )
    late = shell.open("y").id
    shell.do("x")
    assert shell.open_nodes() == ["b"]
    assert shell.send(late, events.Closed({})).orders == ()


def test_what_is_left_may_finish_and_is_absorbed() -> None:
    shell = run(**fork(met=node("join", need=2, next="b"), b=node("agent", next="done")))
    shell.do("x").do("y").fail("z")
    assert (shell.open_nodes(), shell.newest("met").answer["arrived"]) == (["b"], 2)
    assert shell.parked == {}
    assert next(iter(shell.frames.values())).closed


def test_a_failure_that_the_join_can_bear_is_counted() -> None:
    assert run(**fork(2)).fail("x").do("y").do("z").newest("met").answer["failed"] == 1


def test_a_failure_that_it_cannot_bear_goes_the_way_of_the_join_and_cancels_the_rest() -> None:
    shell = run(**fork(met=node("join", next="done", failed="b"), b=node("agent", next="done"))).fail("x")
    assert shell.open_nodes() == ["b"]
    assert shell.newest("met").error["code"] == "not_enough"


def test_without_such_a_way_the_step_itself_waits_and_nothing_beside_it_is_lost() -> None:
    shell = run(**fork()).fail("x").do("y").do("z")
    assert list(shell.parked) == [shell.newest("x").id]
    shell.send(shell.newest("x").id, events.RetryStep())
    assert shell.newest("x").generation == 2
    assert shell.do("x").over == "done"


def test_an_end_inside_a_branch_ends_the_whole_run() -> None:
    shell = run(**fork(x=node("agent", next="done"))).do("x")
    assert (shell.over, shell.open_nodes()) == ("done", [])


def test_a_branch_may_lead_straight_to_the_join_and_collects_for_each() -> None:
    shell = run(
        a=node("parallel", branches=[{"to": "met"}, {"to": "x"}], join="met"),
        x=node("agent", next="met"),
        met=node(
            "join", collect="has(steps.x) && has(steps.x.answer.n) ? steps.x.answer.n : null", next="done"
        ),
    )
    assert shell.do("x", {"n": 3}).newest("met").answer["items"] == [None, 3]


def test_frames_within_frames_lose_only_what_is_theirs() -> None:
    inner = {
        "x": node("parallel", branches=[{"to": "p"}, {"to": "q"}], join="inner"),
        "p": node("agent", next="inner"),
        "q": node("agent", next="inner"),
        "inner": node("join", next="met"),
    }
    shell = run(**fork(2, **inner)).fail("p")
    assert shell.open_nodes() == ["y", "z"]
    assert shell.newest("inner").state == "failed"
    assert shell.do("y").do("z").over == "done"


# Map


def test_a_map_starts_only_so_many_and_keeps_the_order_of_its_items() -> None:
    shell = run(lines(5), **each())
    assert len(shell.open_nodes()) == 2
    for index in (1, 2, 0, 4, 3):
        assert len(shell.open_nodes()) <= 2
        shell.do("b", {"n": index * 100}, index)
    assert shell.output["items"] == [0, 101, 202, 303, 404]
    assert shell.output["of"]["arrived"] == 5


def test_an_empty_list_is_joined_at_once() -> None:
    assert run(lines(0), **each()).output["items"] == []


@pytest.mark.parametrize(
    ("over", "code"),
    [("input.lines[0]", "not_a_list"), ("input.many", "too_many_items"), ("input.none", "over_failed")],
)
def test_what_is_no_list_or_too_long_is_refused(over: str, code: str) -> None:
    input = {**lines(1), "many": [0] * 10_001}
    shell = run(input, **each(a=node("map", over=over, do="b", join="met")))
    assert [code for code, _ in shell.parked.values()] == [code]
    if code != "over_failed":
        nodes = each(a=node("map", over=over, do="b", join="met", failed="c"), c=node("human", next="done"))
        assert run(input, **nodes).open_nodes() == ["c"]


def test_failed_items_are_tolerated_up_to_a_share() -> None:
    nodes = each(a=node("map", over="input.lines", item="line", do="b", join="met", tolerate="50%"))
    shell = run(lines(3), **nodes).fail("b", 1).do("b", {"n": 0}, 0).do("b", {"n": 0}, 2)
    assert shell.output["items"] == [0, None, 2]
    assert shell.output["of"]["failed"] == 1


def test_too_many_failed_items_cancel_the_rest_and_go_the_way_of_the_join() -> None:
    nodes = each(met=node("join", failed="c", next="done"), c=node("human", next="done"))
    shell = run(lines(3), **nodes).fail("b", 0)
    assert shell.open_nodes() == ["c"]


def test_without_such_a_way_an_item_waits_and_holds_its_place() -> None:
    shell = run(lines(4), **each()).fail("b", 0).fail("b", 1)
    assert (len(shell.parked), shell.open_nodes()) == (2, [])
    for step in list(shell.parked):
        shell.send(step, events.Skip({"n": 0}))
    assert len(shell.open_nodes()) == 2


def test_a_map_may_need_only_some() -> None:
    nodes = each(met=node("join", need=2, rest="cancel", next="done"))
    shell = run(lines(4), **nodes).fail("b", 0).do("b", {}, 1).do("b", {}, 2)
    assert (shell.over, shell.newest("met").answer["failed"]) == ("done", 1)
    assert [code for code, _ in run(lines(1), **nodes).parked.values()] == ["not_enough"]


def test_maps_within_maps_read_their_own_items() -> None:
    nodes = {
        "a": node("map", over="input.rows", item="row", do="b", join="met"),
        "b": node("map", over="row", do="c", join="inner"),
        "c": node("branch", next=[{"when": "item > 2", "to": "d"}, {"to": "inner"}]),
        "d": node("branch", next="inner"),
        "inner": node("join", collect="item * 10 + index", next="met"),
        "met": node("join", collect="steps.inner.answer.items", next="done"),
        "done": node("end", output={"all": "steps.met.answer.items"}),
    }
    assert run({"rows": [[1, 2], [], [3]]}, **nodes).output == {"all": [[10, 21], [], [30]]}


# Compensation


def chain(**more: Any) -> dict[str, dict[str, Any]]:
    nodes = {
        "a": node("operation", undo=UNDO, next="b"),
        "b": node("operation", undo=UNDO, next="c"),
        "c": node("operation", undo="none", next="d"),
        "d": node("operation", undo=UNDO, refused="back", next="done"),
        "back": node("compensate", next="gone", failed="look"),
        "look": node("human", next="gone"),
        "gone": node("end", outcome="gone"),
    }
    return {**nodes, **more}


def test_what_completed_is_undone_in_reverse_one_at_a_time() -> None:
    shell = run(**chain()).do("a").do("b").do("c").fail("d")
    assert [shell.undo(), shell.undo()] == ["b", "a"]
    assert shell.outcome == "gone"


def test_a_doubled_word_about_undoing_changes_nothing() -> None:
    shell = run(**chain()).do("a").do("b").do("c").fail("d")
    by, target = next(iter(shell.undoing.items()))
    shell.undo()
    assert shell.send(by, events.Undone(target, True)).orders == ()


def test_only_named_nodes_are_undone() -> None:
    shell = run(**chain(back=node("compensate", of=["a"], next="gone"))).do("a").do("b").do("c").fail("d")
    assert shell.undo() == "a"
    assert shell.outcome == "gone"


def test_what_cannot_be_undone_goes_its_way_or_waits_and_is_tried_again() -> None:
    shell = run(**chain()).do("a").do("b").do("c").fail("d")
    shell.undo(ok=False)
    assert shell.open_nodes() == ["look"]
    shell = run(**chain(back=node("compensate", next="gone"))).do("a").do("b").do("c").fail("d")
    shell.undo(ok=False)
    (parked,) = shell.parked
    shell.send(parked, events.RetryStep())
    shell.pass_all()
    assert [shell.undo(), shell.undo(), shell.outcome] == ["b", "a", "gone"]


def test_nothing_to_undo_is_passed() -> None:
    assert run(a=node("compensate", next="done")).over == "done"


def test_an_item_undoes_only_its_own() -> None:
    nodes = each(
        b=node("operation", undo=UNDO, next="c"),
        c=node("operation", refused="back", next="met"),
        back=node("compensate", next="met"),
        met=node("join", next="done"),
    )
    shell = run(lines(2), **nodes).do("b", {}, 0).do("b", {}, 1).fail("c", 0)
    assert shell.undo() == "b"
    assert shell.undone == [shell.finished[1]]
    assert shell.steps[shell.finished[1]].index == 0


def test_an_end_may_undo_everything_and_cancels_what_is_open() -> None:
    nodes = fork(
        y=node("agent", next=[{"when": "true", "to": "gone"}, {"to": "met"}]),
        gone=node("end", outcome="gone", compensate=True),
    )
    shell = run(**nodes).do("x").do("y")
    assert shell.open_nodes() == ["gone"]
    assert (shell.undo(), shell.outcome) == ("x", "gone")
    shell = run(**nodes).do("x").do("y")
    shell.undo(ok=False)
    (parked,) = shell.parked
    shell.send(parked, events.RetryStep())
    shell.pass_all()
    assert (shell.undo(), shell.outcome) == ("x", "gone")


# How much one plan does


def test_a_plan_passes_only_so_many_and_gives_the_next_a_turn() -> None:
    nodes = {f"n{number}": node("branch", next=f"n{number + 1}") for number in range(150)}
    definition = parsed("n0", **nodes, n150=node("branch", next="done"))
    view = engine.RunView(definition, {}, {})
    plan = engine.advance(view, events.Started())
    assert [order.state for order in plan.orders] == ["done"] * engine.MOST_PASSED + ["ready"]
    assert Shell(definition).start().over == "done"
    one = Shell(definition, most_passed=0).start()
    assert (one.over, len(one.written)) == ("done", 2 * 152 + 1)


def test_ten_thousand_nodes_without_a_condition_make_no_context(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[object] = []
    monkeypatch.setattr(engine.draft.cel, "make_context", made.append)
    definition = parsed(
        **{f"n{at}": node("branch", next=f"n{at + 1}" if at < 99 else "done") for at in range(100)}, start="n0"
    )
    passed = 0
    for _ in range(100):
        view = engine.RunView(definition, {}, {}, step=engine.StepView("1", "n0", "ready"))
        plan = engine.advance(view, events.Begun(), most_passed=200)
        passed += sum(
            isinstance(order, orders.Make | orders.Close) and order.state == "done" for order in plan.orders
        )
    assert (passed, made) == (10_100, [])


def test_the_cost_of_an_item_does_not_grow_with_the_list() -> None:
    shell = run(lines(1000), **each())
    step = shell.open("b").id
    plan = shell.send(step, events.Closed({"n": 1}))
    assert [type(order).__name__ for order in plan.orders] == ["Close", "Arrived", "StartItems"]


def test_what_work_is_given_is_put_together_from_what_happened() -> None:
    shell = run(
        lines(2),
        **each(b=node("agent", give={"n": "line.n", "at": "index", "no": "null"}, title='"Line"', next="met")),
    )
    assert engine.given(shell.view(shell.open("b", 1).id)) == {"give": {"n": 1, "at": 1}, "title": "Line"}


def test_the_arguments_of_an_undo_are_those_of_the_step_that_is_undone() -> None:
    undo = {"operation": "erp.cancel", "arguments": {"entry": "steps.b.answer.entry", "n": "line.n"}}
    shell = run(
        lines(2),
        **each(
            b=node("operation", undo=undo, next="met"), met=node("join", next="c"), c=node("agent", next="done")
        ),
    )
    shell.do("b", {"entry": "E1"}, 1).do("b", {"entry": "E0"}, 0)
    assert [engine.given_to_undo(shell.view(step)) for step in shell.finished[1:3]] == [
        {"entry": "E1", "n": 1},
        {"entry": "E0", "n": 0},
    ]


def test_a_view_needs_few_steps() -> None:
    shell = run(
        a=node("agent", next="b"),
        b=node("agent", next=[{"when": "steps.a.answer.x", "to": "f"}, {"to": "done"}]),
        f=node("branch", next="c"),
        c=node("agent", give={"y": "steps.b.answer"}, next="done"),
    )
    wanted = engine.needs(shell.definition, "b")
    assert (sorted(wanted.nodes), wanted.facts) == (["b", "c", "done", "f"], {"a"})
    assert engine.needs(shell.definition, "") == engine.Needs(frozenset({"a"}), frozenset())
