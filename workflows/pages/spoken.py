"""What the portal says inside data for scripts, in the language of the reader: pictures, forms, findings."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from django.utils import translation

from audit.wording import language_of, said

# Whose text is the portal's own; names, codes and conditions stand under other keys and stay as they are.
OURS = frozenset({"word", "kind_word", "label", "help", "problem", "cure", "refused"})
LISTS = frozenset({"lines", "notes", "changes"})  # of texts; the lines of a picture are no texts
PAIRS = frozenset({"kinds", "choices"})  # a code, then its word


def spoken(data: Any) -> Any:
    """Return data as it is read in the language that is active."""
    return data if (translation.get_language() or "en").startswith("en") else _spoken(data)


def spoken_to(request: HttpRequest, data: Any) -> Any:
    """Return data in the language of whoever asked for it."""
    with translation.override(language_of(request) or "en"):
        return spoken(data)


def _spoken(data: Any) -> Any:
    if isinstance(data, dict):
        return {key: _under(key, value) for key, value in data.items()}
    return [_spoken(each) for each in data] if isinstance(data, list | tuple) else data


def _under(key: str, value: Any) -> Any:
    if key == "words":
        return {name: said(word) for name, word in value.items()}
    if key in OURS and isinstance(value, str):
        return said(value)
    if key in LISTS:
        return [said(each) if isinstance(each, str) else _spoken(each) for each in value]
    if key in PAIRS:
        return [[code, said(word), *rest] for code, word, *rest in value]
    return _spoken(value)
