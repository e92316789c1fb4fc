from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.decision import Verdict, cel, decide
from agents.decision.comparison import FieldFacts, Kind, condition_of, field_facts
from agents.decision.facts import Line
from agents.decision.lines import Known, as_built, sentence_of
from agents.decision.money import convert_minor, format_minor, major_to_minor, money_at
from tests.agents.facts import by_hand, create_party, invoice, post_invoice, request, rule, snapshot


@pytest.mark.parametrize(
    ("field", "comparison", "value", "kind", "optional", "condition"),
    [
        ("amount", "above", "10000.00", "money", False, "amount > 1000000"),
        ("amount", "at_least", "10,000", "money", False, "amount >= 1000000"),
        ("amount", "below", "0.01 EUR", "money", False, "amount < 1"),
        ("amount", "at_most", "5", "money", False, "amount <= 500"),
        ("args.days", "above", "30", "whole", True, "has(args.days) && args.days > 30"),
        ("args.weight", "above", "2.5", "decimal", True, "has(args.weight) && args.weight > 2500000"),
        ("args.urgent", "equal", "yes", "flag", False, "args.urgent == true"),
        ("args.supplier", "equal", " Acme  Ltd ", "text", False, 'fold(args.supplier) == "acme ltd"'),
        ("args.supplier", "one_of", "A, B", "text", False, 'fold(args.supplier) in ["a", "b"]'),
        ("args.iban", "none_of", "A, B", "text", True, '!has(args.iban) || !(fold(args.iban) in ["a", "b"])'),
        ("args.iban", "not_equal", "A", "text", True, '!has(args.iban) || fold(args.iban) != "a"'),
        ("currency", "not_equal", "EUR", "text", False, 'currency != "EUR"'),
        ("provenance.args.supplier", "equal", "email", "text", True,
         '("args.supplier" in provenance) && provenance["args.supplier"] == "email"'),
        ("measures.new_suppliers.settled", "equal", "0", "whole", False, "measures.new_suppliers.settled == 0"),
        ("clock.weekend", "equal", "yes", "", False, "clock.weekend == true"),
        ("clock.weekday", "one_of", "Monday, friday", "", False, 'clock.weekday in ["monday", "friday"]'),
        ("clock.date", "one_of", "2026-12-24; 2026-12-31", "", False,
         'clock.date in ["2026-12-24", "2026-12-31"]'),
        ("clock.hour", "at_least", "22", "", False, "clock.hour >= 22"),
        ("agent.days", "below", "30", "", False, "agent.days < 30"),
        ("args.supplier", "equal", 'say "hi"', "text", False, 'fold(args.supplier) == "say \\"hi\\""'),
    ],
)  # fmt: skip
def test_a_comparison_becomes_cel(field, comparison, value, kind, optional, condition):
    built = condition_of(
        field=field, comparison=comparison, value=value, currency="EUR", kind=kind, optional=optional
    )
    assert built == condition
    cel.compile_condition(built)


@pytest.mark.parametrize(
    ("field", "comparison", "value", "kind"),
    [
        ("amount", "above", "10000.001", "money"),
        ("amount", "above", "10.000", "money"),
        ("amount", "above", "lots", "money"),
        ("amount", "above", "-5", "money"),
        ("amount", "above", "", "money"),
        ("args.days", "above", "2.5", "whole"),
        ("args.supplier", "above", "A", "text"),
        ("args.supplier", "equal", "A\\n", "text"),
        ("args.supplier", "equal", "A\x01B", "text"),
        ("args.supplier", "one_of", "A,,B", "text"),
        ("args.urgent", "equal", "maybe", "flag"),
        ("args.days", "is_like", "2", "whole"),
        ("clock.weekday", "equal", "Montag", ""),
        ("clock.date", "one_of", "2026-12-24, 24.12.", ""),
        ("clock.date", "equal", "20261224", ""),
        ("clock.date", "above", "2026-12-24", ""),
        ("clock.hour", "above", "24", ""),
        ("clock.weekend", "equal", "perhaps", ""),
    ],
)
def test_what_cannot_be_compared_is_refused_with_words(field, comparison, value, kind):
    with pytest.raises(ValueError, match=r"\w"):
        condition_of(field=field, comparison=comparison, value=value, currency="EUR", kind=kind)


def test_the_schema_says_what_kind_a_field_is_and_whether_it_may_be_absent():
    operations = [post_invoice()]
    assert field_facts("amount", operations).kind == Kind.MONEY
    assert field_facts("args.supplier", operations) == field_facts("args.number", operations)
    assert (field_facts("args.weight", operations).kind, field_facts("args.weight", operations).optional) == (
        Kind.DECIMAL,
        True,
    )
    assert field_facts("args.total.minor", operations).kind == Kind.WHOLE


@pytest.mark.parametrize(
    "field", ["args.nobody", "args.lines", "args.total", "args", "now", "1 == 1 || args.x", "args.name"]
)
def test_a_field_that_is_not_one_plain_known_value_is_refused(field):
    with pytest.raises(ValueError, match=r"\w"):
        field_facts(field, [post_invoice(), create_party()])


