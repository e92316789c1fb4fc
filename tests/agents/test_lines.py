"""Several comparisons of one rule: what is written, what is said, and which change tightens."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.decision import Verdict, cel, decide
from agents.decision.direction import Direction, direction_of_rule
from agents.decision.facts import Line, RuleFacts
from agents.decision.lines import (
    MOST,
    as_built,
    as_data,
    condition_of,
    further_lines,
    known,
    lines_of,
    lines_on_record,
    phrases_of,
    sentence_of,
)
from tests.agents.facts import invoice, post_invoice, request, rule, snapshot

OVER = Line("or", "amount", "above", "500.00")
NEW = Line("and", "agent.days", "below", "30")
WEEKEND = Line("and", "clock.weekend", "equal", "yes")
OF_ACME = Line("or", "args.supplier", "equal", "Acme")


def built(*lines: Line, **changes) -> RuleFacts:
    first, *further = lines
    facts = rule(
        field=first.field,
        comparison=first.comparison,
        value=first.value,
        also=tuple(further),
        condition="",
        **changes,
    )
    return replace(facts, condition=condition_of(known(lines_of(facts), [post_invoice()]), "EUR"))


@pytest.mark.parametrize(
    ("lines", "condition", "sentence"),
    [
        (
            (OVER, NEW, WEEKEND),
            "amount > 50000 && agent.days < 30 && clock.weekend == true",
            "A call with an amount above 500.00 EUR and days since the agent was taken on below 30 "
            "on a weekend needs a person",
        ),
        (
            (OVER, WEEKEND, OF_ACME),
            '(amount > 50000 && clock.weekend == true) || fold(args.supplier) == "acme"',
            'A call with an amount above 500.00 EUR on a weekend, or one with supplier being "Acme", '
            "needs a person",
        ),
        (
            (OVER, Line("and", "args.iban", "not_equal", "A")),
            'amount > 50000 && (!has(args.iban) || fold(args.iban) != "a")',
            'A call with an amount above 500.00 EUR and iban other than "A" needs a person',
        ),
    ],
)
def test_lines_become_one_condition_and_one_sentence(lines, condition, sentence):
    facts = built(*lines)
    assert facts.condition == condition
    cel.compile_condition(condition)
    found = as_built(facts, "EUR")
    assert found is not None
    assert tuple(each.line for each in found) == lines
    assert sentence_of(found, "EUR", "hold") == sentence
    assert as_built(replace(facts, condition=f"{condition} "), "EUR") is None


def test_what_is_said_of_a_case_keeps_what_joins_the_lines():
    facts = as_built(built(OVER, WEEKEND, OF_ACME), "EUR")
    assert facts is not None
    assert phrases_of(facts, "EUR") == [
        "an amount above 500.00 EUR",
        "and on a weekend",
        'or supplier being "Acme"',
    ]


@pytest.mark.parametrize(
    "told",
    [
        "text",
        {"joined": "and"},
        [{"joined": "and", "field": "amount", "comparison": "above"}],
        [{"joined": "xor", "field": "amount", "comparison": "above", "value": "1"}],
        [{"joined": "and", "field": "", "comparison": "above", "value": "1"}],
        [{"joined": "and", "field": "amount", "comparison": "", "value": "1"}],
        [{"joined": "and", "field": "amount", "comparison": "above", "value": 1}],
        [{"joined": "and", "field": "amount", "comparison": "above", "value": "1"}] * MOST,
        [None],
    ],
)
def test_lines_that_are_not_complete_are_refused_with_words_and_never_break_a_decision(told):
    with pytest.raises(ValueError, match=r"\w"):
        further_lines(told)
    assert lines_on_record(told) == ()


def test_lines_as_data_come_back_the_same():
    assert further_lines(as_data([NEW, WEEKEND, OF_ACME])) == (NEW, WEEKEND, OF_ACME)


@pytest.mark.parametrize(
    ("old", "new", "direction"),
    [
        ((OVER, NEW), (OVER,), Direction.TIGHTENS),
        ((OVER,), (OVER, NEW), Direction.LOOSENS),
        ((OVER,), (OVER, OF_ACME), Direction.TIGHTENS),
        ((OVER, OF_ACME), (OVER,), Direction.LOOSENS),
        ((OVER, NEW), (replace(OVER, value="400"), NEW), Direction.TIGHTENS),
        ((OVER, NEW), (replace(OVER, value="600"), NEW), Direction.LOOSENS),
        ((OVER, NEW), (replace(OVER, value="400"), NEW, WEEKEND), Direction.LOOSENS),
        ((OVER, NEW), (OVER, replace(NEW, joined="or")), Direction.TIGHTENS),
        ((OVER, NEW), (replace(NEW, joined="or"), replace(OVER, joined="and")), Direction.NONE),
        ((OVER, OF_ACME), (OF_ACME, OVER), Direction.NONE),
    ],
)
def test_a_change_of_lines_tightens_when_nothing_that_was_caught_gets_through(old, new, direction):
    assert direction_of_rule(built(*old), built(*new), currency="EUR") == direction


LINES = st.builds(
    Line,
    joined=st.sampled_from(["and", "or"]),
    field=st.sampled_from(["amount"]),
    comparison=st.sampled_from(["above", "at_least", "below", "at_most"]),
    value=st.integers(1, 9).map(str),
) | st.builds(
    Line,
    joined=st.sampled_from(["and", "or"]),
    field=st.just("args.supplier"),
    comparison=st.sampled_from(["equal", "not_equal", "one_of", "none_of"]),
    value=st.sampled_from("ABC"),
)
GROUPS = st.lists(LINES, min_size=1, max_size=4)


@given(GROUPS, GROUPS, st.integers(0, 1000), st.sampled_from("ABCD"))
def test_what_does_not_loosen_holds_whatever_was_held(old, new, minor, supplier):
    before, after = built(*old), built(*new)
    if direction_of_rule(before, after, currency="EUR") == Direction.LOOSENS:
        return
    case = request(minor, arguments=invoice(supplier=supplier))
    held = [decide(case, snapshot(each)).verdict == Verdict.HOLD for each in (before, after)]
    assert held[1] or not held[0]


@given(GROUPS)
def test_the_form_reads_back_what_it_wrote(lines):
    found = as_built(built(*lines), "EUR")
    assert found is not None
    assert [each.line for each in found][1:] == lines[1:]
