"""A list of like things is filled in as a table; what has no place in one stays JSON, and nothing gets lost."""

from __future__ import annotations

from typing import Any

import pytest
from django.http import QueryDict
from hypothesis import given
from hypothesis import strategies as st

from connectors.policies.schemas import MONEY
from workflows.pages.rows_field import RowsField
from workflows.pages.schema_form import SchemaForm, _JSONField

LINE: dict[str, Any] = {
    "type": "object",
    "additionalProperties": False,
    "required": ["words", "price"],
    "properties": {
        "words": {"type": "string", "maxLength": 40},
        "count": {"type": "integer", "minimum": 1},
        "price": MONEY,
        "kind": {"enum": ["part", "labour"]},
        "urgent": {"type": "boolean"},
        "day": {"type": "string", "format": "date"},
    },
}
SCHEMA: dict[str, Any] = {
    "type": "object",
    "additionalProperties": False,
    "required": ["lines"],
    "properties": {"lines": {"type": "array", "items": LINE, "minItems": 1, "maxItems": 4}},
}


def sent(**values: str) -> QueryDict:
    data = QueryDict(mutable=True)
    for name, value in values.items():
        data[name.replace("__", "-")] = value
    return data


def price(line: int, amount: str) -> dict[str, str]:
    return {f"lines__{line}__price_0": amount, f"lines__{line}__price_1": "EUR"}


def form_of(schema: dict[str, Any] = SCHEMA, data: QueryDict | None = None) -> SchemaForm:
    return SchemaForm(schema, data)


def test_lines_are_read_in_their_order_and_empty_ones_are_left_out() -> None:
    """A currency that waits for its amount is nothing; lines keep their order whatever was left out."""
    data = sent(
        lines__count="4",
        **{"lines__0__words": "Bolts", "lines__0__count": "3", **price(0, "1,250.50")},
        **price(1, ""),
        **{"lines__3__words": "Hours", "lines__3__kind": "labour", "lines__3__urgent": "no", **price(3, "80")},
    )
    form = form_of(data=data)
    assert form.is_valid(), form.errors
    assert form.answer == {
        "lines": [
            {"words": "Bolts", "count": 3, "price": {"minor": 125050, "currency": "EUR"}},
            {"words": "Hours", "price": {"minor": 8000, "currency": "EUR"}, "kind": "labour", "urgent": False},
        ]
    }


@pytest.mark.django_db
def test_what_is_wrong_is_said_at_its_cell_and_what_was_typed_stays() -> None:
    data = sent(lines__count="2", lines__0__words="Bolts", lines__0__count="0", **price(0, "much"))
    form = form_of(data=data)
    assert not form.is_valid()
    assert form.errors == {"lines": ["Correct what is marked in line 1."]}
    shown = str(form["lines"])
    assert 'value="much"' in shown
    assert 'id="id_lines-0-count_error"' in shown
    assert "greater than or equal to 1" in shown
    assert 'aria-label="Lines, line 1: Count"' in shown
    assert 'aria-label="Lines, line 1: Price, amount"' in shown


@pytest.mark.parametrize(
    "data", [sent(), sent(lines__count="2"), sent(lines__count="x"), sent(lines__count="²")]
)
def test_a_list_that_is_asked_for_has_a_line(data: QueryDict) -> None:
    form = form_of(data=data)
    assert form.errors == {"lines": ["Fill in at least one line."]}


def test_more_lines_than_the_schema_allows_are_refused_at_the_list() -> None:
    data = sent(lines__count="5")
    for line in range(5):
        data.update(
            {f"lines-{line}-words": "Bolt", f"lines-{line}-price_0": "1", f"lines-{line}-price_1": "EUR"}
        )
    form = form_of(data=data)
    assert list(form.errors) == ["lines"]


def test_a_count_nobody_can_mean_costs_nothing() -> None:
    form = form_of(data=sent(lines__count="9" * 400, **{"lines__0__words": "Bolts", **price(0, "1")}))
    assert form.is_valid(), form.errors


