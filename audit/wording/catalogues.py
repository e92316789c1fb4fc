"""The catalogue of each language, read once from its compiled file."""

from __future__ import annotations

import gettext
from functools import cache
from pathlib import Path

from django.conf import settings
from django.utils.functional import lazy
from django.utils.safestring import SafeString
from django.utils.translation import get_language, to_locale

from audit.wording.figures import FIGURES
from audit.wording.sentences import Sentences

# Sentences of the record, and the words of pages: both may stand inside a sentence.
DOMAINS = ("django", "said")


def said(text: object) -> str:
    """Return a sentence of the record in the language of the page that is being made."""
    if isinstance(text, SafeString) and "<" in text:
        return text  # markup, whose words were said where it was made
    words = str(text)
    language = get_language() or settings.LANGUAGE_CODE
    if language.startswith("en") or not words:
        return words
    return sentences_in(language).say(words)


def _said_text(text: str) -> str:
    return said(text)


# The same, looked up when it is shown: for what is named when the code is loaded.
said_lazy = lazy(_said_text, str)


def name_in(text: str) -> str:
    """Return a name of a page, a menu or a cell, looked up whole, with and without its capital letter.

    What people call their things is not looked through for patterns.
    """
    known = words_of_templates()
    if not known or not text:
        return text
    if found := known.get(text):
        return found
    if found := known.get(f"{text}."):
        return found.removesuffix(".")
    other = known.get(text[0].swapcase() + text[1:])
    return text if other is None else (other[0].upper() + other[1:] if text[0].isupper() else other)


name_lazy = lazy(name_in, str)


@cache
def sentences_in(language: str) -> Sentences:
    """Return the sentences of a language; without a catalogue nothing is translated."""
    known: dict[str, str] = {}
    for folder in settings.LOCALE_PATHS:
        for domain in DOMAINS:
            known |= _read(Path(folder) / to_locale(language) / "LC_MESSAGES" / f"{domain}.mo")
    return Sentences(known, FIGURES.get(language, str))


def words_of_templates() -> dict[str, str]:
    """Return the words of templates in the language of the page that is being made; of English none."""
    language = get_language() or settings.LANGUAGE_CODE
    return {} if language.startswith("en") else _templates_in(language)


@cache
def _templates_in(language: str) -> dict[str, str]:
    known: dict[str, str] = {}
    for folder in settings.LOCALE_PATHS:
        known |= _read(Path(folder) / to_locale(language) / "LC_MESSAGES" / "django.mo")
    return known


def _read(path: Path) -> dict[str, str]:
    if not path.exists():
        return {}
    with path.open("rb") as file:
        catalogue: dict[object, str] = gettext.GNUTranslations(file)._catalog  # type: ignore[attr-defined]
    return {key: value for key, value in catalogue.items() if isinstance(key, str) and key and "%(" not in key}
