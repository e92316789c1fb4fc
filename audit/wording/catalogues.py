"""The catalogue of each language, read once from its compiled file."""

from __future__ import annotations

import gettext
from functools import cache
from pathlib import Path

from django.conf import settings
from django.utils.functional import lazy
from django.utils.translation import get_language, to_locale

from audit.wording.figures import FIGURES
from audit.wording.sentences import Sentences

# Sentences of the record, and the words of pages: both may stand inside a sentence.
DOMAINS = ("django", "said")


def said(text: object) -> str:
    """Return a sentence of the record in the language of the page that is being made."""
    words = str(text)
    language = get_language() or settings.LANGUAGE_CODE
    if language.startswith("en") or not words:
        return words
    return sentences_in(language).say(words)


def _said_text(text: str) -> str:
    return said(text)


# The same, looked up when it is shown: for what is named when the code is loaded.
said_lazy = lazy(_said_text, str)


def _name_text(text: str) -> str:
    return words_of_templates().get(text, text)


# A name of a page or a menu, looked up whole: what people call their things is not looked through for patterns.
name_lazy = lazy(_name_text, str)


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
