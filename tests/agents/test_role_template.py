"""Role templates as a text: every error has its path and what to write; the shipped ones are complete."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agents.decision.policy_file import PolicyFileError
from agents.decision.role_template import (
    Approvers,
    RoleEntry,
    RoleTemplate,
    Suggestion,
    Target,
    target_of,
    write_role_template,
)
from agents.decision.role_template_file import read_role_template
from agents.services.policy_files import limit_fields, rule_fields

SHIPPED = sorted((Path(__file__).parents[2] / "agents" / "role_templates").glob("*.yaml"))
HEAD = "kind: role\nformat: 1\ncode: clerk\nname: Clerk\n"


def read(text: str) -> RoleTemplate:
    return read_role_template(text, rule_fields(), limit_fields())


def problems(text: str) -> list[str]:
    with pytest.raises(PolicyFileError) as error:
        read(text)
    return [str(problem) for problem in error.value.problems]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "line 1: It holds no role."),
        ("kind: policy\ncode: a\nname: A", "line 1: It holds no role."),
        ("kind: rule", "line 1, kind: No such kind. Write kind: role, kind: policy or kind: limits."),
        ("kind: role\ncode: a\nname: A", "line 1, format: This portal reads format 1 of templates."),
        (HEAD.replace("1", "2"), "line 2, format: This portal reads format 1"),
        (HEAD.replace("clerk", "Clerk!"), "line 3, code: Write a short code"),
        ("kind: role\nformat: 1\ncode: a", "line 1, name: A role needs a name."),
        (HEAD + "salary: 1", "line 5, salary: There is no such field. Those that can be set are kind, format,"),
        (HEAD + "version: 0", "line 5, version: Write a whole number from 1 on."),
        (HEAD + "labels: x", "line 5, labels: This is a list."),
        (HEAD + "labels: [Big]", "line 5, labels[1]: A label is lower-case"),
        (HEAD + "responsibilities: ['']", "line 5, responsibilities[1]: Write one line for each."),
        (HEAD + f"name2: {'x' * 10}", "line 5, name2: There is no such field."),
        (HEAD + f"summary: {'x' * 501}", "line 5, summary: It is longer than 500 characters."),
        (HEAD + "performance:\n  - x", "line 6, performance[1]: This is no mapping."),
        (
            HEAD + "performance:\n  - code: a\n    name: A\n    better: more\n    target: 4\n    unit: h",
            "line 8, performance[1].better: Write one of higher, lower.",
        ),
        (
            HEAD + "performance:\n  - code: a\n    name: A\n    better: lower\n    target: four\n    unit: h",
            "line 9, performance[1].target: Write a number in digits",
        ),
        (HEAD + "performance:\n  - code: a\n    name: A", "line 6, performance[1]: It needs unit."),
        (HEAD + "approvers:\n  - why: x", "line 6, approvers[1]: It needs group."),
        (HEAD + "grants:\n  - operations: 'ERP *'", "line 6, grants[1].operations: 'ERP *' is no pattern"),
        (
            HEAD + "grants:\n  - operations: 'erp.*'\n    effects: [eat]",
            "line 7, grants[1].effects: 'eat' is no effect.",
        ),
        (HEAD + "---\n" + HEAD, "line 6: A template holds one role."),
        (
            HEAD + "---\nkind: policy\ncode: a\nname: A\nbinds: company",
            "line 9, binds: What a template holds binds its role.",
        ),
        (
            HEAD + "---\nkind: limits\nlimits:\n  - code: a\n    binds:\n      role: other",
            "line 10, limits[1].binds: What a template holds binds its role.",
        ),
        (
            HEAD + "---\nkind: policy\ncode: a\nname: A\nrules:\n  - mode: draft",
            "line 10, rules[1]: It needs a name.",
        ),
        (HEAD + 'summary: "a\\u202eb"', "line 5, summary: It holds a character that nobody can see."),
    ],
)
def test_what_is_wrong_is_said_with_its_place_and_what_to_write(text: str, said: str) -> None:
    assert any(problem.startswith(said) for problem in problems(text)), problems(text)


def test_everything_that_is_wrong_is_said_at_once() -> None:
    assert len(problems("kind: role\nformat: 3\nlabels: x\nbad: y")) == 5


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_a_shipped_template_is_complete(path: Path) -> None:
    template = read(path.read_text())
    role = template.role
    assert all((role.summary, role.job_description, role.labels, role.grants, role.approvers))
    assert min(len(role.responsibilities), len(role.performance)) >= 3
    assert {it.code for it in role.performance} >= {"hours_reclaimed"}
    (policy,) = template.file.policies
    assert len(policy.rules) >= 4
    assert any(rule.values.get("levels") for rule in policy.rules), "nobody is asked later"
    assert any(rule.values["verdict"] == "deny" for rule in policy.rules)
    assert any(limit.values["unit"] == "tokens" for limit in template.file.limits or ())
    told = {it.group for it in role.approvers}
    assert set(template.groups) == told, "each group that is asked says why"


def test_the_five_jobs_are_there() -> None:
    assert [path.stem for path in SHIPPED] == ["finance", "hr", "maintenance", "procurement", "support"]


def test_a_role_is_written_as_it_is_read() -> None:
    for path in SHIPPED:
        role = read(path.read_text()).role
        assert read(write_role_template(role, ())).role == role


def test_a_figure_is_read_as_it_is_said() -> None:
    for path in SHIPPED:
        for target in read(path.read_text()).role.performance:
            found = target_of(target.words)
            assert (found.name, found.better, found.target, found.unit) == (
                target.name,
                target.better,
                target.target,
                target.unit,
            )
    with pytest.raises(ValueError, match="names no figure"):
        target_of("fast")


WORDS = st.text(st.characters(codec="utf-8", exclude_categories=("C", "Z")), min_size=1, max_size=30)
CODES = st.from_regex(r"[a-z0-9][a-z0-9_-]{0,20}", fullmatch=True)
NUMBERS = st.from_regex(r"-?[0-9]{1,12}(\.[0-9]{1,6})?", fullmatch=True)
TARGETS = st.builds(Target, CODES, WORDS, st.sampled_from(["higher", "lower"]), NUMBERS, WORDS)
ROLES = st.builds(
    RoleEntry,
    code=CODES,
    name=WORDS,
    version=st.integers(1, 1000),
    summary=WORDS,
    job_description=st.lists(WORDS, min_size=1, max_size=3).map("\n".join),
    responsibilities=st.lists(WORDS, max_size=3).map(tuple),
    labels=st.sets(st.from_regex(r"[a-z0-9][a-z0-9._-]{0,10}", fullmatch=True), max_size=3).map(
        lambda found: tuple(sorted(found))
    ),
    expected_performance=WORDS,
    performance=st.lists(TARGETS, max_size=3, unique_by=lambda it: it.code).map(tuple),
    approvers=st.lists(st.builds(Approvers, WORDS, WORDS), max_size=2).map(tuple),
    grants=st.lists(
        st.builds(
            Suggestion,
            st.sampled_from(["*", "erp.*", "*.find", "erp.invoice.post"]),
            st.sampled_from([(), ("read",), ("read", "write")]),
            WORDS,
        ),
        max_size=2,
    ).map(tuple),
)


@settings(deadline=None)
@given(ROLES)
def test_whatever_role_is_written_is_read_as_it_was(role: RoleEntry) -> None:
    assert read(write_role_template(role, ())).role == role


@settings(deadline=None)
@given(st.text(max_size=200))
def test_no_text_breaks_the_reader(text: str) -> None:
    with suppress(PolicyFileError):
        read(f"kind: role\n{text}")
