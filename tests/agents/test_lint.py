from __future__ import annotations

from dataclasses import replace

import pytest

from agents.decision.lint import lint_measure, lint_rule
from tests.agents.facts import by_hand, create_party, measure, post_invoice, rule

OPERATIONS = [post_invoice(), create_party()]
POST = "erp.supplier_invoice.post"


def codes(condition: str, *measures, **changes) -> list[str]:
    given = {"operations": POST, **changes}
    return [finding.code for finding in lint_rule(by_hand(condition, **given), OPERATIONS, measures)]


@pytest.mark.parametrize(
    "condition",
    [
        "",
        "amount > 1000000",
        "args.supplier == 'A'",
        "fold(args.supplier) in ['a', 'b']",
        "has(args.iban) && args.iban != ''",
        "!has(args.iban)",
        "args.total.minor > 5",
        "has(args.weight) && args.weight > 1000000",
        "args.lines.exists(line, line.price > 5)",
        "size(args.lines) > 10",
        "'args.supplier' in provenance && provenance['args.supplier'] == 'email'",
        "agent.risk_tier == 'high' && system.environment == 'production'",
        "now.getDayOfWeek() == 0",
        "args.urgent",
        "args.urgent == true",
    ],
)
def test_a_rule_that_can_work_has_no_findings(condition):
    assert codes(condition) == []


@pytest.mark.parametrize(
    ("condition", "code"),
    [
        ("1 +", "does_not_compile"),
        ("args.lines.map(x, x)", "does_not_compile"),
        ("nobody > 1", "name_unknown"),
        ("agent.salary > 1", "name_unknown"),
        ("lower(args.supplier) == 'a'", "function_unknown"),
        ("double(args.number) > 1", "function_unknown"),
        ("amount > 10000.50", "fraction"),
        ("args.nobody == 1", "field_unknown"),
        ("args.iban == 'X'", "may_be_absent"),
        ("has(args.iban.country)", "may_be_absent"),
        ("args.supplier == 5", "type_mismatch"),
        ("args.total.minor > '5'", "type_mismatch"),
        ("has(args.weight) && args.weight > '2.5'", "type_mismatch"),
        ("args.urgent == 'yes'", "type_mismatch"),
        ("measures.nobody.settled == 0", "measure_unknown"),
    ],
)
def test_a_rule_that_cannot_work_is_told_why(condition, code):
    assert code in codes(condition)


def test_a_pattern_must_hit_something():
    assert codes("", operations="crm.*") == ["pattern_matches_nothing"]
    assert codes("", operations="erp.*", effects=("destructive",)) == ["pattern_matches_nothing"]
    assert codes("", operations="ERP !") == ["pattern_invalid"]
    assert "effect_unknown" in codes("", effects=("harm",))


def test_an_amount_needs_operations_that_state_one():
    assert codes("amount > 1", operations="erp.*", effects=()) == ["amount_not_stated"]
    assert codes("amount > 1", operations="erp.*", effects=("financial",)) == []


def test_duties_must_make_sense():
    assert codes("", verdict="none") == ["rule_without_effect"]
    assert codes("", verdict="none", note="Look") == []
    assert codes("", verdict="deny", quorum=2) == ["duty_without_hold"]
    assert codes("", quorum=0) == ["quorum_too_small"]
    assert codes("", verdict="none", step_up=True) == []
    assert codes("", verdict="deny", step_up=True) == ["duty_without_hold"]
    assert codes("", stage=5) == []
    assert codes("", verdict="none", approver_group="Legal", stage=2) == []
    assert codes("", verdict="none", quorum=2, stage=2) == ["duty_without_hold"]
    assert codes("", stage=0) == codes("", stage=6) == ["stage_unknown"]
    assert codes("", redact=("iban",)) == ["redact_unknown"]


def test_a_rule_reads_counters_that_count_what_it_speaks_of():
    reads = "measures.invoices_per_day.settled == 0"
    assert codes(reads, measure()) == []
    assert codes(reads, measure(mode="draft")) == ["measure_unknown"]
    assert codes(reads, measure(operations="crm.*")) == ["measure_not_counted"]
    assert codes("measures.invoices_per_day.headroom < 5", measure(ceiling=None)) == ["may_be_absent"]
    assert codes("measures.invoices_per_day.size < 5", measure()) == ["name_unknown"]


def test_a_counter_is_read_by_rules_about_what_may_only_come_after_what_it_counts():
    created = measure(operations="erp.party.create", key="args.name", read_key="args.supplier")
    reads = "measures.invoices_per_day.settled == 0"
    assert codes(reads, created) == ["measure_not_counted"]
    assert codes(reads, replace(created, read_for="erp.supplier_invoice.*")) == []


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"read_for": ""}, "read_for_empty"),
        ({"read_for": "((("}, "pattern_invalid"),
        ({"read_for": "crm.*"}, "pattern_matches_nothing"),
        ({"read_key": ""}, "read_key_missing"),
        ({"read_key": "args.name"}, "field_unknown"),
        ({"read_key": "args.iban"}, "may_be_absent"),
    ],
)
def test_what_is_read_for_others_needs_their_key(changes, code):
    given = {"operations": "erp.party.create", "key": "args.name", "read_for": "erp.supplier_invoice.post"}
    fine = measure(**given, read_key="args.supplier")
    assert lint_measure(fine, OPERATIONS) == []
    assert code in [finding.code for finding in lint_measure(replace(fine, **changes), OPERATIONS)]


def test_the_rule_of_the_form_has_no_findings():
    assert lint_rule(rule(), OPERATIONS) == []


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"operations": "crm.*"}, "pattern_matches_nothing"),
        ({"key": "args.nobody"}, "field_unknown"),
        ({"key": "args.iban"}, "may_be_absent"),
        ({"key": "measures.other.settled"}, "name_unknown"),
        ({"amount": ""}, "amount_empty"),
        ({"amount": "1", "unit": "money"}, "amount_not_money"),
        ({"amount": "amount", "unit": "money", "operations": "erp.*"}, "amount_not_stated"),
    ],
)
def test_a_limit_that_cannot_count_is_told_why(changes, code):
    assert code in [finding.code for finding in lint_measure(measure(**changes), OPERATIONS)]


def test_a_limit_that_counts_has_no_findings():
    assert (
        lint_measure(measure(key='args.supplier + "/" + args.number', window="ever", ceiling=1), OPERATIONS)
        == []
    )
    assert lint_measure(measure(amount="amount", unit="money"), OPERATIONS) == []
