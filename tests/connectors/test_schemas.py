from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audit.vocabulary import Refusal
from connectors.policies.digests import canonical_digest, reference_of
from connectors.policies.schemas import MONEY, argument_errors, schema_problems, validate_arguments
from tests.fakes import POST_SCHEMA, arguments


def schema(**properties: Any) -> dict[str, Any]:
    return {"type": "object", "additionalProperties": False, "properties": properties}


@pytest.mark.parametrize(
    ("wrong", "word"),
    [
        ({"type": "array"}, "object"),
        ({"type": "object"}, "additionalProperties"),
        (schema(a={"type": "number"}), "fractions"),
        (schema(a={"type": ["integer", "number"]}), "fractions"),
        (schema(a={}), "type"),
        (schema(a={"description": "anything"}), "type"),
        (schema(a={"type": "object", "properties": {}}), "additionalProperties"),
        (schema(a={"type": "array"}), "items"),
        (schema(a={"type": "array", "items": {"type": "number"}}), "fractions"),
        (schema(a={"anyOf": [{"type": "string"}, {"type": "number"}]}), "fractions"),
        (schema(a={"enum": [1, 1.5]}), "fraction"),
        (schema(a={"const": 0.1}), "fraction"),
        (schema(a={"$ref": "https://evil.example/schema"}), "inside this schema"),
        (schema(a={"$ref": "#/$defs/missing"}), "nowhere"),
        (schema(a={"type": "string", "pattern": "a" * 300}), "pattern"),
        ({**schema(), "patternProperties": {"^x": {"type": "string"}}}, "patternProperties"),
        ({**schema(), "$defs": {"n": {"type": "number"}}}, "fractions"),
        ({"type": 3}, "2020-12"),
        ("text", "JSON object"),
    ],
)
def test_a_schema_that_leaves_a_door_open_is_not_published(wrong: Any, word: str) -> None:
    assert any(word in problem for problem in schema_problems(wrong)), schema_problems(wrong)


def test_sound_schemas_are_published() -> None:
    assert schema_problems(POST_SCHEMA) == []
    assert schema_problems(schema(total=MONEY, days={"type": "array", "items": {"type": "integer"}})) == []
    inside = {**schema(a={"$ref": "#/$defs/m"}), "$defs": {"m": MONEY}}
    assert schema_problems(inside) == []


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"extra": 1}, ""),
        ({"supplier": ""}, "/supplier"),
        ({"supplier": None}, "/supplier"),
        ({"total": {"minor": 1.5, "currency": "EUR"}}, "/total/minor"),
        ({"total": {"minor": 1.0, "currency": "EUR"}}, "/total/minor"),
        ({"total": {"minor": 2**53, "currency": "EUR"}}, "/total/minor"),
        ({"total": {"minor": True, "currency": "EUR"}}, "/total/minor"),
        ({"total": {"minor": 1, "currency": "eur"}}, "/total/currency"),
        ({"total": 5}, "/total"),
        ({"supplier": "S\u202e1"}, "/supplier"),
        ({"supplier": "S\u200b1"}, "/supplier"),
        ({"supplier": "S\x001"}, "/supplier"),
        ({"supplier": "S\ud8001"}, "/supplier"),
        ({"supplier": "Ｓ1"}, "/supplier"),
        ({"supplier": "S²"}, "/supplier"),
        ({"supplier": "U\u0308ber"}, "/supplier"),
        ({"supplier": "\U000e0041"}, "/supplier"),
        ({"note": "x" * 5000}, "/note"),
        ({"note": "a\u202eb"}, "/note"),
    ],
)
def test_arguments_that_do_not_fit_name_the_place(change: dict[str, Any], pointer: str) -> None:
    errors = argument_errors(POST_SCHEMA, {**arguments(), **change})
    assert pointer in [error["pointer"] for error in errors], errors


def test_free_text_keeps_what_people_write() -> None:
    assert argument_errors(POST_SCHEMA, arguments(note="50 m² Blech, ½ Preis\n☕ 👨‍👩‍👧")) == []


def test_whatever_is_no_object_is_refused() -> None:
    for odd in (None, [], "x", 3, True, {"a": {1, 2}}):
        assert argument_errors(POST_SCHEMA, odd)


def test_deep_and_wide_arguments_are_refused() -> None:
    deep: Any = "x"
    for _ in range(100):
        deep = [deep]
    assert "Nested" in argument_errors(POST_SCHEMA, {"note": deep})[0]["message"]
    assert "elements" in argument_errors(POST_SCHEMA, {"note": ["x"] * 5000})[0]["message"]


@pytest.mark.parametrize("text", ["0", "-1", "12.5", "0.000001", "999999999999999999.999999"])
def test_decimals_are_text(text: str) -> None:
    rate = schema(rate={"type": "string", "format": "decimal"})
    assert argument_errors(rate, {"rate": text}) == []


@pytest.mark.parametrize("text", ["", "1.", ".5", "01", "1e3", "1,5", "+1", " 1", "1.0000000", "NaN", "１"])
def test_what_is_no_decimal_is_refused(text: str) -> None:
    rate = schema(rate={"type": "string", "format": "decimal"})
    assert argument_errors(rate, {"rate": text})


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


@settings(max_examples=200)
@given(json_values)
def test_any_json_is_answered_and_what_passes_has_a_digest(value: Any) -> None:
    errors = argument_errors(POST_SCHEMA, value)
    assert all(set(error) == {"pointer", "message"} for error in errors)
    if not errors:
        assert len(canonical_digest("a.b", 1, value)) == 64


@settings(max_examples=200)
@given(st.dictionaries(st.text(alphabet="abc", min_size=1), st.integers(-(2**53) + 1, 2**53 - 1)))
def test_the_digest_ignores_order_and_sees_every_change(value: dict[str, int]) -> None:
    digest = canonical_digest("a.b", 1, value)
    assert canonical_digest("a.b", 1, dict(reversed(value.items()))) == digest
    assert canonical_digest("a.b", 2, value) != digest
    assert canonical_digest("a.c", 1, value) != digest
    assert canonical_digest("a.b", 1, {**value, "z": 1}) != digest


def test_the_digest_follows_rfc_8785() -> None:
    import hashlib

    text = '{"arguments":{"a":"€","b":1},"operation":"erp.x","revision":3}'
    assert canonical_digest("erp.x", 3, {"b": 1, "a": "€"}) == hashlib.sha256(text.encode()).hexdigest()


def test_a_fraction_has_no_digest() -> None:
    for value in (1.5, 1.0, float("nan")):
        with pytest.raises(Refusal):
            canonical_digest("a.b", 1, {"x": [value]})


def test_a_reference_is_short_and_always_the_same() -> None:
    first = reference_of("0199f000-0000-7000-8000-000000000000")
    assert first == reference_of("0199f000-0000-7000-8000-000000000000")
    assert first != reference_of("0199f000-0000-7000-8000-000000000001")
    assert len(first) == 20


@pytest.mark.django_db
def test_validation_refuses_with_pointers(book: dict[str, Any]) -> None:
    validate_arguments(book["post"], arguments())
    with pytest.raises(Refusal) as refused:
        validate_arguments(book["post"], {**arguments(), "sneaky": 1})
    assert refused.value.code == "invalid_arguments"
    assert refused.value.detail["errors"][0]["pointer"] == ""