@pytest.mark.django_db
def test_lines_that_are_there_are_shown_with_room_for_more_and_none_above_the_most() -> None:
    line = {"words": "Bolts", "price": {"minor": 100, "currency": "EUR"}, "urgent": True}
    form = form_of()
    form.begin_with({"lines": [line] * 3})
    shown = str(form["lines"])
    assert shown.count('value="Bolts"') == 3
    assert 'name="lines-count" value="4"' in shown
    assert shown.count("data-rows-number") == 5  # three, one more that is allowed, and the pattern
    assert '<option value="yes" selected>' in shown


JSON_ONLY = [
    {**LINE, "properties": {**LINE["properties"], "tags": {"type": "array", "items": {"type": "string"}}}},
    {**LINE, "properties": {**LINE["properties"], "place": {"type": "object", "properties": {}}}},
    {**LINE, "properties": {**LINE["properties"], "paper": {"type": "string", "format": "document"}}},
    {**LINE, "properties": {f"value{number}": {"type": "string"} for number in range(11)}},
    {"type": "object", "properties": {}},
    {"type": "array", "items": {"type": "integer"}},
]


@pytest.mark.parametrize("items", JSON_ONLY)
def test_what_is_no_table_stays_json(items: dict[str, Any]) -> None:
    form = form_of({"type": "object", "properties": {"lines": {"type": "array", "items": items}}})
    assert isinstance(form.fields["lines"], _JSONField)


def test_lines_of_a_schema_that_is_named_elsewhere_are_a_table() -> None:
    schema = {
        "type": "object",
        "$defs": {"line": LINE},
        "properties": {"lines": {"type": "array", "items": {"$ref": "#/$defs/line"}}},
    }
    assert isinstance(form_of(schema).fields["lines"], RowsField)


@pytest.mark.parametrize(
    "there",
    [
        [{"words": "Bolts", "price": {"minor": 1, "currency": "EUR"}, "colour": "red"}],
        [{"words": "Bolts", "price": {"minor": 1, "currency": "EUR"}, "count": None}],
        [{"words": "Bolts", "price": "(hidden)"}],
        ["Bolts"],
        "Bolts",
    ],
)
def test_what_has_no_place_in_the_table_is_shown_as_json_and_keeps_it(there: Any) -> None:
    form = form_of()
    form.begin_with({"lines": there})
    assert isinstance(form.fields["lines"], _JSONField)
    assert "Bolts" in form.initial["lines"]


def as_sent(form: SchemaForm, lines: list[dict[str, Any]]) -> QueryDict:
    """Return what a browser sends of a form in which nothing was touched."""
    data = QueryDict(mutable=True)
    data["lines-count"] = str(len(lines) + 2)
    for place, line in enumerate(lines):
        row = SchemaForm(LINE, prefix=f"lines-{place}")
        row.begin_with(line)
        for name in row.fields:
            value = row[name].value()
            widget: Any = row.fields[name].widget
            if name == "price":
                for number, part in enumerate(widget.decompress(value)):
                    data[f"lines-{place}-price_{number}"] = str(part)
            elif value is not None:
                data[f"lines-{place}-{name}"] = str(value)
    return data


A_LINE = st.fixed_dictionaries(
    {
        "words": st.text("abc Ä,;:'\"<&>0-", min_size=1, max_size=40).filter(lambda text: text == text.strip()),
        "price": st.fixed_dictionaries(
            {"minor": st.integers(-(10**12), 10**12), "currency": st.sampled_from(["EUR", "JPY", "BHD"])}
        ),
    },
    optional={
        "count": st.integers(1, 10**9),
        "kind": st.sampled_from(["part", "labour"]),
        "urgent": st.booleans(),
        "day": st.dates().map(str),
    },
)


@given(st.lists(A_LINE, min_size=1, max_size=4))
def test_what_is_left_alone_is_not_changed(lines: list[dict[str, Any]]) -> None:
    """Property: showing any list and sending it back as it was shown gives the same list, and no change."""
    form = form_of(data=as_sent(form_of(), lines))
    form.begin_with({"lines": lines})
    assert isinstance(form.fields["lines"], RowsField)
    assert form.is_valid(), form.errors
    assert form.answer == {"lines": lines}
    assert form.changed_data == []
