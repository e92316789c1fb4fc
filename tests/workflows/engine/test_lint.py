"""The lint: each finding names the node and the cure; errors stop publishing, advice does not."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.workflows.engine.build import KNOWN, OPEN, content, findings, node, parsed
from workflows.runs import engine
from workflows.runs.services.able import ABLE
from workflows.runs.services.beginning import _BEGIN

BOTH = node("parallel", branches=[{"to": "left"}, {"to": "right"}], join="met")
EACH = node("map", over="input.lines", item="line", do="book", join="booked")


def fork(**changes: Any) -> dict[str, dict[str, Any]]:
    nodes = {
        "a": BOTH,
        "left": node("agent", next="met"),
        "right": node("agent", next="met"),
        "met": node("join", next="done"),
    }
    return {**nodes, **changes}


def loop(**changes: Any) -> dict[str, dict[str, Any]]:
    nodes = {
        "a": EACH,
        "book": node("agent", give={"sku": "line.sku", "at": "index"}, next="booked"),
        "booked": node("join", collect="steps.book.answer", next="done"),
    }
    return {**nodes, **changes}


def test_every_kind_together_has_no_findings() -> None:
    nodes = {
        **fork(met=node("join", need="any", rest="cancel", next="ask", failed="back")),
        "ask": node(
            "gate",
            arguments={"number": "input.number"},
            next=[{"when": 'steps.ask.answer.verdict == "allow"', "to": "each"}, {"to": "sorry"}],
        ),
        "each": {**EACH, "do": "book", "join": "booked", "tolerate": "5%", "failed": "sorry"},
        "book": node(
            "operation",
            operation="erp.post",
            arguments={"number": "line.sku", "minor": "line.count"},
            undo={"operation": "erp.cancel", "arguments": {"entry": "steps.book.answer.entry"}},
            when_down={"to": "booked"},
            next="booked",
        ),
        "booked": node("join", collect="steps.book.answer.entry", next="other", failed="back"),
        "other": node("sub", give={"number": "input.number"}, next="later", failed="back"),
        "later": node(
            "wait",
            signal="goods",
            match="signal.order == input.number",
            timeout_seconds=60,
            late="sorry",
            next="done",
        ),
        "back": node("compensate", of=["book"], next="sorry"),
        "sorry": node(
            "human",
            show={"booked": "has(steps.booked) ? steps.booked.answer.items : null"},
            deadlines={"start": {"seconds": 9, "then": "escalate", "to": ["Managers"]}},
            next="gone",
        ),
        "gone": node("end", outcome="gone", compensate=True),
    }
    assert findings(**nodes) == []


@pytest.mark.parametrize(
    ("nodes", "words"),
    [
        # Blocks
        (fork(left=node("agent", next="after"), after=node("agent", next="done")), ""),
        (fork(right=node("agent", next="left")), "left: It is led to from branch"),
        (fork(left=node("agent", next="a")), "a: It is led to from branch 1 of a"),
        (fork(met=node("join", next="left")), "left: It is led to from"),
        (fork(met=node("join", next="lone"), lone=node("join", next="done")), "lone: It joins nothing"),
        (fork(met=node("agent", next="done")), "a: What it opens is closed by met, which is no join"),
        (fork(met=node("join", need=3, next="done")), "met: It needs 3 of the 2 branches of a"),
        (
            fork(
                met=node("join", next="b"),
                b={**BOTH, "branches": [{"to": "c"}, {"to": "met"}]},
                c=node("agent", next="met"),
            ),
            "met: It closes what 2 nodes open",
        ),
        (
            {"a": node("agent", next="met"), "b": BOTH, **{k: v for k, v in fork().items() if k != "a"}},
            "a: It leads to the join met, and is not inside",
        ),
        (loop(a={**EACH, "do": "booked"}, book=node("agent", next="done")), "a: Nothing is done for an item"),
        (loop(a={**EACH, "item": "steps"}), "a: An item cannot be called steps"),
        # Ways
        (fork(a={**BOTH, "branches": [{"to": "nowhere"}]}), "a: It leads to nowhere, which is no node"),
        (fork(met=node("join", next="met2"), met2=node("branch", next="a")), "nobody asked on the way"),
        (fork(lost=node("agent", next="done")), "lost: Nothing leads to it"),
        (fork(met=node("join", failed="gone", next="done")), "met: It leads to gone, which is no node"),
        # What is named
        ({"a": node("sub", workflow="gone", next="done")}, "a: There is no workflow gone"),
        ({"a": node("gate", operation="erp.fly", next="done")}, "a: There is no operation erp.fly"),
        (
            {"a": node("operation", undo={"operation": "erp.fly"}, next="done")},
            "a: There is no operation erp.fly",
        ),
        ({"a": node("agent", owner="Nobodies", next="done")}, "a: There is no group Nobodies"),
        (
            {
                "a": node(
                    "human",
                    next="done",
                    deadlines={"complete": {"seconds": 1, "then": "reassign", "to": ["No"]}},
                )
            },
            "a: There is no group No",
        ),
        ({"a": node("agent", same_agent_as="done", next="done")}, "same_agent_as: done is no agent's step"),
        (
            {"a": node("agent", same_agent_as="b", next="b"), "b": node("agent", next="done")},
            "a: same_agent_as: b cannot have happened before",
        ),
        ({"a": node("compensate", of=["b"], next="done")}, "a: It undoes b, which is no node"),
        (
            {"a": node("agent", next="b"), "b": node("compensate", of=["a"], next="done")},
            "b: It undoes a, which says no `undo`",
        ),
        # What is read
        ({"a": node("agent", give={"x": "item"}, next="done")}, "a: give/x: there is no item. Use input, run"),
        (loop(book=node("agent", give={"x": "item"}, next="booked")), "Use index, input, line, run, steps"),
        (loop(booked=node("join", next="b"), b=node("agent", give={"x": "index"}, next="done")), "no index"),
        (
            loop(booked=node("join", next="b"), b=node("agent", give={"x": "steps.book.answer"}, next="done")),
            "b: give/x: book is done once for each item",
        ),
        (fork(left=node("agent", give={"x": "steps.right.answer"}, next="met")), "right cannot have happened"),
        (
            {"a": node("agent", give={"x": "steps.b.answer"}, next="b"), "b": node("agent", next="done")},
            "a: give/x: b cannot have happened before",
        ),
        ({"a": node("wait", seconds=1, next=[{"when": "signal.x", "to": "done"}])}, "there is no signal"),
        # Types
        ({"a": node("agent", give={"x": "input.nope"}, next="done")}, "input.nope cannot be there"),
        ({"a": node("agent", give={"x": "run.nope"}, next="done")}, "there is no nope. Use one of id, key"),
        ({"a": node("agent", give={"x": "input.number.no"}, next="done")}, "cannot be there, there is no no"),
        ({"a": node("agent", next=[{"when": "steps.a.nope == 1", "to": "done"}])}, "steps.a.nope cannot be"),
        (
            {"a": node("human", form=OPEN, next=[{"when": "has(steps.a.answer.x)", "to": "done"}])},
            "steps.a.answer.x cannot be there",
        ),
        ({"a": node("gate", next=[{"when": "steps.a.answer.say", "to": "done"}])}, "one of verdict, code"),
        (loop(book=node("agent", give={"x": "line.weight"}, next="booked")), "line.weight cannot be there"),
        (
            {"a": node("operation", operation="erp.post", arguments={"minor": "input.total"}, next="done")},
            "a: arguments: number is missing",
        ),
        (
            {"a": node("operation", operation="erp.find", arguments={"numer": "input.number"}, next="done")},
            "a: arguments/numer: it is not taken",
        ),
        (
            {"a": node("operation", operation="erp.find", arguments={"number": "input.total"}, next="done")},
            "a: arguments/number: it is integer, and string is taken",
        ),
        (
            {"a": node("operation", operation="erp.find", arguments={"number": "true"}, next="done")},
            "it is boolean, and string is taken",
        ),
        (loop(a={**EACH, "over": "input.number"}), "a: over: it is string, and array is wanted"),
        (
            {"a": node("branch", next=[{"when": "input.total", "to": "done"}, {"to": "done"}])},
            "boolean is wanted",
        ),
        (
            {"a": node("sub", give={"number": '"x"', "paid": "7"}, next="done")},
            "a: give/paid: it is integer, and boolean is taken",
        ),
        (
            loop(
                book=node("operation", operation="erp.find", arguments={"number": "line.count"}, next="booked")
            ),
            "book: arguments/number: it is integer, and string is taken",
        ),
    ],
)
def test_an_error_names_the_node_and_the_cure(nodes: dict[str, Any], words: str) -> None:
    said = [found for found in findings(**nodes) if found.startswith("error")]
    if not words:
        assert said == []
    else:
        assert words in " | ".join(said)


def test_a_branch_may_end_the_whole_run() -> None:
    assert findings(**fork(left=node("agent", next=[{"when": "true", "to": "done"}, {"to": "met"}]))) == []


def test_after_a_parallel_the_answers_of_its_branches_may_be_read() -> None:
    nodes = fork(met=node("join", next="b"), b=node("agent", give={"x": "steps.left.answer"}, next="done"))
    assert findings(**nodes) == []


@pytest.mark.parametrize(
    ("nodes", "words"),
    [
        (
            {"a": {"kind": "human", "name": "A", "groups": ["Managers"], "form": OPEN, "next": "done"}},
            "when it",
        ),
        ({"a": node("wait", signal="x", next="done")}, "a: It may wait for its signal for ever"),
        (
            {"a": node("operation", operation="erp.post", arguments={"number": '"x"'}, next="done")},
            "a: Nothing says how its effect is undone. Say `undo` with erp.cancel",
        ),
        (fork(a={**BOTH, "branches": [{"to": "left"}]}, right=node("end")), "a: It has one branch only"),
    ],
)
def test_advice_stops_nothing(nodes: dict[str, Any], words: str) -> None:
    found = engine.lint(parsed(**nodes), KNOWN)
    advice = [str(finding) for finding in found if finding.level is engine.Level.ADVICE]
    assert words in " | ".join(advice)


@pytest.mark.parametrize(
    ("needed", "cure"),
    [
        (["entry"], "Say `undo: {operation: erp.cancel, arguments: {entry: steps.a.answer.entry}}`"),
        (["number"], 'arguments: {number: "x"}}`, or `undo: none`.'),
        (["entry", "why"], "Say `undo` with erp.cancel, or"),
    ],
)
def test_what_undoes_an_effect_is_written_out_where_all_it_needs_is_there(needed: list[str], cure: str) -> None:
    members = {name: {"type": "string"} for name in needed}
    cancel = engine.OperationShape("write", {**OPEN, "properties": members, "required": needed})
    known = replace(KNOWN, shapes={**KNOWN.shapes, "erp.cancel": cancel})
    posting = node("operation", operation="erp.post", arguments={"number": '"x"'}, next="done")
    assert cure in " | ".join(map(str, engine.lint(parsed(a=posting), known)))


def test_a_workflow_without_a_promise_of_time_is_advised() -> None:
    written = content(a=node("agent", next="done"))
    del written["sla_seconds"]
    found = engine.lint(engine.parse(written), KNOWN)
    assert [(finding.level, finding.cure) for finding in found] == [(engine.Level.ADVICE, "Say `sla_seconds`.")]
    assert engine.errors(found) == []


def test_undo_none_is_said_on_purpose() -> None:
    nodes = {
        "a": node("operation", operation="erp.post", arguments={"number": '"x"'}, undo="none", next="done")
    }
    assert findings(**nodes) == []


def test_what_is_not_executed_is_not_published() -> None:
    able = {kind: members for kind, members in ABLE.items() if kind != "sub"}
    able["agent"] = able["agent"] - {"needs"}
    known = replace(KNOWN, able=able)
    said = findings(known, a=node("sub", next="b"), b=node("agent", needs=["x"], next="done"))
    assert "error: a: The kind sub is not run yet. Use another kind." in said
    assert "error: b: `needs` is not run yet at the kind agent. Leave it out." in said


def test_the_list_of_what_is_executed_names_what_the_hand_can_begin() -> None:
    assert set(ABLE) - {"branch", "parallel", "map", "join", "compensate", "end"} == set(_BEGIN)
    assert set(_BEGIN) <= engine.WORK
    for kind, members in ABLE.items():
        assert members <= set(engine.NODES[kind]["properties"])


@pytest.mark.parametrize(
    "wrong",
    [
        node("wait", next="done"),
        node("wait", seconds=1, until="input.x", next="done"),
        node("map", over="input.lines", do="b", join="c", next="done"),
        node("parallel", branches=[], join="c"),
        node("join", need="some", next="done"),
        node("join", rest="drop", next="done"),
        node("map", over="input.lines", do="b", join="c", tolerate="500%"),
        node("map", over="input.lines", do="b", join="c", most_at_once=5000),
        node("operation", undo="never", next="done"),
        node("agent", retry={"most": 0}, next="done"),
        node("agent", retry={"most": 2, "jitter": 0.5}, next="done"),
        node("human", deadlines={"start": {"seconds": 5, "then": "shout"}}, next="done"),
    ],
)
def test_what_has_not_the_form_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(engine.DefinitionError):
        parsed(a=wrong)


def test_a_label_that_no_agent_has_is_told() -> None:
    known = replace(KNOWN, labels={"german"})
    said = findings(known, a=node("agent", needs=["german", "klingon"], next="done"))
    assert "error: a: There is no agent with the label klingon. Give it to one, or name another." in said
    assert not any("german." in one for one in said)


@pytest.mark.parametrize(
    ("facts", "said"),
    [
        ({"attempts": 2, "retry": {"most": 3}}, "error: a: `attempts` and `retry` both say"),
        ({"retry": {"most": 2, "wait_seconds": 60, "cap_seconds": 10}}, "error: a: `cap_seconds` is less"),
        ({"timeouts": {"run_seconds": 90, "total_seconds": 60}}, "error: a: `run_seconds` is longer than"),
        ({"timeouts": {"heartbeat_seconds": 2}}, "error: a: No claim is shorter"),
        ({"timeouts": {"run_seconds": 30, "total_seconds": 60}, "retry": {"most": 2}}, ""),
    ],
)
def test_attempts_and_times_do_not_contradict_each_other(facts: dict[str, Any], said: str) -> None:
    found = [
        line
        for line in findings(KNOWN, a=node("agent", **facts, next="done"))
        if "a: `" in line or "No claim" in line
    ]
    found = [line for line in found if line.startswith("error")]
    assert len(found) == bool(said)
    assert all(line.startswith(said) for line in found)
