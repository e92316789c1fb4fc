"""The pure engine: what a definition may be, what lint finds, what comes next. No database."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.policies.schemas import schema_problems
from workflows.runs import engine
from workflows.runs.engine.lint import Known

TEXT = {"type": "string", "maxLength": 40}
CONTENT: dict[str, Any] = {
    "code": "letters",
    "name": "Answer letters",
    "owner": "Managers",
    "sla_seconds": 86400,
    "input": {"type": "object", "additionalProperties": False, "properties": {"topic": TEXT}},
    "start": "read",
    "nodes": {
        "read": {
            "kind": "agent",
            "name": "Read it",
            "role": "reader",
            "due_seconds": 600,
            "give": {"topic": "input.topic"},
            "answer": {
                "type": "object",
                "additionalProperties": False,
                "required": ["kind"],
                "properties": {"kind": TEXT, "pages": {"type": "integer"}},
            },
            "next": [
                {"when": 'steps.read.answer.kind == "order"', "to": "enter"},
                {"when": "steps.read.answer.pages > 10", "to": "look"},
                {"to": "done"},
            ],
            "failed": "look",
        },
        "enter": {
            "kind": "operation",
            "name": "Enter it",
            "role": "reader",
            "operation": "fake.invoice.post",
            "next": "done",
        },
        "look": {
            "kind": "human",
            "name": "Look at it",
            "groups": ["Approvers"],
            "due_seconds": 600,
            "form": {"type": "object", "additionalProperties": False, "properties": {"note": TEXT}},
            "next": "done",
        },
        "done": {"kind": "end", "name": "Done", "outcome": "answered", "output": {"topic": "input.topic"}},
    },
}
KNOWN = Known({"reader"}, {"finance"}, {"fake.invoice.post"}, {"Managers", "Approvers"}, schema_problems)


def changed(path: str, value: Any) -> dict[str, Any]:
    """Return the definition with one place changed; ``...`` removes it."""
    content = copy.deepcopy(CONTENT)
    *parents, last = path.split("/")
    place = content
    for parent in parents:
        place = place[parent]
    if value is ...:
        del place[last]
    else:
        place[last] = value
    return content


def found_in(content: dict[str, Any]) -> str:
    return " ".join(str(finding) for finding in engine.lint(engine.parse(content), KNOWN))


def next_after(node: str, **step: Any) -> engine.Next:
    facts = engine.context_of(
        run={"id": "1"}, input={"topic": "bolts"}, steps={node: {"answer": {}, "error": {}, **step}}
    )
    return engine.after(engine.parse(CONTENT), node, facts)


def test_a_sound_definition_has_no_findings() -> None:
    assert engine.lint(engine.parse(CONTENT), KNOWN) == []


@pytest.mark.parametrize(
    ("path", "value", "words"),
    [
        ("start", "nowhere", "starts with nowhere"),
        ("owner", "Nobodies", "Nobodies is no group"),
        ("nodes/read/role", "pilot", "read: There is no role pilot"),
        ("nodes/read/department", "moon", "read: There is no department moon"),
        ("nodes/enter/operation", "erp.fly", "enter: There is no operation erp.fly"),
        ("nodes/look/groups", ["Nobodies"], "look: There is no group Nobodies"),
        ("nodes/enter/next", "gone", "enter: It leads to gone"),
        ("nodes/read/failed", "gone", "read: It leads to gone"),
        ("nodes/lost", CONTENT["nodes"]["enter"], "lost: Nothing leads to it"),
        ("nodes/done", CONTENT["nodes"]["enter"], "It never ends"),
        ("nodes/read/give", {"topic": "inpt.topic"}, "give/topic: there is no inpt"),
        ("nodes/read/give", {"topic": "input.("}, "give/topic: it is not valid CEL"),
        ("nodes/read/give", {"topic": "steps.gone.answer"}, "there is no step gone"),
        ("nodes/read/next", [{"when": "true", "to": "done"}], "it stops there"),
        ("nodes/read/next", [{"to": "done"}, {"to": "look"}], "never taken"),
        ("nodes/read/answer", {"type": "object"}, "additionalProperties"),
        ("input", {"type": "object"}, "input:"),
    ],
)
def test_lint_names_the_node_and_the_cure(path: str, value: Any, words: str) -> None:
    assert words in found_in(changed(path, value))


def test_a_loop_with_nobody_in_it_is_found() -> None:
    content = changed("nodes/fork", {"kind": "branch", "name": "Fork", "next": [{"to": "spoon"}]})
    content["nodes"]["spoon"] = {"kind": "branch", "name": "Spoon", "next": [{"to": "fork"}]}
    content["nodes"]["enter"]["next"] = [{"when": "false", "to": "fork"}, {"to": "done"}]
    assert "nobody asked on the way" in found_in(content)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("nodes", ...),
        ("code", "Not A Code"),
        ("nodes/read/kind", "robot"),
        ("nodes/read/role", ...),
        ("nodes/read/surprise", 1),
        ("nodes/done/outcome", "It Went Well"),
        ("nodes/read/give", {"x": 3}),
        ("nodes/read/next", []),
    ],
)
def test_what_has_not_the_form_is_refused_with_its_place(path: str, value: Any) -> None:
    with pytest.raises(engine.DefinitionError) as refused:
        engine.parse(changed(path, value))
    assert refused.value.problems


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a: [1, 2", "line"),
        ("- 1", "mapping"),
        ("a: &x 1\nb: *x", "aliases"),
        ("a: 1\na: 2", "twice"),
        ("true: 1", "quotes"),
        ("a: !!python/object:os.system {}", "YAML"),
        ("x" * 300_000, "larger"),
    ],
)
def test_yaml_is_json_in_other_clothes(text: str, words: str) -> None:
    with pytest.raises(engine.DefinitionError, match=words):
        engine.read_yaml(text)


def test_a_date_stays_a_text() -> None:
    assert engine.read_yaml("since: 2026-01-31") == {"since": "2026-01-31"}


def test_the_first_way_that_holds_is_taken() -> None:
    assert next_after("read", state="done", answer={"kind": "order"}) == engine.Goto("enter")
    assert next_after("read", state="done", answer={"kind": "x", "pages": 11}) == engine.Goto("look")
    assert next_after("read", state="done", answer={"kind": "x", "pages": 1}) == engine.Goto("done")


def test_a_failure_goes_the_way_that_is_named_or_waits_for_an_operator() -> None:
    assert next_after("read", state="failed") == engine.Goto("look")
    stuck = next_after("enter", state="failed", error={"code": "denied", "message": "Not today."})
    assert stuck == engine.Stuck("denied", "Not today.")


def test_a_condition_that_cannot_be_checked_is_never_guessed() -> None:
    stuck = next_after("read", state="done", answer={"kind": "x"})  # pages is missing
    assert isinstance(stuck, engine.Stuck)
    assert "does not have “pages”" in stuck.why


def test_an_end_finishes_with_its_output() -> None:
    assert next_after("done", state="done") == engine.Finish("answered", {"topic": "bolts"})


def test_null_leaves_a_member_out() -> None:
    facts = engine.context_of(run={}, input={}, steps={})
    assert engine.evaluated({"a": "1", "b": "null"}, facts) == {"a": 1}


@settings(max_examples=100)
@given(
    state=st.sampled_from(["done", "failed"]),
    answer=st.dictionaries(
        st.sampled_from(["kind", "pages", "more"]),
        st.one_of(st.integers(-5, 20), st.sampled_from(["order", "x"]), st.none(), st.booleans()),
    ),
    node=st.sampled_from(sorted(CONTENT["nodes"])),
)
def test_something_always_follows_and_it_is_a_node_an_end_or_a_question(
    state: str, answer: dict[str, Any], node: str
) -> None:
    following = next_after(node, state=state, answer=answer)
    assert isinstance(following, engine.Goto | engine.Finish | engine.Stuck)
    if isinstance(following, engine.Goto):
        assert following.node in CONTENT["nodes"]
