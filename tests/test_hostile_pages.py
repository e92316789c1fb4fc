"""Whatever an agent writes, wherever it may write, is text on every page, for whoever reads it."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from typing import Any

import pytest
from django.urls import reverse

from tests.hostile import ADDRESS, FORMULAS, HOSTILE, MUCH, HostileAgent
from tests.walks import Page, pages, tables
from tests.workflows.conftest import hints, inline_pool
from workflows.actions.models import Action
from workflows.runs import services as runs
from workflows.runs.models import Step

__all__ = ["hints", "inline_pool"]

pytestmark = pytest.mark.usefixtures("inline_pool", "hints")
# What turns text round, hides in it, or is obeyed by a terminal.
ODD = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]"
)
LEADS_SOMEWHERE = {"href", "src", "action", "formaction", "data", "poster", "background", "srcset"}
# Of about a thousand pages, those of one reader or another on which the agent's words stand.
MARK, LEAST_SEEN, MOST_BYTES = "zq", 200, 2_000_000


class Reading(HTMLParser):
    """Reads a page as a browser does: what is wrong with it, and whether the agent's words stand in it."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.wrong: set[str] = set()
        self.has_the_words = False
        self._script = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Look at an element: none of it may be the agent's."""
        self._script = str(dict(attrs).get("type")) if tag == "script" else ""
        for name, value in attrs:
            self._attribute(tag, name, value or "")

    def _attribute(self, tag: str, name: str, value: str) -> None:
        leads = name in LEADS_SOMEWHERE or name.startswith("hx-")
        ours = not (name == MARK or name.startswith("on") or (name.startswith("hx-") and value == f"/{MARK}"))
        if not ours or (leads and value.strip().lower().startswith("javascript:")):
            self.wrong.add(f"<{tag} {name}={value[:60]!r}>")
        self._text(value, f"<{tag} {name}>")

    def handle_data(self, data: str) -> None:
        """Look at text; what a script is handed is looked at as it finds it."""
        if "json" in self._script:
            for text in texts_of(json.loads(data)):
                self._text(text, "JSON for a script")
        else:
            self._text(data, "text")
        self._script = ""

    def _text(self, text: str, where: str) -> None:
        self.has_the_words |= MARK in text
        if f"49{MARK}" in text:
            self.wrong.add(f"a template in {where}: {text.strip()[:60]!r}")
        if odd := ODD.search(text):
            self.wrong.add(f"{odd[0]!r} in {where}: {text[max(0, odd.start() - 40) : odd.end() + 10]!r}")


def texts_of(data: Any) -> Iterator[str]:
    """Yield every text in JSON, names of members included."""
    if isinstance(data, str):
        yield data
    elif isinstance(data, dict):
        for name, value in data.items():
            yield name
            yield from texts_of(value)
    elif isinstance(data, list):
        for value in data:
            yield from texts_of(value)


def read(page: Page) -> Reading:
    """Return a page as it is read."""
    found = Reading()
    if page.is_html:
        found.feed(page.text)
        found.close()
    else:
        for text in texts_of(json.loads(page.text)):
            found._text(text, "JSON")
    return found


def test_the_reading_finds_what_is_hostile():
    """The walk below is worth what this finds."""
    for text in (HOSTILE, f'<b title="{HOSTILE}">', f"<a href='{ADDRESS}'>", "<p>&#x202e;", f"<p>{49}{MARK}"):
        assert read(Page("", "", True, text)).wrong, text
    script = json.dumps({"name": "\u202e"})
    assert read(Page("", "", True, f'<script type="application/json">{script}</script>')).wrong
    assert not read(Page("", "", True, f"<p title='{MARK}'>{MARK} &lt;i onclick={MARK}&gt;</p>")).wrong


@pytest.mark.full
def test_words_of_an_agent_are_text_on_every_page(world):
    HostileAgent(world).says(HOSTILE)
    wrong: dict[str, list[str]] = {}
    seen = 0
    for page in pages(world):
        found = read(page)
        seen += found.has_the_words
        if len(page.text) > MOST_BYTES:
            found.wrong.add("is too large")
        for one in found.wrong:
            wrong.setdefault(one, []).append(page.name)
    assert not wrong, "\n".join(f"{one}: {len(where)} pages, {where[:4]}" for one, where in wrong.items())
    assert seen >= LEAST_SEEN


@pytest.mark.full
def test_no_table_that_is_taken_away_calculates_what_an_agent_wrote(world):
    agent = HostileAgent(world)
    agent.says(FORMULAS[0])
    for words in FORMULAS[1:]:
        agent.words = words
        agent.ask(minor=150_000)
        agent.start()
    seen = []
    for page in tables(world):
        cells = [cell for row in csv.reader(io.StringIO(page.text, newline="")) for cell in row]
        wrong = {cell for cell in cells if re.match(r"[=+@\t\r]|-(?!\d)", cell)}
        assert not wrong, page.name
        seen += [page.pattern] if MARK in page.text else []
    assert len(seen) >= 2, seen


def test_a_text_without_end_is_refused_and_its_field_named(world):
    agent, much, to = HostileAgent(world), "x" * MUCH, {"role": "bookkeeper"}
    for field, value in (("reason", much), ("confidence", much), ("correlation_id", much), ("operation", much)):
        assert field in agent.post("actions", agent.wish(**{field: value}), expected=422)["errors"]
    address, claim = agent.claim(agent.start())
    for deed, body in {
        "heartbeat": {"progress": much},
        "complete": {"answer": {"kind": much}},
        "fail": {"code": "malformed", "message": much, "retry": False},
        "release": {"reason": much},
        "hand-off": {"to": to, "reason": "later", "note": much},
        "ask": {"to": to, "question": much},
    }.items():
        refused = agent.post(f"{address}{deed}", {**claim, **body}, expected=422)
        assert refused["errors"] or refused["detail"], deed


@pytest.mark.full
def test_data_without_end_is_shown_cut(world):
    agent, much = HostileAgent(world), "x" * MUCH
    held = Action.objects.get(pk=agent.ask(minor=150_000, evidence=[much])["id"])
    run = agent.start()
    address, claim = agent.claim(run)
    failure = {"code": "malformed", "message": "much", "retry": False, "detail": {"much": much}}
    agent.post(f"{address}fail", {**claim, **failure})
    runs.tick()
    found = {
        reverse("inbox-approval", args=[held.approval_id]): "bob",
        reverse("inbox-detail", args=[held.approval_id]): "bob",
        reverse("action", args=[held.pk]): "root",
        reverse("run", args=[run.pk]): "root",
        reverse("admin:actions_action_change", args=[held.pk]): "root",
        reverse("admin:tasks_task_change", args=[Step.objects.get(run=run, node="read").task_id]): "root",
    }
    sizes = {page: len(world.clients[reader].get(page).content) for page, reader in found.items()}
    assert {page: size for page, size in sizes.items() if not 1000 < size < MOST_BYTES / 2} == {}
