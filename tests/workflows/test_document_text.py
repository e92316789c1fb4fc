"""A document is shown in whichever way it reads best, whatever it is, and nothing it says is believed. Pure."""

from __future__ import annotations

import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workflows.pages.document_text import MOST_BYTES, MOST_LINES, Line, Shown, Way, shown_of

INVOICE = """<?xml version="1.0" encoding="UTF-8"?>
<Invoice xmlns="urn:i" xmlns:cbc="urn:c">
  <cbc:ID>RE-1</cbc:ID>
  <cac:Line xmlns:cac="urn:a"><cbc:PayableAmount currencyID="EUR">12.50</cbc:PayableAmount></cac:Line>
</Invoice>"""


def read(content: bytes, name: str = "a.txt", size: int | None = None) -> Shown:
    return shown_of(content, size or len(content), name)


def test_xml_is_read_as_parts_within_parts() -> None:
    assert read(INVOICE.encode()).outline == (
        Line(0, "Invoice", ""),
        Line(1, "ID", "RE-1"),
        Line(1, "Line", ""),
        Line(2, "Payable amount", "12.50 (Currency ID: EUR)"),
    )


@pytest.mark.parametrize(
    "text",
    [
        '<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>',
        '<?xml version="1.0"?><!doctype a><a/>',
        "<a><b></a>",
        '<?xml version="1.0" encoding="none-such"?><a/>',
        "<",
    ],
)
def test_what_is_no_plain_tree_stays_text(text: str) -> None:
    assert read(text.encode()) == Shown(Way.TEXT, text=text)


def test_a_deep_and_a_long_tree_are_cut() -> None:
    deep = read(b"<a>" * 400 + b"x" + b"</a>" * 400)
    assert max(line.depth for line in deep.outline) == 8
    long = read(b"<a>" + b"<b/>" * MOST_LINES + b"</a>")
    assert (len(long.outline), long.is_cut) == (MOST_LINES, True)


def test_json_is_read_as_facts_and_what_is_none_stays_text() -> None:
    (fact,) = read(b'{"total": {"minor": 1250, "currency": "EUR"}}').facts
    assert (fact.name, fact.value) == ("Total", "12.50 EUR")
    assert read(b"{ not json").kind == "text"
    assert read(b"[" * 100_000).kind == "text"
    assert read(b"[1, 2]").kind == "text"
    for depth in (200, 500, 900, 980, 5_000):
        assert read(b'{"a":' * depth + b"1" + b"}" * depth).kind in {"facts", "text"}


def test_a_table_has_as_many_cells_in_each_line() -> None:
    shown = read("Name;Preis\nSchraube;1,20\nMutter\n".encode("utf-8-sig"), "preise.CSV")
    assert shown.table == (("Name", "Preis"), ("Schraube", "1,20"), ("Mutter", ""))
    assert read(b"one column\nonly", "a.csv").kind == "text"
    assert read(b"a;b", "a.txt").kind == "text"


def test_pictures_are_known_by_their_first_bytes_and_others_by_nothing() -> None:
    assert read(b"\x89PNG\r\n\x1a\n....", "a.xml").kind == "picture"
    assert read(b"\xff\xd8\xff\xe0....").kind == "picture"
    assert read(b"\x89PNG\r\n\x1a\n....", size=11 * 1024 * 1024).kind == "nothing"
    assert read(b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>").kind == "outline"
    assert read(b"%PDF-1.7\n\x80\x81\x82").kind == "nothing"
    assert read(zlib.compress(b"a" * 100)).kind == "nothing"
    assert read(b"a\x00b").kind == "nothing"


def test_the_beginning_of_a_long_text_is_shown_also_when_it_is_cut_within_a_character() -> None:
    content = ("ä" * MOST_BYTES).encode()
    shown = read(content[: MOST_BYTES - 1], size=len(content))
    assert (shown.kind, shown.is_cut, set(shown.text)) == ("text", True, {"ä"})


@given(st.binary(max_size=300), st.sampled_from(["a.csv", "a.xml", "a"]))
def test_whatever_comes_is_shown_or_only_downloaded(content: bytes, name: str) -> None:
    assert read(content, name).kind in {"outline", "facts", "table", "text", "picture", "nothing"}


@given(st.text('ab<>/="&;,\n\t{}[]:0', max_size=200), st.sampled_from(["a.csv", "a.xml"]))
def test_whatever_text_comes_is_shown(text: str, name: str) -> None:
    assert read(text.encode(), name).kind in {"outline", "facts", "table", "text"}
