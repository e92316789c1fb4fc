"""A German reader meets no English word of ours on any page.

A word is English when our English texts use it and their German ones do not; what people and agents of the
world wrote is set aside. ``LEFT`` is what is still English, with its reasons: it may only become shorter.
"""

from __future__ import annotations

import re
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from babel.messages.catalog import Catalog
from django.conf import settings

from tests.hostile import HostileAgent
from tests.translations import catalogues
from tests.walks import pages
from tests.workflows.conftest import hints, inline_pool

__all__ = ["hints", "inline_pool"]

LANGUAGE = "de"
# A manager, a superuser, and an operator: between them they see every page.
READERS = ("alice", "root", "dave")
SHOWN = {"title", "aria-label", "placeholder", "alt", "data-label", "label"}
# For machines, or shown as it was written.
RAW = {"script", "style", "code", "pre", "textarea", "svg", "kbd", "template"}
VOID = {"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr"}
WORD = re.compile(r"[A-Za-zÄÖÜäöüß]{3,}")
HOLE = re.compile(r"\{\d+\}|%\(\w+\)s")
LEFT = Path(__file__).with_name("german_left.txt")
# What people, agents and the seeds of the company wrote in English; longest first.
WRITTEN = (
    *("invoices above 1,000.00 EUR need a person", "invoices above 1.000,00 EUR need a person"),
    "invoices above 1.000,00 EUR",  # a list shows no more of it
    *(
        "Which order is it for?",
        "Leave Acme for tomorrow.",
        "Hold such cases",
        "Look at it twice",
        "It was put back.",
    ),
    *(
        "large invoices",
        "the rival's",
        "rival's",
        "Invoices a day",
        "Invoices a Tag",
        "set up for a test",
        "Settle it",
    ),
    *(
        "The fake system",
        "This portal",
        "the fake system says",
        "Company rules",
        "Post an invoice",
        "Find an invoice",
    ),
    *(
        "Read the invoice",
        "Read it",
        "Enter it",
        "Look at it",
        "Start a run",
        "Posts invoices",
        "Letters",
        "Stories",
    ),
    *(
        "Lets Robo do the like",
        "Lets Rival do the like",
        "as in the tests of the engine",
        "Acme",
        "Invoice zq of zq",
    ),
    *(
        "Approvers",
        "Managers",
        "Auditors",
        "Operators",
        "Bookkeeper",
        "bookkeeper",
        "Calls",
        "Mine",
        "Chat",
        "clerk",
    ),
    *(
        "Rules that bind every agent of the company",
        "Invoice RE-robo of S-1",
        "root",
        "Root",
        "tests",
        "Tests",
        "disabled",
    ),
)
NAMES = re.compile(
    rf"(?<!\w)(?:{'|'.join(re.escape(name) for name in sorted(WRITTEN, key=len, reverse=True))})(?!\w)",
    re.IGNORECASE,
)
DAYS = re.compile(r"\b(Montag|Dienstag|Mittwoch|Donnerstag|Freitag|Samstag|Sonntag)\b")
# The templates of roles are documents in English, which a company takes as they are and then makes its own.
DOCUMENTS = ("roles/templates/",)
CODES = re.compile(r"\S*[._/@]\w\S*|[0-9a-f]{8}-[0-9a-f-]+|\b[0-9a-f]{32,}\b|“[^”]*”|„[^“]*“|\{\".*")


class Texts(HTMLParser):
    """The texts of a page that people read, one by one."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.found: list[str] = []
        self._open: list[tuple[str, str]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in VOID:
            self._open.append((tag, str(dict(attrs).get("class"))))
        self.found += [value for name, value in attrs if name in SHOWN and value]

    def handle_endtag(self, tag: str) -> None:
        for place in range(len(self._open) - 1, -1, -1):
            if self._open[place][0] == tag:
                del self._open[place:]
                return

    def handle_data(self, data: str) -> None:
        if data.strip() and not any(tag in RAW or "material-symbols" in kind for tag, kind in self._open):
            self.found.append(data)


@cache
def english() -> frozenset[str]:
    """Return the words that only our English texts use."""
    ours, theirs = set[str](), set[str]()
    for domain in catalogues.DOMAINS:
        for ids, strings in _pairs(
            catalogues.read(catalogues.path_of(settings.LOCALE_PATHS[0], LANGUAGE, domain), LANGUAGE)
        ):
            ours |= words_of(ids)
            theirs |= words_of(strings)
    return frozenset(ours - theirs)


def _pairs(catalogue: Catalog) -> list[tuple[str, str]]:
    return [(_joined(message.id), _joined(message.string)) for message in catalogue if message.id]


def _joined(text: Any) -> str:
    return HOLE.sub(" ", text if isinstance(text, str) else " ".join(text))


def words_of(text: str) -> set[str]:
    """Return the words of a text in small letters."""
    return {word.lower() for word in WORD.findall(text)}


def left_in(page: str) -> set[str]:
    """Return the texts of a page in which something is English."""
    reading = Texts()
    reading.feed(page)
    reading.close()
    shown = {" ".join(text.split()) for text in reading.found}
    return {text for text in shown if words_of(CODES.sub(" ", NAMES.sub(" ", text))) & english()}


def shape(text: str) -> str:
    """Return a text without what differs from one run to the next: numbers, keys and moments."""
    text = DAYS.sub("DAY", text)
    return re.sub(r"\d+", "0", re.sub(r"[0-9a-f]{8}-[0-9a-f-]{27}", "KEY", text))[:160]


def test_the_reading_finds_english():
    assert left_in("<p>Wait for the decision of a person</p>") == {"Wait for the decision of a person"}
    assert left_in('<a title="Change its priority">Dringlichkeit</a>') == {"Change its priority"}
    assert left_in("<p>Warten Sie auf die Entscheidung einer Person</p><code>not_found whether</code>") == set()


@pytest.mark.full
@pytest.mark.usefixtures("inline_pool", "hints")
def test_a_german_reader_meets_no_english_of_ours(world):
    HostileAgent(world).says("zq")
    for client in world.clients.values():
        client.cookies[settings.LANGUAGE_COOKIE_NAME] = LANGUAGE
    known = {line for line in LEFT.read_text().splitlines() if not line.startswith("#")}
    found: dict[str, str] = {}
    for page in pages(world, READERS):
        if page.is_html and not page.pattern.startswith(DOCUMENTS):
            found |= dict.fromkeys(map(shape, left_in(page.text)), page.pattern)
    new = sorted(found.keys() - known)
    assert not new, "say these in German too:\n" + "\n".join(f"{text}  ({found[text]})" for text in new)
    assert known <= found.keys(), "these are said in German by now: take them out of the list"
