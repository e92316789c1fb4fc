"""Budgets of model use, as pure rules: whom they count for, how a cost is read, and what a spent one says."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.decision import Verdict, decide
from agents.decision.budgets import budgets_of, cost_words, key_of, millionths_of, why_not_a_budget
from agents.decision.direction import Direction, direction_of_measure
from agents.decision.lint import lint_measure
from tests.agents.facts import measure, post_invoice, reading, request, snapshot


def budget(**changes):
    return measure(
        **{"code": "tokens", "name": "Tokens", "operations": "*", "unit": "tokens", "ceiling": 1000, **changes}
    )


@pytest.mark.parametrize(
    ("text", "rate", "found"),
    [
        ("0.0042", 1_000_000, 4200),
        ("12", 920_000, 11_040_000),
        ("0.0000001", 1_000_000, 1),
        ("0", 1_000_000, 0),
    ],
)
def test_a_cost_is_kept_in_millionths_and_rounded_up(text, rate, found):
    assert millionths_of(text, "USD", rate) == found


@pytest.mark.parametrize("text", ["-1", "NaN", "Infinity", "lots", "", "9" * 30])
def test_a_cost_that_is_none_is_refused_with_words(text):
    with pytest.raises(ValueError, match=r"\w"):
        millionths_of(text, "USD")


@pytest.mark.parametrize(
    ("millionths", "words"),
    [(4200, "0.0042 EUR"), (12_340_000, "12.34 EUR"), (0, "0.00 EUR"), (1, "0.000001 EUR")],
)
def test_a_cost_reads_like_money(millionths, words):
    assert cost_words(millionths, "EUR") == words


def test_a_budget_for_each_run_counts_in_runs_only():
    assert key_of(budget(), "") == key_of(budget(), "r-1") == ""
    assert key_of(budget(key="run"), "r-1") == "r-1"
    assert key_of(budget(key="run"), "") is None


@pytest.mark.parametrize("wrong", [{"key": "args.supplier"}, {"amount": "amount"}, {"operations": "erp.*"}])
def test_what_no_budget_can_count_is_not_published(wrong):
    assert why_not_a_budget(budget()) is None
    assert [found.code for found in lint_measure(budget(**wrong), [post_invoice()])] == ["budget_invalid"]
    assert lint_measure(budget(key="run"), [post_invoice()]) == []


@pytest.mark.parametrize(
    ("on_exceed", "verdict"), [("deny", Verdict.DENY), ("pause", Verdict.DENY), ("hold", Verdict.HOLD)]
)
@given(settled=st.integers(0, 3000))
def test_nothing_goes_through_once_a_budget_is_spent(on_exceed, verdict, settled):
    limit = budget(on_exceed=on_exceed)
    facts = reading(code="tokens", name="Tokens", unit="tokens", amount=1, settled=settled, ceiling=1000)
    found = decide(request(1, measures={"tokens": facts}), snapshot(measures=(limit,)))
    assert found.verdict == (verdict if settled >= 1000 else Verdict.ALLOW)


def test_a_budget_for_each_run_says_nothing_outside_of_runs_and_must_be_read_inside():
    limits = snapshot(measures=(budget(key="run"),))
    assert decide(request(1), limits).verdict == Verdict.ALLOW
    assert decide(request(1, run_id="r-1"), limits).code == "rule_error"


def test_pausing_is_tighter_than_refusing():
    assert direction_of_measure(budget(), budget(on_exceed="pause")) == Direction.TIGHTENS
    assert direction_of_measure(budget(on_exceed="pause"), budget()) == Direction.LOOSENS


def test_budgets_come_in_one_order_and_drafts_not_at_all():
    agent = request(1).agent
    found = budgets_of([budget(measure_id="b"), budget(measure_id="a"), budget(mode="draft"), measure()], agent)
    assert [it.measure_id for it in found] == ["a", "b"]
