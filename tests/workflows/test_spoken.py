"""What the portal says inside data for scripts: in the language of the reader, codes and names as they are."""

from __future__ import annotations

from django.utils import translation

from workflows.pages.spoken import spoken

DATA = {
    "boxes": [
        {"id": "end", "kind": "end", "kind_word": "End", "name": "Done", "lines": ["since 30 Nov, 11:42"]}
    ],
    "lines": [{"source": "end", "way": "failed", "label": "if it fails"}],
    "kinds": [["end", "End", "flag"]],
    "words": {"fit": "Fit to width"},
    "width": 0.5,
}


def test_words_are_in_the_language_of_the_reader_and_nothing_else():
    with translation.override("de"):
        found = spoken(DATA)
    assert found["kinds"] == [["end", "Ende", "flag"]]
    assert found["boxes"][0] | {"lines": []} == {
        "id": "end",
        "kind": "end",
        "kind_word": "Ende",
        "name": "Done",
        "lines": [],
    }
    assert found["lines"][0]["label"] != "if it fails"
    assert found["words"]["fit"] != "Fit to width"
    assert found["width"] == 0.5


def test_in_english_it_is_what_it_was():
    with translation.override("en"):
        assert spoken(DATA) is DATA
