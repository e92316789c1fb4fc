"""Every text of the portal can be read in every language it offers, and says the same there."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from functools import cache

import pytest
from babel.messages.catalog import Catalog
from django.conf import settings
from django.contrib import messages
from django.contrib.messages.storage.base import Message as Flash
from django.template import Context, Template
from django.template.loader import render_to_string
from django.utils.translation import override

from tests.translations import catalogues
from tests.translations.gather import ROOT, gathered
from tests.translations.messages import Message

LANGUAGES = [code for code, _ in settings.LANGUAGES if code != "en"]
EACH = [(language, domain) for language in LANGUAGES for domain in catalogues.DOMAINS]
HOLES = re.compile(r"\{\d+\}|%\(\w+\)s")
BLOCK = re.compile(r"\{% blocktrans(?:late)?\b.*?%\}(.*?)\{% endblocktrans(?:late)? %\}", re.DOTALL)
RENEW = "Run `make messages`, translate what is new in autonomy/locale, and run it again."
# Endings of English words stand in holes, which another language has no use for: item{1}.
ENDING = re.compile(r"[a-z]\{\d+\}|\{\d+\}s\b")


@cache
def texts() -> dict[str, list[Message]]:
    return gathered()


def catalogue(language: str, domain: str) -> Catalog:
    return catalogues.read(catalogues.path_of(settings.LOCALE_PATHS[0], language, domain), language)


@pytest.mark.parametrize(("language", "domain"), EACH)
def test_the_catalogue_has_exactly_the_texts_there_are(language: str, domain: str) -> None:
    found = catalogue(language, domain)
    known = {message.id if isinstance(message.id, str) else message.id[0] for message in found if message.id}
    there = {message.text for message in texts()[domain]}
    assert (sorted(there - known), sorted(known - there)) == ([], []), RENEW


@pytest.mark.parametrize(("language", "domain"), EACH)
def test_what_the_portal_reads_was_compiled_from_it(language: str, domain: str) -> None:
    path = catalogues.path_of(settings.LOCALE_PATHS[0], language, domain)
    beside = catalogue(language, "said") if domain == "django" else None
    expected = catalogues.compiled(catalogue(language, domain), beside)
    assert path.with_suffix(".mo").read_bytes() == expected, RENEW


@pytest.mark.parametrize(("language", "domain"), EACH)
def test_every_text_is_translated(language: str, domain: str) -> None:
    assert catalogues.untranslated(catalogue(language, domain)) == [], RENEW


@pytest.mark.parametrize(("language", "domain"), EACH)
def test_a_translation_has_the_holes_of_its_text(language: str, domain: str) -> None:
    wrong = []
    for message in catalogue(language, domain):
        ids = (message.id,) if isinstance(message.id, str) else message.id
        strings = (message.string,) if isinstance(message.string, str) else message.string
        known = set(HOLES.findall(" ".join(ids)))
        for text, said in zip(ids, strings, strict=True):
            holes = set(HOLES.findall(said))
            missing = set(HOLES.findall(text)) - holes
            if said and (holes - known or (missing and not ENDING.search(text) and len(ids) == 1)):
                wrong.append((text, said))
    assert wrong == []


def test_a_sentence_with_a_plural_has_names_in_its_holes() -> None:
    """Django leaves a hole with a filter in it empty: the filter belongs to ``with``."""
    wrong = [
        (path.name, hole)
        for path in (ROOT / "templates").rglob("*.html")
        for body in BLOCK.findall(path.read_text())
        for hole in re.findall(r"\{\{[^}]*\|[^}]*\}\}", body)
    ]
    assert wrong == []


def test_a_text_with_a_percent_sign_is_found() -> None:
    with override("de"):
        assert Template('{% load i18n %}{% translate "%n ago" %}').render(Context()) == "vor %n"


def test_a_day_is_written_as_the_language_writes_it() -> None:
    day = {"day": datetime(2026, 9, 1, 8, 5, tzinfo=UTC)}
    shown = (
        '{{ day|date:"j F Y, H:i" }}, {{ day|date:"j M Y" }}, {{ day|date:"DATE_FORMAT" }}{{ no|date:"j M" }}'
    )
    page = Template(shown)
    assert page.render(Context(day)) == "1 September 2026, 08:05, 1 Sep 2026, 1 Sep 2026"
    with override("de"):
        assert page.render(Context(day)) == "1. September 2026, 08:05, 1. Sept. 2026, 1. Sept. 2026"


def test_what_was_done_is_said_in_the_language_of_the_page() -> None:
    done = Flash(messages.SUCCESS, "The stop was lifted.")
    levels = {"DEFAULT_MESSAGE_LEVELS": messages.DEFAULT_LEVELS, "messages": [done]}
    with override("de"):
        assert "Der Stopp wurde aufgehoben." in render_to_string("unfold/helpers/messages.html", levels)


def test_what_is_written_in_quotes_is_gathered() -> None:
    there = {message.text for message in texts()["django"]}
    assert {"What waits for me", "Filters and views"} <= there
