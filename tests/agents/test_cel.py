"""What the CEL library does with our values, so that an upgrade that changes it is noticed."""

from __future__ import annotations

import threading
import time
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.decision import cel, expressions
from agents.decision.context import NotDecidable, millionths, typed_arguments
from tests.agents.facts import SCHEMA


def test_the_traps_of_the_library_that_our_context_keeps_out():
    import cel as library

    assert isinstance(library.evaluate("x", {"x": Decimal("1.1")}), float)
    assert isinstance(library.evaluate("x", {"x": 2**64}), float)
    assert library.evaluate("x == 5", {"x": "5"}) is False
    with pytest.raises(TypeError):
        library.evaluate("x > 5", {"x": "5"})


@pytest.mark.parametrize(
    ("expression", "why"),
    [
        ("args.nobody > 1", "nobody is missing"),
        ("args.supplier > 1", "different types"),
        ("args.supplier + 1", "different types"),
        ("nobody", "unknown word"),
        ("nobody(1)", "unknown word"),
        ("1 / 0", "division by zero"),
        ("9223372036854775807 + 1", "overflow"),
        ("args.list[5]", "out of bounds"),
        ("1 +", "not valid CEL"),
        ("", "not valid CEL"),
        ('"a".matches("(")', "regex"),
        ("args.list.map(x, x)", "not offered"),
        ("args.list.filter(x, x > 1)", "not offered"),
        ("args.list.all(x, args.list.exists(y, y > x))", "inside another"),
        ("args.list . all ( x , args.list . all(y, true))", "inside another"),
        ('r"\\" == args.supplier', "raw"),
        ('"""a""" == args.supplier', "raw"),
        ("true" + " || true" * 500, "longer than"),
        ("(" * 900 + "1" + ")" * 900, "not valid CEL"),
    ],
)
def test_what_cannot_be_checked_says_why_in_words(expression, why):
    with pytest.raises(cel.ConditionError, match=why):
        cel.evaluate(expression, {"args": {"supplier": "A", "list": [1, 2]}})


@given(st.text(max_size=60))
def test_any_text_is_a_condition_or_an_error_of_ours(text):
    try:
        cel.holds(text, cel.make_context({"args": {"a": 1}}))
    except cel.ConditionError:
        return


def test_one_program_and_one_context_serve_many_threads():
    context, wrong = cel.make_context({"amount": 5}), []

    def ask() -> None:
        for _ in range(500):
            if cel.evaluate("amount > 3", context) is not True:
                wrong.append(1)

    threads = [threading.Thread(target=ask) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_one_level_over_a_long_list_stays_quick():
    context = cel.make_context({"args": {"list": list(range(20_000))}})
    start = time.perf_counter()
    assert cel.evaluate("args.list.all(x, x >= 0)", context) is True
    assert time.perf_counter() - start < 2


@pytest.mark.parametrize(
    ("text", "value"),
    [("1", 1_000_000), ("-2.5", -2_500_000), ("0.000001", 1), ("1.5000000000", 1_500_000), ("+3", 3_000_000)],
)
def test_decimals_become_whole_millionths(text, value):
    assert millionths(text) == value


@pytest.mark.parametrize(
    "text", ["", "x", "1e5", "0.0000001", "9223372036855", "1,5", "١", "NaN", "1.", ".5", " 1"]
)
def test_decimals_that_are_not_exact_in_millionths_are_refused(text):
    with pytest.raises(NotDecidable):
        millionths(text)


def test_decimals_are_found_through_references_lists_and_alternatives():
    schema = {
        "$defs": {"weight": {"type": "string", "format": "decimal"}},
        "properties": {
            "a": {"$ref": "#/$defs/weight"},
            "b": {"type": "array", "items": {"$ref": "#/$defs/weight"}},
            "c": {"anyOf": [{"type": "null"}, {"type": "string", "format": "decimal"}]},
            "d": {"type": "string"},
            "e": {"additionalProperties": {"format": "decimal"}},
        },
    }
    given_ = {"a": "1.5", "b": ["2", "3"], "c": "4", "d": "5", "e": {"x": "6"}}
    found = typed_arguments(given_, schema)
    assert found == {
        "a": 1_500_000,
        "b": [2_000_000, 3_000_000],
        "c": 4_000_000,
        "d": "5",
        "e": {"x": 6_000_000},
    }


def test_a_reference_that_goes_in_circles_ends():
    schema = {"$defs": {"a": {"$ref": "#/$defs/a"}}, "properties": {"x": {"$ref": "#/$defs/a"}}}
    assert typed_arguments({"x": "1"}, schema) == {"x": "1"}
    assert typed_arguments({"supplier": "A"}, SCHEMA) == {"supplier": "A"}


def test_paths_are_read_from_the_text():
    text = 'has(args.iban) && args["total"].minor >= 5 && "x" == args.supplier && args.lines[0].price > 1'
    found = {str(path): (path.tested, path.compared_with) for path in expressions.paths(text)}
    assert found == {
        "args.iban": (True, ""),
        "args.total.minor": (False, "whole"),
        "args.supplier": (False, "string"),
        "args.lines": (False, ""),
    } or found == {
        "args.iban": (True, ""),
        "args.total.minor": (False, "whole"),
        "args.supplier": (False, "string"),
        "args.lines.[].price": (False, "whole"),
    }


def test_strings_and_comments_are_not_read_as_code():
    assert expressions.macros('args.a == "x.map(y, y)" // .filter(z, z)') == []
    assert expressions.bound_names("args.l.exists(item, item.a > 1)") == {"item"}
    assert cel.names_used("args.l.exists(item, item.a > amount)") == {"args", "amount"}
