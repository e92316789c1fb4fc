"""What a person changes is put together and told exactly, whatever it is. Pure: no database."""

from __future__ import annotations

import json
import unicodedata
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from workflows.actions.policies import differences, differences_in_words, hidden_in, patched

SCHEMA = {"properties": {"amount": {"title": "Amount"}, "supplier_code": {"type": "string"}}}
ASKED = {"amount": {"minor": 120_000, "currency": "EUR"}, "supplier_code": "ACME", "lines": [{"qty": 1}]}
VALUES = st.one_of(
    st.integers(0, 2),
    st.booleans(),
    st.sampled_from(["", "x"]),
    st.lists(st.integers(0, 2), max_size=2),
    st.dictionaries(st.sampled_from("ab"), st.integers(0, 2), max_size=2),
)
OBJECTS = st.dictionaries(st.sampled_from("abc"), VALUES, max_size=3)


def test_money_is_told_as_money() -> None:
    after = patched(ASKED, {"amount": {"minor": 90_000}})
    assert differences_in_words(differences(ASKED, after, SCHEMA)) == "amount from 1,200.00 EUR to 900.00 EUR"
    assert ASKED["amount"]["minor"] == 120_000


def test_what_is_in_a_list_is_told_by_its_place() -> None:
    after = patched(ASKED, {"lines": [{"qty": 2}], "supplier_code": None})
    told = [one.words for one in differences(ASKED, after, SCHEMA)]
    assert told == ["lines 1, qty from 1 to 2", "supplier code from ACME to nothing"]


LINES = [{"text": "Bolts", "qty": 2}, {"text": "Nuts", "qty": 5}, {"text": "Hours", "price": ASKED["amount"]}]


def told_of(before: Any, after: Any) -> list[str]:
    return [one.words for one in differences({"lines": before}, {"lines": after}, None)]


def test_lines_that_came_or_went_are_told_and_those_that_stayed_are_not() -> None:
    bolts, nuts, hours = LINES
    more = {"text": "Oil", "qty": 1}
    assert told_of(LINES, [bolts, hours]) == ["lines 2 from Nuts, 5 to nothing"]
    assert told_of(LINES, [bolts, more, nuts, hours]) == ["lines 2 from nothing to Oil, 1"]
    assert told_of([], [hours]) == ["lines 1 from nothing to Hours, 1,200.00 EUR"]
    assert told_of(LINES, [bolts, {**hours, "text": "Days"}]) == [
        "lines 2, price from nothing to 1,200.00 EUR",
        "lines 2, qty from 5 to nothing",
        "lines 2, text from Nuts to Days",
        "lines 3 from Hours, 1,200.00 EUR to nothing",
    ]
    assert told_of(["a", "b", "c"], ["a", "c"]) == ["lines 2 from b to nothing"]


def test_very_long_lists_are_told_by_their_length() -> None:
    assert told_of(["a", "b"] * 200, ["b", "a"] * 150) == ["lines from 400 entries to 300 entries"]


def test_what_is_late_in_a_long_text_is_told_where_it_is() -> None:
    before = "The pump of hall three is to be looked at before the first of May, by two people, with care."
    (one,) = differences({"note": before}, {"note": before.replace("two people", "one person")}, None)
    assert (one.before, one.after) == (
        "… before the first of May, by two people, with care.",
        "… before the first of May, by one person, with care.",
    )
    (one,) = differences({"note": before}, {"note": f"{before} And write it down."}, None)
    assert one.before.startswith("… ")
    assert one.after.endswith("And write it down.")


@given(st.text(max_size=200), st.text(max_size=200))
def test_two_texts_are_never_told_as_the_same_unless_only_hidden_characters_differ(
    before: str, after: str
) -> None:
    for one in differences({"note": before}, {"note": after}):
        assert len(one.before) <= 60
        assert len(one.after) <= 60
        visible = [plain(text) for text in (before, after)]
        assert one.before != one.after or visible[0] == visible[1]


def plain(text: str) -> str:
    return "".join(char for char in text if unicodedata.category(char) not in {"Cc", "Cf", "Cs", "Co"})


def test_hostile_text_is_cut_and_has_no_hidden_characters() -> None:
    (one,) = differences({"note": "x"}, {"note": "\u202e" + "<b>" * 200}, None)
    assert "\u202e" not in one.after
    assert len(one.after) <= 60


def test_a_hidden_value_is_reached_from_above_and_from_within() -> None:
    hidden = ["args.bank.iban"]
    assert hidden_in({"bank": {"iban": "X"}}, hidden) == "args.bank.iban"
    assert hidden_in({"bank": None}, hidden) == "args.bank.iban"
    assert hidden_in({"bank": {"iban": {"x": 1}}}, hidden) == "args.bank.iban"
    assert hidden_in({"bank": {"name": "X"}, "iban": 1}, hidden) == ""


@given(OBJECTS, OBJECTS)
def test_nothing_is_told_of_what_is_the_same_and_something_of_all_else(
    before: dict[str, Any], after: dict[str, Any]
) -> None:
    assert differences(before, before) == ()
    told = differences(before, after)
    is_same = json.dumps(before, sort_keys=True) == json.dumps(after, sort_keys=True)
    assert not (is_same and told)
    # A member that is empty and one that is not there are both nothing to whoever reads.
    assert is_same or told or _without_empty(before) == _without_empty(after)


def _without_empty(value: Any) -> Any:
    if isinstance(value, dict):
        found = {key: _without_empty(inner) for key, inner in value.items()}
        return {key: inner for key, inner in found.items() if inner not in ({}, [], "", None)}
    return value


@given(OBJECTS, OBJECTS)
def test_a_patch_is_no_more_and_no_less_than_what_it_says(
    asked: dict[str, Any], changes: dict[str, Any]
) -> None:
    found = patched(asked, changes)
    assert patched(found, changes) == found
    assert {key: found[key] for key in asked if key not in changes} == {
        key: asked[key] for key in asked if key not in changes
    }
    assert patched(asked, {}) == asked
