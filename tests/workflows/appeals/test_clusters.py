"""What appeals have in common and what the smallest change would be, without a database."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.decision import Verdict, decide
from agents.decision.comparison import Kind, condition_of
from agents.decision.lines import lines_on_record
from agents.decision.money import major_to_minor
from tests.agents.facts import by_hand, measure, request, rule, snapshot
from workflows.appeals.policies import (
    Contested,
    Ground,
    clusters,
    loosened_limit,
    loosened_rule,
    round_above,
    shape_of_rule,
    value_at,
    why_not_contestable,
)

DAY = date(2026, 11, 20)
LARGE = Ground("rule", "rule-1", "erp.supplier_invoice.post", "amount above 10000.00")


def case(number: int = 1, **changes):
    return replace(Contested(f"appeal-{number}", "agent-1", "Robo", DAY, 1_050_000, "10,500.00 EUR"), **changes)


cases = st.builds(
    case,
    st.integers(1, 40),
    agent_id=st.sampled_from(["a", "b", "c"]),
    day=st.integers(0, 3).map(lambda days: DAY + timedelta(days=days)),
    upheld=st.booleans(),
)
grounds = st.builds(
    Ground,
    st.sampled_from(["rule", "limit", "grant"]),
    st.sampled_from(["1", "2"]),
    st.sampled_from(["erp.a", "erp.b"]),
    st.sampled_from(["", "amount above 1"]),
)


@given(st.lists(st.tuples(grounds, cases)), st.randoms())
def test_every_appeal_is_in_the_cluster_of_its_ground_whatever_the_order(contested, chance):
    found = clusters(contested)
    shuffled = list({(ground, one.appeal_id): (ground, one) for ground, one in contested}.values())
    chance.shuffle(shuffled)
    assert clusters(shuffled) == found
    assert sum(len(cluster.cases) for cluster in found) == len(shuffled)
    assert len({cluster.ground for cluster in found}) == len(found)


@given(st.lists(cases, min_size=1), cases, st.integers(1, 6))
def test_another_appeal_makes_no_cluster_less_ripe(some, another, least):
    some = [replace(one, appeal_id=f"old-{number}") for number, one in enumerate(some)]
    (before,) = clusters((LARGE, one) for one in some)
    (after,) = clusters((LARGE, one) for one in [*some, another])
    assert after.is_ripe(least) >= before.is_ripe(least)


def test_three_are_ripe_only_by_two_agents_or_on_two_days():
    def ripe(*some):
        return clusters((LARGE, one) for one in some)[0].is_ripe(3)

    assert not ripe(case(1), case(2), case(3), case(4))
    assert ripe(case(1), case(2), case(3, agent_id="other"))
    assert ripe(case(1), case(2), case(3, day=DAY + timedelta(days=1)))
    assert not ripe(case(1), case(2, agent_id="other"))
    assert not ripe(case(1), case(2), case(3, agent_id="other", upheld=True))


amounts = st.integers(1_000_001, 10**12)


@given(st.lists(amounts, min_size=1, max_size=5), st.sampled_from(["above", "at_least"]))
def test_a_threshold_moves_just_beyond_the_cases_and_lets_them_pass(minors, comparison):
    refused = rule(verdict="deny", comparison=comparison)
    some = [case(number, value=minor) for number, minor in enumerate(minors)]
    found = loosened_rule(refused, some, Kind.MONEY, "EUR")
    condition = condition_of(field="amount", comparison=comparison, value=found.value, currency="EUR")
    after = snapshot(replace(refused, condition=condition, value=found.value))
    assert all(decide(request(minor), after).verdict == Verdict.ALLOW for minor in minors)
    # At most a tenth more, and a unit: the next number of two digits.
    assert major_to_minor(found.value, "EUR") <= max(minors) * 1.1 + 200


@pytest.mark.parametrize(
    ("minors", "value"),
    [([1_040_000], "11000.00"), ([1_100_000, 1_234_567], "13000.00"), ([2_000_000], "20000.00")],
)
def test_the_next_round_number(minors, value):
    found = loosened_rule(rule(verdict="deny"), [case(value=minor) for minor in minors], Kind.MONEY, "EUR")
    assert found.value == value
    assert found.words == f"Compare with {Decimal(value):,} EUR instead of 10,000.00 EUR"


@given(st.integers(-(10**12), 10**12), st.sampled_from([1, 100, 1_000_000]))
def test_round_is_at_or_above_and_stays_round(number, each):
    found = round_above(number, each)
    assert found >= number
    assert found % each == 0
    assert round_above(found, each) == found


def test_what_is_refused_below_moves_down():
    refused = rule(verdict="deny", field="args.days", comparison="below", value="30")
    found = loosened_rule(refused, [case(value=14), case(2, value=21)], Kind.WHOLE, "EUR")
    assert found.changes["value"] == "14"


def test_names_are_taken_in_or_left_out():
    others = rule(verdict="deny", field="args.supplier", comparison="none_of", value="ACME; Bolt")
    found = loosened_rule(others, [case(value="Nut & Co"), case(2, value="nut & co")], Kind.TEXT, "EUR")
    assert (found.changes["comparison"], found.value) == ("none_of", "ACME; Bolt; nut & co")
    these = replace(others, comparison="one_of")
    assert loosened_rule(these, [case(value="bolt")], Kind.TEXT, "EUR").value == "ACME"
    # Nothing would be left to refuse: people decide such cases instead.
    both = loosened_rule(these, [case(value="bolt"), case(2, value="acme")], Kind.TEXT, "EUR")
    assert both.changes["verdict"] == "hold"


@pytest.mark.parametrize(
    "refused",
    [
        by_hand("amount > 1000000", verdict="deny"),
        rule(verdict="deny", also=lines_on_record([
            {"joined": "and", "field": "clock.weekend", "comparison": "equal", "value": "yes"}
        ])),
        rule(verdict="deny", comparison="equal"),
    ],
)  # fmt: skip
def test_where_it_is_not_plain_people_decide_instead_of_nobody(refused):
    found = loosened_rule(refused, [case()], Kind.MONEY, "EUR")
    assert found.changes["verdict"] == "hold"
    assert found.value == refused.value


def test_nothing_is_proposed_for_what_holds_already_or_for_no_case():
    assert loosened_rule(by_hand("true"), [case()], None, "EUR") is None
    assert loosened_rule(rule(verdict="deny"), [], Kind.MONEY, "EUR") is None


def test_a_ceiling_rises_by_what_the_worst_day_contested():
    some = [case(1, value=1), case(2, value=1), case(3, value=1, day=DAY + timedelta(days=1))]
    assert loosened_limit(measure(ceiling=20), some, "EUR").changes == {"ceiling": 22}
    money = loosened_limit(measure(unit="money", ceiling=1_000_000), [case(value=120_001)], "EUR")
    assert money.changes == {"ceiling": 1_200_000}
    assert money.words == "Allow 12,000.00 EUR instead of 10,000.00 EUR"
    assert loosened_limit(measure(ceiling=None), some, "EUR") is None
    assert loosened_limit(measure(), [case(value=None)], "EUR") is None


def test_only_a_rule_a_limit_or_a_missing_grant_is_contested():
    def why(state, code):
        found = why_not_contestable(label="Post RE-1", state=state, code=code)
        return found.code if found else ""

    assert [why("denied", code) for code in ("denied_by_rule", "limit_reached", "no_grant")] == ["", "", ""]
    for code in ("stopped", "agent_paused", "arguments_not_decidable", "rule_error", "duplicate", ""):
        assert why("denied", code) == "not_contestable"
    assert why("rejected", "denied_by_rule") == why("held", "held_by_rule") == "not_contestable"


@given(st.dictionaries(st.text(max_size=5), st.integers() | st.text() | st.none() | st.booleans()))
def test_a_value_is_read_or_left_out_whatever_was_sent(arguments):
    for kind in (*Kind, None):
        for field in ("amount", "args.days", "args.", "agent.code", "args.a.b"):
            found = value_at(field, kind, arguments, None)
            assert found is None or isinstance(found, int | str)


def test_the_shape_is_what_is_compared():
    assert shape_of_rule(rule()) == "amount above 10000.00"
    assert shape_of_rule(by_hand("amount > 3")) == "amount > 3"
    assert len(shape_of_rule(by_hand("x" * 2000))) == 300
