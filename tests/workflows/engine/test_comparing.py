"""The difference of two versions in words: sentences a manager understands."""

from __future__ import annotations

from typing import Any

import pytest

from tests.workflows.engine.build import content, node
from workflows.runs import engine
from workflows.runs.engine.comparing import differences, duration

BASE: dict[str, dict[str, Any]] = {
    "check": node(
        "agent",
        name="Check it",
        give={"total": "input.total"},
        answer={"type": "object", "properties": {"ok": {"type": "boolean"}}, "required": ["ok"]},
        next=[{"when": "input.total > 10000", "to": "approve"}, {"to": "post"}],
    ),
    "approve": node("human", name="Approve", next="post"),
    "post": node("operation", name="Post it", operation="erp.post", undo="none", next="done"),
}


def compared(
    changes: dict[str, dict[str, Any]] | None = None, drop: tuple[str, ...] = (), **whole: Any
) -> list[str]:
    """Return the sentences for the base with members of nodes changed, nodes dropped, the whole changed."""
    nodes = {key: {**facts, **(changes or {}).get(key, {})} for key, facts in BASE.items() if key not in drop}
    nodes |= {key: facts for key, facts in (changes or {}).items() if key not in BASE}
    start = whole.pop("start", "check")
    new = {**content(start, **nodes), **whole}
    return differences(engine.load(content("check", **BASE)), engine.load(new))


def test_nothing_differs() -> None:
    assert compared() == []


@pytest.mark.parametrize(
    ("node_id", "changes", "said"),
    [
        (
            "check",
            {"next": [{"when": "input.total > 5000", "to": "approve"}, {"to": "post"}]},
            ["Check it: Goes to Approve when input.total > 5000 instead of 10000."],
        ),
        (
            "check",
            {"next": [{"when": "input.total > 10000 && input.known", "to": "approve"}, {"to": "post"}]},
            [
                "Check it: Goes to Approve when input.total > 10000 && input.known"
                " instead of when input.total > 10000."
            ],
        ),
        ("check", {"next": "post"}, ["Check it: Goes to Approve no more when input.total > 10000."]),
        (
            "post",
            {"next": [{"when": "steps.post.answer.paid", "to": "approve"}, {"to": "done"}]},
            ["Post it: Goes to Approve when steps.post.answer.paid, which is new."],
        ),
        ("check", {"name": "Read it"}, ["Check it is called Read it."]),
        ("check", {"role": "reader"}, ["Check it: The role: reader instead of clerk."]),
        ("check", {"department": "finance"}, ["Check it: The department finance, which is new."]),
        (
            "check",
            {"due_seconds": 5400},
            ["Check it: It should be done in 1 hour 30 minutes instead of 1 minute."],
        ),
        ("check", {"give": {}}, ["Check it: It is given total no more."]),
        (
            "check",
            {"give": {"total": "input.number"}},
            ["Check it: It is given total: input.number instead of input.total."],
        ),
        (
            "check",
            {"failed": "approve"},
            ["Check it: When it fails it goes to Approve instead of an operator, who is asked."],
        ),
        (
            "check",
            {
                "answer": {
                    "type": "object",
                    "properties": {"ok": {"type": "boolean"}, "why": {"type": "string"}},
                }
            },
            ["Check it: The answer may have ok.", "Check it: The answer may have why, which is new."],
        ),
        (
            "approve",
            {"groups": ["Managers", "Auditors"]},
            ["Approve: The groups: Managers or Auditors instead of Approvers."],
        ),
        ("post", {"operation": "erp.find"}, ["Post it: The operation: erp.find instead of erp.post."]),
        (
            "post",
            {"undo": {"operation": "erp.cancel", "arguments": {}}},
            ["Post it: It is undone by erp.cancel instead of nothing, on purpose."],
        ),
        ("approve", {"exception": True}, ["Approve: It counts as an exception."]),
        ("check", {"retry": {"most": 3}}, ["Check it: It is tried 3 times in all, which is new."]),
    ],
)
def test_a_change_of_a_node_is_a_sentence(node_id: str, changes: dict[str, Any], said: list[str]) -> None:
    assert compared({node_id: changes}) == said


def test_nodes_that_come_and_go_are_named() -> None:
    said = compared(
        {"check": {"next": "file"}, "file": node("human", name="File it", next="post")}, drop=("approve",)
    )
    assert said == [
        "Approve (approve) is gone.",
        "File it (file) is new: people of Approvers do it; then Post it.",
        "Check it: Goes to File it in any other case, which is new.",
        "Check it: Goes to Approve no more when input.total > 10000.",
        "Check it: Goes to Post it no more in any other case.",
    ]


def test_a_node_under_another_key_is_the_same_node() -> None:
    said = compared(
        {
            "check": {"next": [{"when": "input.total > 10000", "to": "agree"}, {"to": "post"}]},
            "agree": {**BASE["approve"], "due_seconds": 3600},
        },
        drop=("approve",),
    )
    assert said == [
        "Approve: its key is agree instead of approve.",
        "Approve: It should be done in 1 hour instead of 1 minute.",
    ]


def test_the_whole_is_told_first() -> None:
    shape = {"type": "object", "required": ["total"], "properties": {"total": {"type": "integer"}}}
    said = compared(
        name="Post", owner="Approvers", sla_seconds=86_400, input=shape, start="post", drop=("check",)
    )
    assert said[:5] == [
        "The name is “Post” instead of “Letters”.",
        "The owner is “Approvers” instead of “Managers”.",
        "A run is promised to take at most 1 day instead of 10 minutes.",
        "The input has no lines any more.",
        "The input has no number any more.",
    ]
    assert "The input has to have total." in said
    assert "It starts with Post it instead of Check it." in said


def test_branches_and_order() -> None:
    both = {
        "fork": node("parallel", name="Fork", branches=[{"to": "x"}, {"to": "y"}], join="met"),
        "x": node("agent", name="X", next="met"),
        "y": node("agent", name="Y", next="met"),
        "met": node("join", name="Met", need="all", next="done"),
    }
    other = {
        **both,
        "fork": {**both["fork"], "branches": [{"to": "y"}, {"when": "input.total > 1", "to": "x"}]},
        "met": {**both["met"], "need": 1},
    }
    old, new = (engine.load(content("fork", **nodes)) for nodes in (both, other))
    assert differences(old, new) == [
        "Fork: Begins X when input.total > 1 instead of in any other case.",
        "Fork: Its ways are asked in another order: Y, X.",
        "Met: How many have to arrive: 1 instead of all.",
    ]


def test_seconds_in_words() -> None:
    assert duration(93_784) == "1 day 2 hours 3 minutes 4 seconds"
    assert duration(0) == "0 seconds"
