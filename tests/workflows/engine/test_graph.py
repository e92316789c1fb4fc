"""The picture of a definition is complete for every definition, and is drawn while one is written."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.harness import ROOT
from tests.workflows.engine.build import content, node
from tests.workflows.engine.definitions import trees, written
from workflows.runs import engine
from workflows.runs.engine.graph import Graph, Way, graph_of
from workflows.runs.engine.saying import condition_in_words


def raw(definition: engine.Definition) -> dict[str, Any]:
    """Return a definition as the JSON it was read from."""
    return {
        "code": definition.code,
        "start": definition.start,
        "nodes": {key: dict(node.facts) for key, node in definition.nodes.items()},
    }


FOUR = {"most": 4}


def arrows(graph: Graph) -> set[tuple[str, str]]:
    return {(line.source, line.target) for line in graph.lines}


@settings(max_examples=25, deadline=None)
@given(tree=trees())
def test_every_node_is_a_box_and_all_it_may_lead_to_a_line(tree: tuple[Any, ...]) -> None:
    definition = written(tree)
    graph = graph_of(raw(definition))
    assert [box.id for box in graph.boxes] == list(definition.nodes)
    assert [box.id for box in graph.boxes if box.is_start] == [definition.start]
    assert {(key, to) for key in definition.nodes for to in definition.flow(key)} <= arrows(graph)
    known = set(definition.nodes)
    assert all({line.source, line.target} <= known for line in graph.lines)
    assert {block.opener: block.join for block in graph.blocks} == {
        node.id: node.join
        for node in definition.nodes.values()
        if node.join and node.id in definition.regions.homes
    }
    for block in graph.blocks:
        homes = definition.regions.homes
        assert set(block.inside) == {key for key, home in homes.items() if block.opener in dict(home)}


def test_the_demo_company_s_workflows_are_drawn_whole() -> None:
    for path in (ROOT / "workflows" / "demo" / "workflows").glob("*.yaml"):
        found = engine.read_yaml(path.read_text())
        graph = graph_of(found)
        assert len(graph.boxes) == len(found["nodes"])
        assert all(box.kind != "missing" for box in graph.boxes)


def test_ways_say_why_they_are_taken() -> None:
    graph = graph_of(
        content(
            a=node(
                "operation",
                next=[{"when": "input.total >= 500 && steps.a.answer.paid == true", "to": "b"}, {"to": "done"}],
                refused="b",
                when_down={"to": "b"},
            ),
            b=node("wait", signal="goods", late="done", next="c"),
            c=node("compensate", of=["a"], next="done"),
        )
    )
    said = {(line.source, line.target, line.way, line.words, line.is_else) for line in graph.lines}
    assert ("a", "b", Way.NEXT, "total ≥ 500 and paid of Operation is yes", False) in said
    assert ("a", "done", Way.NEXT, "", True) in said
    ways = {(line.source, line.target, line.way) for line in graph.lines}
    assert {("a", "b", Way.REFUSED), ("a", "b", Way.DOWN), ("b", "done", Way.LATE)} <= ways
    assert ("c", "a", Way.UNDOES) in ways


def test_notes_say_what_a_name_does_not() -> None:
    deadline = {"seconds": 60, "then": "escalate", "to": ["Managers"]}
    graph = graph_of(
        content(
            a=node(
                "operation", next="b", undo={"operation": "erp.cancel"}, retry={"most": 4}, when_down="person"
            ),
            b=node("human", next="done", deadlines={"complete": deadline}),
        )
    )
    boxes = {box.id: box for box in graph.boxes}
    assert boxes["a"].notes == {"attempts": 4, "undo": "erp.cancel", "when_down": "person"}
    assert boxes["b"].notes["complete_at"] == {"seconds": 60, "then": "escalate", "to": ["Managers"]}
    assert (boxes["a"].doer, boxes["b"].doer) == ("erp.find, clerk", "Approvers")


def test_what_is_not_sound_yet_is_drawn_as_far_as_it_goes() -> None:
    graph = graph_of({"start": "gone", "nodes": {"a": {"kind": "agent", "next": "nowhere"}, "b": 7}})
    assert [(box.id, box.kind) for box in graph.boxes] == [
        ("a", "agent"),
        ("gone", "missing"),
        ("nowhere", "missing"),
    ]
    assert graph_of({}).boxes == ()


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=6,
)
MEMBERS = st.sampled_from(
    [
        "kind",
        "next",
        "branches",
        "do",
        "join",
        "failed",
        "of",
        "when_down",
        "deadlines",
        "retry",
        "undo",
        "groups",
    ]
)


@settings(max_examples=25, deadline=None)
@given(tree=trees(), where=st.integers(0, 30), member=MEMBERS, value=JSON)
def test_nothing_that_can_be_written_stops_the_drawing(
    tree: tuple[Any, ...], where: int, member: str, value: Any
) -> None:
    found = copy.deepcopy(raw(written(tree)))
    keys = list(found["nodes"])
    found["nodes"][keys[where % len(keys)]][member] = value
    graph = graph_of(found)
    boxes = {box.id for box in graph.boxes}
    assert all({line.source, line.target} <= boxes for line in graph.lines)


@pytest.mark.parametrize(
    ("condition", "said"),
    [
        ("input.total > 5000", "total > 5000"),
        ('steps.read.answer.kind != "chat"', "kind of Read it is not “chat”"),
        (
            "has(steps.read.answer.note) && !steps.read.answer.paid",
            "note of Read it is there and not paid of Read it",
        ),
        ('steps.ask.answer.verdict == "a == b"', "verdict of ask is “a == b”"),
        ("size(input.lines) == 2", "size(lines) is 2"),
        ("steps.read.actions.exists(a, a.done)", "actions of Read it exists(a, a done)"),
        ("steps.read.state == 'done'", "state of Read it is “done”"),
    ],
)
def test_conditions_are_said_in_words(condition: str, said: str) -> None:
    assert condition_in_words(condition, {"read": "Read it"}) == said
