"""Policies as YAML: one spelling, errors with their line, an import that goes the way of every other change."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib.auth.models import Group
from hypothesis import given, settings
from hypothesis import strategies as st

from agents.decision.plain_yaml import NotPlainError, read_documents, write_documents
from agents.decision.policy_file import FieldSpec, PolicyFileError, read_policy_file
from agents.models import Agent, ChangeRequest, Measure, Policy, PolicyVersion, Rule
from agents.services import changes, policies
from agents.services.policy_files import export_policies, limit_fields, rule_fields
from agents.services.policy_import import Outcome, import_policies, preview_import
from audit.models import Event
from audit.vocabulary import Refusal
from tests.agents.authority import catalogue
from tests.agents.facts import GrantFacts

WHY = "Reviewed in the repository"
RULE = """kind: policy
code: purchasing
name: Purchasing
binds: company
rules:
  - name: Large invoices
    operations: erp.supplier_invoice.post
    field: amount
    comparison: above
    value: 10000.00
    verdict: hold
    mode: enforced
"""


# --- The text: pure.

TEXT = [FieldSpec("name", "text", ""), FieldSpec("mode", "text", "draft", ("draft", "enforced"))]
SPECS = [
    *TEXT,
    FieldSpec("quorum", "whole", 1),
    FieldSpec("effects", "list", []),
    FieldSpec("condition", "text", ""),
]
LIMITS = [FieldSpec("code", "text", ""), FieldSpec("ceiling", "whole", None)]


def problems(text: str) -> list[str]:
    with pytest.raises(PolicyFileError) as error:
        read_policy_file(text, [*SPECS, FieldSpec("field", "text", "")], LIMITS)
    return [str(problem) for problem in error.value.problems]


HEAD = "kind: policy\ncode: a\nname: A\n"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "line 1: There is nothing in it."),
        ("- a", "line 1: A document is a mapping."),
        ("kind: polcy", "line 1, kind: No such kind. Write kind: policy or kind: limits."),
        ("kind: policy\nname: A", "line 1, code: A policy needs a code."),
        (HEAD + "purpsoe: x", "line 4, purpsoe: There is no such field. Those that can be set are kind, code,"),
        (HEAD + "rules: x", "line 4, rules: This is a list."),
        (HEAD + "rules:\n  - x", "line 5, rules[1]: This is no mapping."),
        (HEAD + "rules:\n  - mode: draft", "line 5, rules[1]: It needs a name."),
        (
            HEAD + "rules:\n  - name: B\n    mode: forced",
            "line 6, rules[1].mode: 'forced' is not known. Write one of draft, enforced.",
        ),
        (HEAD + "rules:\n  - name: B\n    quorum: two", "line 6, rules[1].quorum: This is no whole number."),
        (HEAD + "rules:\n  - name: B\n    quorum: 1:30", "line 6, rules[1].quorum: This is no whole number."),
        (HEAD + "rules:\n  - name: B\n    quorum: 1_0", "line 6, rules[1].quorum: This is no whole number."),
        (HEAD + "rules:\n  - name: B\n    effects: read", "line 6, rules[1].effects: This is a list."),
        (HEAD + "rules:\n  - name: [B]", "line 5, rules[1].name: This is one text, not a list"),
        (HEAD + "rules:\n  - name: B\n  - name: B", "line 6, rules[2]: The rule B stands there twice."),
        (
            HEAD + "rules:\n  - name: B\n    field: amount\n    condition: 'true'",
            "line 7, rules[1].condition: Write either field,",
        ),
        (HEAD + "binds: everybody", "line 4, binds: Write binds: company, or below it one of department"),
        (HEAD + "binds:\n  role: a\n  agent: b", "line 5, binds: Write binds: company"),
        (HEAD + "---\n" + HEAD, "line 6, code: The policy a stands there twice."),
        (HEAD + 'purpose: "a\\0b"', "line 4, purpose: It holds a character that nobody can see."),
        (HEAD + 'purpose: "a\\u202eb"', "line 4, purpose: It holds a character that nobody can see."),
        ("kind: limits\nlimits:\n  - ceiling: 3", "line 3, limits[1]: It needs a code."),
        (HEAD + "name: B", "line 4: It is no plain YAML: 'name' stands there twice."),
        ("a: &x 1\nb: *x", "line 2: It is no plain YAML: aliases are not taken."),
        ("a: !!python/object:os.system x", "line 1: It is no plain YAML: tags are not taken."),
        ("a: [", "line 1: It is no plain YAML"),
        ("a: {" * 5_000, "It is nested too deeply."),
        ("# " + "x" * 2_000_000, "The text is larger than 1024 KB."),
    ],
)  # fmt: skip
def test_what_is_wrong_in_a_file_is_said_with_its_line_and_what_to_write(text: str, said: str) -> None:
    assert problems(text)[0].startswith(said), problems(text)


def test_everything_that_is_wrong_is_said_at_once() -> None:
    assert len(problems("kind: policy\nx: 1\nrules:\n  - quorum: a\n  - name: B\n    mode: c")) == 6


def test_a_text_stays_as_it_is_written_whatever_yaml_would_make_of_it() -> None:
    for written_as, text in (("10000.00", "10000.00"), ("yes", "yes"), ("2026-12-24", "2026-12-24"), ("~", "")):
        file = read_policy_file(f"{HEAD}rules:\n  - name: B\n    condition: {written_as}", SPECS, LIMITS)
        assert file.policies[0].rules[0].values["condition"] == text


plain = st.recursive(
    st.one_of(st.text(max_size=30), st.integers(), st.booleans(), st.none()),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=8,
)


@settings(deadline=None)
@given(st.lists(st.dictionaries(st.text(min_size=1, max_size=8), plain, min_size=1, max_size=4), max_size=3))
def test_what_is_written_is_read_as_it_was_and_written_in_the_same_bytes(documents: list[Any]) -> None:
    text = write_documents(documents)
    try:
        read = [document.content for document in read_documents(text, 10**6)]
    except NotPlainError:
        # Only what YAML has no spelling for; a file with such a character is refused and never altered.
        assert any(0xD800 <= ord(char) <= 0xDFFF or not char.isprintable() for char in str(documents))
        return
    assert read == documents
    assert write_documents(read) == text


# --- Export and import.


@pytest.fixture
def company(working: Agent, seeded_people: None) -> Iterator[None]:
    Agent.objects.update(autonomy="by_contract")
    with catalogue(GrantFacts("g", "erp.supplier_invoice.post", "user", str(working.user_id))):
        yield


@pytest.fixture
def seeded_people(db: None) -> None:
    Group.objects.get_or_create(name="Finance")


def exported(alice: Any) -> str:
    return export_policies(actor=alice.as_actor())


def imported(alice: Any, text: str, **more: Any) -> Outcome:
    return import_policies(actor=alice.as_actor(), text=text, reason=WHY, **more)


def refused(alice: Any, text: str) -> list[str]:
    with pytest.raises(Refusal) as refusal:
        imported(alice, text)
    assert refusal.value.code == "policy_file_invalid"
    return [f"{it['line']} {it['path']}: {it['message']}" for it in refusal.value.detail["errors"]]


@pytest.mark.django_db
@pytest.mark.parametrize("field", ["stage: 0", "stage: 6", "stage: two", "step_up: 1", "step_up: sometimes"])
def test_a_stage_there_is_not_is_told_with_its_line(company: None, alice: Any, field: str) -> None:
    (told,) = refused(alice, f"{RULE}    {field}\n")
    assert field.partition(":")[0] in told
    assert not Rule.objects.exists()


@pytest.mark.django_db
def test_every_field_goes_out_and_comes_back_in_the_same_bytes(company: None, alice: Any) -> None:
    text = RULE.replace(
        "    verdict: hold\n",
        "    verdict: hold\n    approver_group: Finance\n    quorum: 2\n"
        "    stage: 2\n    step_up: true\n    note: 'Look: at the tax'\n"
        "    redact:\n      - args.iban\n      - args.number\n    effects:\n      - financial\n"
        "    sentence: Large ones need two of finance\n",
    )
    text += """  - name: By hand
    operations: erp.supplier_invoice.post
    condition: |-
      amount > 100 &&
      args.urgent
    sentence: Urgent ones
    verdict: deny
    mode: shadow
  - name: Weekends of new ones
    operations: erp.supplier_invoice.post
    effects:
      - financial
    field: clock.weekend
    comparison: equal
    value: yes
    also:
      - joined: and
        field: agent.days
        comparison: below
        value: 30
    mode: enforced
