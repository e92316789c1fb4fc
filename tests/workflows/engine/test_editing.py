"""Changes of a definition lose nothing: what led to a node follows it, and a sound workflow stays sound."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agents.decision.plain_yaml import write_documents
from tests.workflows.engine.build import KNOWN, content, node
from tests.workflows.engine.definitions import trees, written
from tests.workflows.engine.test_graph import raw
from workflows.runs import engine
from workflows.runs.engine.editing import EditError, added, connected, removed, renamed, started_with
from workflows.runs.engine.graph import graph_of

A_AND_B = {"a": node("agent", next="b"), "b": node("human", next="done")}


def errors(found: dict[str, Any]) -> list[str]:
    return [str(finding) for finding in engine.errors(engine.lint(engine.parse(found), KNOWN))]


@settings(max_examples=25, deadline=None)
@given(tree=trees(), where=st.integers(0, 50))
def test_a_step_that_is_removed_is_named_nowhere(tree: tuple[Any, ...], where: int) -> None:
    before = raw(written(tree))
    key = list(before["nodes"])[where % len(before["nodes"])]
    made = removed(before, key).content
    graph = graph_of(made)
    assert key not in {box.id for box in graph.boxes}
    assert made["start"] in made["nodes"]
    assert key in before["nodes"]  # the one it came from is left alone


@settings(max_examples=25, deadline=None)
@given(tree=trees(), where=st.integers(0, 50))
def test_a_step_with_another_key_is_the_same_picture(tree: tuple[Any, ...], where: int) -> None:
    before = raw(written(tree))
    key = list(before["nodes"])[where % len(before["nodes"])]
    made = renamed(before, key, "another").content
    assert renamed(made, "another", key).content == before
    assert key not in {box.id for box in graph_of(made).boxes}
    assert f"steps.{key}." not in str(made)


@settings(max_examples=25, deadline=None)
@given(tree=trees(), where=st.integers(0, 50), kind=st.sampled_from(sorted(engine.NODES)))
def test_a_step_is_put_in_without_cutting_what_was_there(tree: tuple[Any, ...], where: int, kind: str) -> None:
    before = raw(written(tree))
    key = list(before["nodes"])[where % len(before["nodes"])]
    edited = added(before, kind, "New", after=key)
    assert set(before["nodes"]) < set(edited.content["nodes"])
    graph = graph_of(edited.content)
    assert "missing" not in {box.kind for box in graph.boxes}
    if before["nodes"][key]["kind"] != "end":
        assert (key, edited.focus) in {(line.source, line.target) for line in graph.lines}


@settings(max_examples=15, deadline=None)
@given(tree=trees())
def test_picture_and_text_say_the_same(tree: tuple[Any, ...]) -> None:
    found = raw(written(tree))
    assert engine.read_yaml(write_documents([found])) == found


def test_a_block_comes_whole() -> None:
    edited = added(content(a=node("branch", next="done")), "parallel", "Both", after="a")
    nodes = edited.content["nodes"]
    assert nodes["a"]["next"] == "parallel"
    assert nodes["parallel"]["branches"] == [{"to": "join"}, {"to": "join"}]
    assert nodes["join"]["next"] == "done"
    inside = added(added(edited.content, "branch", "One", "parallel").content, "branch", "Two", "parallel")
    nodes = inside.content["nodes"]
    assert [way["to"] for way in nodes["parallel"]["branches"]] == ["branch", "branch_2"]
    assert (nodes["branch"]["next"], nodes["branch_2"]["next"]) == ("join", "join")
    assert errors({**inside.content, "sla_seconds": 60}) == []


def test_a_new_way_asks_for_its_condition_and_the_last_one_stays_last() -> None:
    made = connected(content(**A_AND_B), "a", "done").content
    assert made["nodes"]["a"]["next"] == [{"when": "", "to": "done"}, {"to": "b"}]
    with pytest.raises(engine.DefinitionError, match="nodes/a/next"):
        engine.parse(made)


def test_what_reads_a_step_reads_it_under_its_new_key() -> None:
    found = content(a=node("agent", next=[{"when": "steps.a.answer.x == steps.ab.answer.x", "to": "done"}]))
    made = renamed(found, "a", "first").content
    assert made["nodes"]["first"]["next"][0]["when"] == "steps.first.answer.x == steps.ab.answer.x"


def test_removing_bends_the_ways() -> None:
    made = removed(content(**A_AND_B), "b").content
    assert made["nodes"]["a"]["next"] == "done"
    assert removed(content(**A_AND_B), "a").content["start"] == "b"
    assert "next" not in removed(content(a=node("agent", next="done")), "done").content["nodes"]["a"]


def test_what_cannot_be_is_refused_by_name() -> None:
    found = content(**A_AND_B)
    for change, said in (
        (lambda: renamed(found, "a", "b"), "already"),
        (lambda: renamed(found, "a", "Not this"), "begins with"),
        (lambda: added(found, "robot", "R"), "no kind"),
        (lambda: connected(found, "done", "a"), "leads nowhere"),
        (lambda: started_with(found, "x"), "no step x"),
    ):
        with pytest.raises(EditError, match=said):
            change()
