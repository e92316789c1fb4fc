"""What is sealed is what RFC 8785 says, for anything a row can hold."""

from __future__ import annotations

import json
import math
import uuid
from datetime import UTC, datetime

import rfc8785
from hypothesis import given, settings
from hypothesis import strategies as st

from audit import envelope

TEXTS = st.text(max_size=40)
ROWS = st.fixed_dictionaries(
    {
        **dict.fromkeys(envelope.PLAIN.values(), TEXTS),
        **dict.fromkeys(envelope.WORDS.values(), TEXTS),
        **dict.fromkeys(("actor_kind", "actor_id", "subject_kind", "subject_id"), TEXTS),
        "id": st.uuids(),
        "occurred_at": st.datetimes(timezones=st.just(UTC)),
        "risk": st.dictionaries(TEXTS, TEXTS, max_size=4),
        "words_salt": st.binary(min_size=32, max_size=32),
    }
)
NUMBERS = st.integers() | st.integers(-(2**60), 2**60) | st.floats(allow_nan=False)
VALUES = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=12,
)


def exact(value):
    """Numbers that a double cannot hold are texts; all else is as it was."""
    if isinstance(value, dict):
        return {name: exact(item) for name, item in value.items()}
    if isinstance(value, list):
        return [exact(item) for item in value]
    if isinstance(value, bool):
        return value
    if isinstance(value, int) and abs(value) > 2**53 - 1:
        return str(value)
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value


@settings(deadline=None, max_examples=60)
@given(ROWS, st.binary(min_size=32, max_size=32), st.none() | st.binary(min_size=32, max_size=32))
def test_an_envelope_is_canonical_and_says_all_but_words(row, words, data):
    text = envelope.envelope_text(row, words, data)
    said = json.loads(text)
    assert text == rfc8785.dumps(said).decode()
    assert (said["id"], said["words"]) == (str(row["id"]), words.hex())
    assert said.get("data") == (None if data is None else data.hex())
    assert said["actor"] == {"id": row["actor_id"], "kind": row["actor_kind"]}
    assert said.get("risk", {}) == row["risk"]
    for name, column in envelope.PLAIN.items():
        assert said.get(name, "") == row[column]
    spoken = json.loads(envelope.words_text(row))
    assert envelope.words_text(row) == rfc8785.dumps(spoken).decode()
    assert spoken == {name: row[column] for name, column in envelope.WORDS.items() if row[column]}


@settings(deadline=None, max_examples=300)
@given(VALUES)
def test_a_payload_is_canonical_in_its_exact_form(value):
    text = json.dumps(value)
    # An infinity is no JSON; a database has a number there that is too large for a double.
    text = text.replace("-Infinity", "-1e999").replace("Infinity", "1e999") if "Infinity" in text else text
    read = json.loads(text, parse_float=lambda said: float(said) if math.isfinite(float(said)) else said)
    assert envelope.canonical_json(text) == rfc8785.dumps(exact(read)).decode()


def test_whatever_a_row_can_hold_has_one_form():
    digits = "1" + "0" * 5000
    assert (
        envelope.canonical_json(f'{{"a": [{digits}, -{digits}, 7]}}') == f'{{"a":["{digits}","-{digits}",7]}}'
    )
    # No digit is lost, or another number would have the same seal.
    for number in ("0.10000000000000000000000001", "9007199254740993.5", "1e999", "0." + "0" * 400 + "1"):
        assert envelope.canonical_json(f"[{number}]") == f'["{number}"]'
    assert envelope.canonical_json("[0.10, 1e5, 2.50]") == "[0.1,100000,2.5]"
    for depth in (envelope.MOST_DEPTH + 1, 50_000):
        deep = "[" * depth + "]" * depth
        assert envelope.canonical_json(deep) == f'"{deep}"'
    most = "[" * envelope.MOST_DEPTH + "]" * envelope.MOST_DEPTH
    assert envelope.canonical_json(most) == most
    wide = json.dumps([{"[": '{[\\"{'}] * 300, separators=(",", ":"))
    assert envelope.canonical_json(wide) == wide


def test_a_risk_that_is_none_is_sealed_as_a_text():
    assert envelope.risk_of('{"a": "b"}') == {"a": "b"}
    deep = "[" * 5000 + "]" * 5000
    for text in ("null", "0", "[]", '["a"]', '{"a":1}', '{"a":{"b":"c"}}', deep, "1" + "0" * 5000):
        said = envelope.risk_of(text)
        assert isinstance(said, str)
        assert said


def test_an_event_sealed_twice_has_one_hash_and_another_salt_another():
    row = {
        **dict.fromkeys((*envelope.PLAIN.values(), *envelope.WORDS.values()), "x"),
        **dict.fromkeys(("actor_kind", "actor_id", "subject_kind", "subject_id"), "y"),
        "id": uuid.UUID(int=7),
        "occurred_at": datetime(2026, 1, 2, 3, 4, 5, 6, tzinfo=UTC),
        "risk": {},
        "words_salt": b"\1" * 32,
    }
    first = envelope.seal(row, '{"b": 1, "a": [1.50, 18014398509481984]}', b"\2" * 32)
    assert first == envelope.seal(row, '{"a":[1.5,18014398509481984],"b":1}', b"\2" * 32)
    assert first.data == '{"a":[1.5,"18014398509481984"],"b":1}'
    assert '"at":"2026-01-02T03:04:05.000006Z"' in first.envelope
    assert envelope.seal({**row, "words_salt": b"\3" * 32}, None, None).leaf_hash != first.leaf_hash