---
kind: policy
code: clerks
name: Clerks
purpose: |
  Only for these.
  In two lines.
binds:
  role: bookkeeper
rules: []
---
kind: limits
limits:
  - code: per_day
    name: Per day
    binds:
      agent: robo
    operations: erp.*
    unit: count
    window: rolling
    window_seconds: 3600
    ceiling: 5
    on_exceed: hold
    mode: enforced
  - code: counted
    name: Counted
    binds: company
    operations: erp.*
    key: args.supplier
    unit: count
    window: ever
    ceiling: null
    on_exceed: deny
    mode: draft
"""
    outcome = imported(alice, text)
    assert {line.state for line in outcome.lines} == {"added"}
    first = exported(alice)
    versions = PolicyVersion.objects.count()
    again = imported(alice, first, remove_missing=True)
    assert (again.lines, again.same) == ([], 5)
    assert exported(alice) == first
    assert PolicyVersion.objects.count() == versions
    rule = Rule.objects.get(name="Large invoices")
    assert (rule.condition, rule.quorum, rule.approver_group.name) == ("amount > 1000000", 2, "Finance")
    assert (rule.stage, rule.step_up) == (2, True)
    assert "condition: amount" not in first
    assert Rule.objects.get(name="Weekends of new ones").condition == "clock.weekend == true && agent.days < 30"
    assert Policy.objects.get(code="clerks").purpose == "Only for these.\nIn two lines.\n"
    # A database that lost all of it gets it back in the same bytes.
    one = export_policies(actor=alice.as_actor(), chosen=[rule.policy])
    assert one in first
    # Names no field of a rule or limit that it has not: whatever is added to them comes along.
    assert {spec.name for spec in rule_fields()} == set(policies.RULE_FIELDS)
    assert {spec.name for spec in limit_fields()} == {"code", *policies.MEASURE_FIELDS} - {
        "scope_kind",
        "scope_id",
    }


@pytest.mark.django_db
def test_what_tightens_counts_at_once_and_what_loosens_waits_for_a_second_person(
    company: None, alice: Any, bob: Any
) -> None:
    imported(alice, RULE)
    lower = imported(alice, RULE.replace("10000.00", "5000.00"))
    assert [line.state for line in lower.lines] == ["changed"]
    assert "only up to 5,000.00 EUR" in lower.at_once[0].text
    assert Rule.objects.get().sentence == "An amount above 5,000.00 EUR needs a person"
    looser = RULE.replace("10000.00", "20000.00").replace("name: Purchasing", "name: Buying")
    looser = looser.replace("binds: company", "binds:\n  role: bookkeeper")
    higher = imported(alice, looser)
    assert [line.state for line in higher.lines] == ["changed", "waits", "waits"]
    assert any("up to 20,000.00 EUR" in said.text for said in higher.once_agreed)
    assert Rule.objects.get().value == "5000.00"
    assert Policy.objects.get(code="purchasing").scope_kind == "company"
    again = imported(alice, looser)
    assert [line.state for line in again.lines] == ["waits_already", "waits_already"]
    assert ChangeRequest.objects.count() == 2
    move = ChangeRequest.objects.get(kind=policies.MOVE_POLICY)
    with pytest.raises(Refusal) as refusal:
        changes.apply_change(actor=alice.as_actor(), change_request=move, reason=WHY)
    assert refusal.value.code == "same_person"
    changed = ChangeRequest.objects.get(kind=policies.CHANGE_RULE)
    changes.apply_change(actor=bob.as_actor(), change_request=changed, reason=WHY)
    assert Rule.objects.get().value == "20000.00"


@pytest.mark.django_db
def test_what_is_not_in_the_file_is_removed_only_when_asked_and_by_two_people(
    company: None, alice: Any
) -> None:
    imported(alice, RULE + "  - name: A draft\n    operations: '*'\n")
    empty = RULE.partition("rules:")[0] + "rules: []\n"
    assert imported(alice, empty).lines == []
    outcome = imported(alice, empty, remove_missing=True)
    assert sorted(line.state for line in outcome.lines) == ["removed", "waits"]
    assert [rule.name for rule in Rule.objects.all()] == ["Large invoices"]
    assert outcome.once_agreed[0].text.startswith("Removes the hold for Robo")


@pytest.mark.django_db
def test_a_limit_is_never_deleted_and_put_out_of_force_by_two_people(company: None, alice: Any) -> None:
    limit = "kind: limits\nlimits:\n  - code: per_day\n    name: A day\n    ceiling: 5\n    mode: enforced\n"
    imported(alice, limit)
    assert imported(alice, RULE, remove_missing=True).waiting == []  # it says nothing about limits
    outcome = imported(alice, "kind: limits\nlimits: []\n", remove_missing=True)
    assert [line.state for line in outcome.lines] == ["waits"]
    assert Measure.objects.get().mode == "enforced"


@pytest.mark.django_db
def test_all_of_what_counts_at_once_or_nothing(company: None, alice: Any) -> None:
    wrong = RULE + (
        "  - name: Unknown\n    operations: erp.*\n    condition: args.nobody > 1\n    mode: enforced\n"
        "  - name: Nobody asked\n    approver_group: Nobody\n"
        "  - name: Agents asked\n    approver_group: 'Role: bookkeeper'\n"
        "---\nkind: policy\ncode: far\nname: Far\nbinds:\n  department: nowhere\n"
    )
    found = refused(alice, wrong)
    assert found[0].startswith("13 rules[2]: Unknown was not published:")
    assert found[1].startswith("17 rules[3]: approver group: There is no group 'Nobody'.")
    assert len(found) == 4
    assert found[3].startswith("22 : There is no department with the code 'nowhere'.")
    assert not Policy.objects.filter(code__in=["purchasing", "far"]).exists()
    assert not Event.objects.filter(verb="agents.rule_added").exists()


@pytest.mark.django_db
def test_a_preview_says_the_same_and_changes_nothing(company: None, alice: Any) -> None:
    imported(alice, RULE)
    wanted = RULE.replace("10000.00", "20000.00") + "  - name: New\n    verdict: deny\n    mode: enforced\n"
    events, before = Event.objects.count(), exported(alice)
    seen = preview_import(actor=alice.as_actor(), text=wanted)
    assert (Event.objects.count(), exported(alice), ChangeRequest.objects.count()) == (events, before, 0)
    done = imported(alice, wanted)
    assert [(line.what, line.state, line.authority) for line in seen.lines] == [
        (line.what, line.state, line.authority) for line in done.lines
    ]
    assert (seen.at_once, seen.once_agreed) == (done.at_once, done.once_agreed)


@pytest.mark.django_db
def test_only_people_who_may_publish_import_and_export(
    company: None, working: Agent, dave: Any, bob: Any, mallory: Any
) -> None:
    for somebody in (dave, bob, mallory, working.user):
        with pytest.raises(Refusal):
            imported(somebody, RULE)
        with pytest.raises(Refusal):
            exported(somebody)
        with pytest.raises(Refusal):
            preview_import(actor=somebody.as_actor(), text=RULE)
