from __future__ import annotations

from typing import Any

import pytest

from connectors.engine import (
    ABSENT,
    Scope,
    TemplateError,
    at,
    decimal_text,
    fill,
    fill_path,
    money_of,
    problems_of,
)

SCOPE = Scope(
    arguments={
        "a": {"b": [10, 20]},
        "lines": [{"n": "x", "m": {"minor": 5, "currency": "JPY"}}, {"n": "y"}],
        "k": "v",
    },
    config={"company": 1},
    reference="AOS-1",
    found={"party": {"id": 7}},
)


@pytest.mark.parametrize(
    ("template", "value"),
    [
        ({"$arg": "/a/b/1"}, 20),
        ({"x": {"$arg": "/nope", "optional": True}, "y": 1}, {"y": 1}),
        ({"$arg": "/nope", "default": "d"}, "d"),
        ({"$config": "/company"}, 1),
        ({"$found": "/party/id"}, 7),
        ({"$reference": True}, "AOS-1"),
        ({"$text": ["r ", {"$reference": True}]}, "r AOS-1"),
        ({"$map": {"v": "w"}, "of": {"$arg": "/k"}}, "w"),
        ({"$map": {"v": {"$config": "/company"}}, "of": {"$arg": "/k"}}, 1),
        ({"$map": {"v": None}, "of": {"$arg": "/k"}}, None),
        ({"$when": "/k", "then": {"$arg": "/k"}, "else": "x"}, "v"),
        ({"$when": "/nope", "then": {"$arg": "/nope"}, "else": [1]}, [1]),
        ([{"$when": "/nope", "then": 1}, 2], [2]),
        ({"$decimal": {"$arg": "/lines/0/m"}}, "5"),
        ([{"$arg": "/nope", "optional": True}, 1], [1]),
        ({"$each": "/lines", "in": {"n": {"$item": "/n"}}}, [{"n": "x"}, {"n": "y"}]),
        ({"$each": "/nope", "in": 1}, []),
    ],
)
def test_a_template_says_where_a_value_comes_from(template: Any, value: Any) -> None:
    assert fill(template, SCOPE) == value


@pytest.mark.parametrize(
    "template",
    [
        {"$arg": "/nope"},
        {"$item": "/n"},
        {"$map": {"a": 1}, "of": {"$arg": "/k"}},
        {"$decimal": {"$arg": "/k"}},
        {"$decimal": 1.5},
        {"$decimal": True},
        {"$text": [{"$arg": "/a"}]},
        {"$each": "/k", "in": 1},
        {"$unknown": 1},
    ],
)
def test_what_cannot_be_filled_says_so(template: Any) -> None:
    with pytest.raises(TemplateError):
        fill(template, SCOPE)


@pytest.mark.parametrize(
    ("minor", "currency", "text"),
    [
        (12345, "EUR", "123.45"),
        (5, "EUR", "0.05"),
        (-5, "EUR", "-0.05"),
        (0, "EUR", "0.00"),
        (500, "JPY", "500"),
        (1234, "KWD", "1.234"),
    ],
)
def test_money_knows_its_minor_unit(minor: int, currency: str, text: str) -> None:
    assert decimal_text({"minor": minor, "currency": currency}) == text


def test_a_value_never_adds_a_part_to_a_path() -> None:
    scope = Scope({"id": "../../admin", "n": 5})
    assert fill_path("/orders/{/id}/lines/{/n}", scope) == ["orders", "../../admin", "lines", "5"]
    for odd in ({"id": ""}, {"id": True}, {"id": None}, {"id": {}}, {}):
        with pytest.raises(TemplateError):
            fill_path("/orders/{/id}", Scope(odd))


def test_pointers_follow_rfc_6901() -> None:
    document = {"a/b": {"~": [0, {"": 1}]}}
    assert at(document, "/a~1b/~0/1/") == 1
    assert at(document, "") is document


def test_templates_are_linted_before_they_are_published() -> None:
    assert problems_of({"x": {"$arg": "/a"}, "y": [{"$each": "/l", "in": {"$item": "/n"}}]}) == []
    assert problems_of({"$amount": {"$arg": "/a"}}, {"$amount"}) == []
    for odd in (
        {"$eval": "1"},
        {"$arg": "a"},
        {"$arg": "/a", "$item": "/b"},
        {"$each": "/l"},
        {"$map": 1},
        {"$text": "x"},
    ):
        assert problems_of(odd), odd


@pytest.mark.parametrize(
    ("amount", "currency", "minor"),
    [
        ("119.00", "EUR", 11_900),
        ("-0.01", "EUR", -1),
        ("5", "JPY", 5),
        ("1.5000", "EUR", 150),
        ("1.005", "KWD", 1_005),
    ],
)
def test_a_decimal_text_becomes_minor_units(amount: str, currency: str, minor: int) -> None:
    assert money_of(amount, currency) == {"minor": minor, "currency": currency}


@pytest.mark.parametrize("amount", ["1.005", "1e5", 1.0, None, ABSENT])
def test_what_is_no_amount_to_the_minor_unit_is_left_out(amount: Any) -> None:
    assert money_of(amount, "EUR") is ABSENT
