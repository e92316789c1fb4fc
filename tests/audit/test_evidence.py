"""Cells that cannot pretend, a mapping that is checked, and a registry that holds no two of a kind."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from audit import evidence
from audit.evidence import Column, Kind, Table, UnusableMapping
from audit.evidence.mapping import DEFAULT, read_mapping
from audit.forms import quarter_before
from audit.services.evidence.cells import MOST_SHOWN, for_machines, for_people, for_spreadsheet, length_words

KNOWN = ("agents", "agents.register")
ROW = {"id": "1", "shows": "what", "evidence": ["agents"], "text_checked": False}
FRAMEWORK = {"code": "law", "name": "A law", "source": "Read it.", "rows": [ROW]}
WHOLE = {"format": 1, "name": "Ours", "frameworks": [FRAMEWORK]}


def with_rows(*rows):
    return {**WHOLE, "frameworks": [{**FRAMEWORK, "rows": list(rows)}]}


def read(tmp_path, data):
    path = tmp_path / "mine.yaml"
    path.write_text(data if isinstance(data, str) else yaml.safe_dump(data))
    return read_mapping(path, KNOWN)


def test_a_mapping_of_ones_own_is_read(tmp_path):
    found = read(tmp_path, WHOLE)
    (row,) = found.frameworks[0].rows
    assert (found.name, row.id, row.evidence, row.text_checked, row.beyond) == (
        "Ours",
        "1",
        ("agents",),
        False,
        "",
    )


@pytest.mark.parametrize(
    ("data", "why"),
    [
        ("a: [", "is not YAML"),
        ("- 1", "wrong at"),
        ({**WHOLE, "format": 2}, r"wrong at \$.format"),
        ({**WHOLE, "more": 1}, "'more' was unexpected"),
        ({**WHOLE, "frameworks": []}, r"wrong at \$.frameworks"),
        ({**WHOLE, "frameworks": [{**FRAMEWORK, "code": "A law"}]}, r"frameworks\[0\].code"),
        ({**WHOLE, "frameworks": [FRAMEWORK, FRAMEWORK]}, "the framework law twice"),
        ({**WHOLE, "frameworks": [{**FRAMEWORK, "rows": [ROW, ROW]}]}, "in law the row 1 twice"),
        (
            {**WHOLE, "frameworks": [{**FRAMEWORK, "rows": [{**ROW, "id": 9.1}]}]},
            "rows.0..id: 9.1 is not of type",
        ),
        (
            {**WHOLE, "frameworks": [{**FRAMEWORK, "rows": [{**ROW, "evidence": ["agents.none"]}]}]},
            "agents.none",
        ),
        ("x" * 1_000_001, "larger than"),
    ],
)
def test_a_mapping_that_is_wrong_says_where_and_why(tmp_path, data, why):
    with pytest.raises(UnusableMapping, match=why) as caught:
        read(tmp_path, data)
    assert "docs/evidence-pack.md" in caught.value.in_full()


def test_our_own_mapping_names_only_what_there_is():
    tables = evidence.registered()
    known = [*tables, *(table.code for found in tables.values() for table in found)]
    assert len(read_mapping(DEFAULT, known).frameworks) == 4


def test_every_section_has_a_table_and_every_table_says_what_it_shows():
    for section, tables in evidence.registered().items():
        assert tables, section
        for table in tables:
            assert table.says.endswith("."), table.code
            assert table.empty.endswith("."), table.code
            codes = [column.code for column in table.columns]
            assert len(codes) == len(set(codes)), table.code


def test_a_code_stands_for_one_table_in_a_known_section(monkeypatch):
    monkeypatch.setattr(evidence.tables, "_tables", {})
    table = Table("agents.mine", "Mine", "It is mine.", (Column("a", "A"),), lambda scope: ())
    evidence.register(table, table)
    with pytest.raises(ValueError, match="is already: Mine"):
        evidence.register(Table("agents.mine", "Yours", "It is yours.", (Column("a", "A"),), lambda scope: ()))
    with pytest.raises(ValueError, match="in no section"):
        evidence.register(Table("weather.rain", "Rain", "It rains.", (Column("a", "A"),), lambda scope: ()))


@settings(max_examples=50, deadline=None)
@given(st.text())
def test_what_people_read_has_no_hidden_characters(text):
    said = for_people(text, Kind.TEXT)
    assert all(one == "\n" or one.isprintable() for one in said)
    assert len(text) > MOST_SHOWN or said.isprintable() or "\n" in text or said == text


@settings(max_examples=50, deadline=None)
@given(st.text(alphabet="=+-@\t\r1a \x00\n,\"'", max_size=8))
def test_no_text_begins_like_a_formula(text):
    assert not for_spreadsheet(text).startswith(("=", "+", "-", "@", "\t", "\r"))


def test_values_as_machines_and_people_have_them():
    at = datetime(2026, 1, 31, 23, 59, 59, 1, UTC)
    assert for_machines(at) == "2026-01-31T23:59:59.000001Z"
    assert for_people(at, Kind.MOMENT) == "2026-01-31 23:59:59"
    assert (for_spreadsheet(None), for_spreadsheet(True), for_spreadsheet(-3)) == ("", "yes", "-3")
    assert (for_people(12_345, Kind.NUMBER), for_people(["a", "b"], Kind.TEXT)) == ("12,345", "a\nb")
    assert for_people("x" * 5_000, Kind.TEXT).endswith("x…")
    lengths = (0, 0.44, 59.6, 3_599, 7_500, 180_000)
    assert [length_words(one) for one in lengths] == [
        "0.0 s",
        "0.4 s",
        "1 min",
        "59 min 59 s",
        "2 h 5 min",
        "2 d 2 h",
    ]


@pytest.mark.parametrize(
    ("day", "first", "last"),
    [
        (date(2026, 1, 1), date(2025, 10, 1), date(2025, 12, 31)),
        (date(2026, 4, 1), date(2026, 1, 1), date(2026, 3, 31)),
        (date(2026, 12, 31), date(2026, 7, 1), date(2026, 9, 30)),
    ],
)
def test_the_quarter_before_is_what_is_usually_asked_for(day, first, last):
    assert quarter_before(day) == (first, last)