@pytest.mark.parametrize(
    ("field", "comparison", "value", "verdict", "kind", "sentence"),
    [
        ("amount", "above", "10000", "hold", "money", "An amount above 10,000.00 EUR needs a person"),
        ("amount", "at_least", "10000", "deny", "money", "An amount of at least 10,000.00 EUR is refused"),
        (
            "args.supplier",
            "one_of",
            "A, B",
            "deny",
            "text",
            'A call with supplier among "A" and "B" is refused',
        ),
        ("args.supplier", "equal", "A", "hold", "text", 'A call with supplier being "A" needs a person'),
        ("args.days", "above", "30", "hold", "whole", "A call with days above 30 needs a person"),
        ("clock.weekend", "equal", "yes", "hold", "flag", "A call on a weekend needs a person"),
        ("clock.weekend", "not_equal", "yes", "deny", "flag", "A call on a working day is refused"),
        ("run.within", "equal", "no", "deny", "flag", "A call outside of any workflow is refused"),
        (
            "agent.days",
            "below",
            "30",
            "hold",
            "whole",
            "A call with days since the agent was taken on below 30 needs a person",
        ),
    ],
)
def test_a_comparison_becomes_a_sentence(field, comparison, value, verdict, kind, sentence):
    known = Known(Line("or", field, comparison, value), FieldFacts(Kind(kind), optional=False))
    assert sentence == sentence_of([known], "EUR", verdict)


def test_a_condition_that_was_changed_by_hand_is_no_longer_the_forms():
    assert as_built(rule(), "EUR") is not None
    assert as_built(rule(condition="amount > 1000000 && args.urgent"), "EUR") is None
    assert as_built(by_hand("amount > 1000000"), "EUR") is None
    assert as_built(rule(), "JPY") is None


@given(st.integers(0, 10**12), st.sampled_from(["EUR", "JPY", "KWD", "CLF"]))
def test_what_is_shown_can_be_entered_again(minor, currency):
    assert major_to_minor(format_minor(minor, currency), currency) == minor


@given(st.integers(0, 10**12))
def test_what_is_shown_to_a_german_reader_can_be_entered_again(minor):
    shown = format_minor(minor, "EUR").translate(str.maketrans(",.", ".,"))
    assert major_to_minor(shown, "EUR") == minor


@pytest.mark.parametrize(
    ("text", "currency", "minor"),
    [("10000,5", "EUR", 1_000_050), ("1.000.000", "JPY", 1_000_000), ("1.234,567", "KWD", 1_234_567)],
)
def test_a_comma_before_the_rest_is_read_where_it_can_be_nothing_else(text, currency, minor):
    assert major_to_minor(text, currency) == minor


@pytest.mark.parametrize("text", ["10.000", "1.00,5", "1.0000,50", "1,2345", ",5", "5,", "1.000,00.00"])
def test_what_could_be_two_amounts_is_none(text):
    with pytest.raises(ValueError, match="is not an amount in EUR"):
        major_to_minor(text, "EUR")


@given(st.integers(0, 10**9), st.integers(0, 10**9))
def test_the_built_threshold_holds_exactly_what_is_above_it(threshold, amount):
    text = format_minor(threshold, "EUR")
    built = condition_of(field="amount", comparison="above", value=text, currency="EUR")
    held = decide(request(amount), snapshot(by_hand(built))).verdict == Verdict.HOLD
    assert held == (amount > threshold)


@given(st.text(max_size=30), st.text(max_size=30))
def test_a_text_comparison_never_breaks_out_of_its_quotes(value, sent):
    try:
        built = condition_of(
            field="args.supplier", comparison="equal", value=value, currency="EUR", kind="text"
        )
    except ValueError:
        return
    decision = decide(request(1, arguments=invoice(supplier=sent)), snapshot(by_hand(built)))
    assert decision.code in ("held_by_rule", "allowed", "arguments_not_decidable")
    same = " ".join(value.casefold().split()) == " ".join(sent.casefold().split())
    assert (decision.code == "held_by_rule") == same or decision.code == "arguments_not_decidable"


@given(st.integers(-(10**12), 10**12), st.integers(1, 10**9))
def test_conversion_never_rounds_towards_zero(minor, rate):
    converted = convert_minor(minor, "USD", rate, "EUR")
    assert abs(converted) * 1_000_000 >= abs(minor) * rate
    assert abs(converted) * 1_000_000 - abs(minor) * rate < 1_000_000
    assert convert_minor(minor, "USD", 1_000_000, "EUR") == minor


@pytest.mark.parametrize(
    ("arguments", "path", "found"),
    [
        ({"total": {"minor": 5, "currency": "EUR"}}, "/total", ("EUR", 5)),
        ({"a": {"total": {"minor": 5, "currency": "EUR"}}}, "a.total", ("EUR", 5)),
        ({"lines": [{"total": {"minor": 5, "currency": "EUR"}}]}, "/lines/0/total", ("EUR", 5)),
        ({"total": {"minor": "5", "currency": "EUR"}}, "/total", None),
        ({"total": {"minor": True, "currency": "EUR"}}, "/total", None),
        ({"total": {"minor": 2**63, "currency": "EUR"}}, "/total", None),
        ({"total": {"minor": 5, "currency": "euro"}}, "/total", None),
        ({"total": 5}, "/total", None),
        ({}, "/total", None),
        ({"lines": []}, "/lines/0/total", None),
    ],
)
def test_money_is_found_where_the_operation_says_or_not_at_all(arguments, path, found):
    assert money_at(arguments, path) == found
