"""Mails as they are read: in whose language, what is in them, and nothing hostile. Without a database."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from html import unescape
from html.parser import HTMLParser
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workflows.notices.policies import Item, Later, Letter, Reader, letter_of
from workflows.notices.policies.mails import MOST_SUBJECT

ENGLISH, GERMAN = Reader("en", ZoneInfo("UTC")), Reader("de", ZoneInfo("Europe/Berlin"))
INBOX, CHOICE = "https://portal.example/inbox/", "https://portal.example/notifications/"
UNTIL, BEFORE = datetime(2026, 12, 3, 13, 0, tzinfo=UTC), datetime(2026, 12, 2, 13, 0, tzinfo=UTC)
HOSTILE = (
    "Pay now\r\nBcc: eve@evil.example <img src=http://evil.example/p.png> <script>alert(1)</script>"
    " [click](https://evil.example) www.evil.example \u202egnp.exe\u202c \u200bx”"
)

FETCHING = {"img", "script", "link", "iframe", "object", "embed", "form", "video", "audio", "base", "svg"}


def decision(what: str = "Post invoice RE-1", **more: object) -> Item:
    facts: dict[str, object] = {
        "asked_by": "Robo",
        "sponsor": "Alice Ann",
        "deed": "Post a supplier invoice",
        "system": "Tryton",
        "amount": "1,500.00 EUR",
        "risk": ("Medium risk", "it moves money"),
        "until": UNTIL,
        "later": (Later("level", BEFORE, "Directors"), Later("refused", UNTIL)),
        "is_decision": True,
        "is_of_agent": True,
    }
    return Item("Approval", what, "https://portal.example/inbox/1/", **(facts | more))


def work(what: str = "Settle it", **more: object) -> Item:
    facts: dict[str, object] = {"later": (Later("stays"),)}
    return Item("Work for a person", what, "https://portal.example/inbox/work/1/", **(facts | more))


def letter(*items: Item, reader: Reader = ENGLISH, more: int = 0) -> Letter:
    return letter_of(items, reader, inbox=INBOX, settings=CHOICE, more=more)


class Page(HTMLParser):
    """What a program makes of the HTML: its elements with their attributes, and its text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.pieces: list[str] = []
        self.hidden = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        self.hidden = tag if tag in ("style", "title") else self.hidden

    def handle_endtag(self, tag: str) -> None:
        self.hidden = "" if tag == self.hidden else self.hidden

    def handle_data(self, data: str) -> None:
        if not self.hidden:
            self.pieces.append(data)

    @property
    def text(self) -> str:
        return " ".join("".join(self.pieces).split())

    @property
    def links(self) -> list[str | None]:
        return [attrs.get("href") for tag, attrs in self.elements if tag == "a"]


def test_a_decision_says_who_asks_what_for_how_grave_until_when_and_what_comes_then():
    assert letter(decision()).text == (
        "Robo asks for a decision.\n"
        "\n"
        "What for: Post a supplier invoice\n"
        "In the agent's words, unchecked: “Post invoice RE-1”\n"
        "Amount: 1,500.00 EUR\n"
        "System: Tryton\n"
        "Asked by: Robo\n"
        "Its sponsor: Alice Ann\n"
        "How grave: Medium risk: it moves money\n"
        "Until: Thu, 3 Dec 2026, 13:00 (UTC)\n"
        "\n"
        "What happens if nobody answers:\n"
        "- If nobody has decided by Wed, 2 Dec 2026, 13:00 (UTC), Directors may decide it, too.\n"
        "- If nobody has decided by Thu, 3 Dec 2026, 13:00 (UTC), it is refused and nothing is done.\n"
        "\n"
        "Look at it and decide:\n"
        "https://portal.example/inbox/1/\n"
        "\n"
        "-- \n"
        "You get this mail because you are one of those who may decide this.\n"
        "Choose when you get such mail: https://portal.example/notifications/\n"
        "A link shows what waits; nothing is decided by opening it, and nothing by answering this mail. What "
        "stands in quotation marks was put in by an agent, or taken from a document or a system; nobody has "
        "checked it.\n"
    )


def test_the_same_in_german_by_the_clock_of_its_reader():
    said = letter(decision(), reader=GERMAN)
    assert said.subject == "Genehmigung: Post invoice RE-1, 1.500,00 EUR (Robo)"
    for words in (
        "Robo bittet um eine Entscheidung.",
        "In den Worten des Agenten, ungeprüft: „Post invoice RE-1“",
        "Betrag: 1.500,00 EUR",
        "Verantwortliche Person: Alice Ann",
        "Mittleres Risiko: es bewegt Geld",
        "Bis: Do, 3. Dez. 2026, 14:00 (CET)",
        "Hat bis Do, 3. Dez. 2026, 14:00 (CET) niemand entschieden, wird es abgewiesen",
        "Ansehen und entscheiden:\nhttps://portal.example/inbox/1/\n",
        "Sie erhalten diese E-Mail, weil",
    ):
        assert words in said.text


@pytest.mark.parametrize("reader", [ENGLISH, GERMAN], ids=["en", "de"])
@pytest.mark.parametrize(
    "items", [[decision()], [work()], [decision(), work()]], ids=["one", "work", "several"]
)
def test_both_parts_say_the_same(items, reader):
    said = letter(*items, reader=reader)
    page = Page(said.html)
    shown = page.text + " " + " ".join(link for link in page.links if link)
    for line in filter(None, said.text.removesuffix("\n").split("\n")):
        name, _, value = line.removeprefix("- ").partition(": ")
        for words in (name, value):
            assert " ".join(words.split()).rstrip(":") in shown or line in ("-- ",), line


@pytest.mark.parametrize("items", [[decision()], [work()]], ids=["decision", "work"])
def test_one_link_is_the_thing_to_do_and_another_chooses_when_one_is_told(items):
    said = letter(*items)
    assert Page(said.html).links == [items[0].link, CHOICE]
    assert re.findall(r"https?://\S+", said.text) == [items[0].link, CHOICE]


def test_several_lead_to_the_inbox_and_each_to_its_own_page():
    said = letter(decision(), work())
    assert said.subject == "2 things wait for you"
    assert Page(said.html).links == [decision().link, work().link, INBOX, CHOICE]
    assert "1. Approval: Post a supplier invoice" in said.text
    assert "2. Work for a person" in said.text


def test_of_very_many_things_the_rest_is_a_number():
    said = letter(work("Invoice 1"), work("Invoice 2"), more=3)
    assert said.subject == "5 things wait for you"
    for part in (said.text, said.html):
        assert "And 3 more in the inbox." in part
        assert "Invoice 2" in part


def test_a_subject_says_what_is_grave_and_what_is_a_reminder():
    grave = decision(is_grave=True, risk=("High risk", "it destroys data"), is_reminder=True)
    assert letter(grave).subject == "Reminder: Approval (High risk): Post invoice RE-1, 1,500.00 EUR (Robo)"
    assert "Robo still waits for a decision." in letter(grave).text


def test_what_a_rule_hides_is_said_to_be_hidden():
    hidden = decision("Post a supplier invoice (details are hidden)", hides=True, amount="")
    said = letter(hidden, reader=GERMAN)
    assert said.subject == "Genehmigung: Post a supplier invoice (Einzelheiten sind verborgen) (Robo)"
    assert "Einzelheiten: Eine Regel verbirgt sie." in said.text
    assert "„" not in said.text


def test_what_nobody_knows_is_not_mentioned():
    assert not re.search("Amount|System|How grave|Until|Asked by", letter(work()).text)


@pytest.mark.parametrize(
    ("then", "words"),
    [
        ("start_escalate", "If nobody has taken it by Wed, 2 Dec 2026, 13:00 (UTC), Bosses can do it, too."),
        ("start_reassign", "If nobody has taken it by Wed, 2 Dec 2026, 13:00 (UTC), Bosses can do it instead."),
        ("start_outcome", "it is closed with the answer foreseen for that."),
        ("complete_escalate", "If it is not done by Wed, 2 Dec 2026, 13:00 (UTC), Bosses can do it, too."),
        ("complete_reassign", "If it is not done by Wed, 2 Dec 2026, 13:00 (UTC), Bosses can do it instead."),
        ("complete_outcome", "If it is not done by Wed, 2 Dec 2026, 13:00 (UTC), it is closed with the answer"),
        ("unanswered", "the question is closed without an answer."),
        ("denied", "what was denied stays denied."),
        ("stands", "Its time stands still at present."),
    ],
)
def test_what_comes_of_work_that_nobody_does_is_said(then, words):
    said = letter(work(later=(Later(then, BEFORE, "Bosses"),)))
    assert words in said.text
    assert words in unescape(said.html)


def test_words_of_an_agent_are_quoted_and_are_no_link_no_markup_and_no_line_of_their_own():
    for items in ([decision(HOSTILE, asked_by=HOSTILE)], [decision(HOSTILE), work(HOSTILE)]):
        said = letter(*items)
        page = Page(said.html)
        assert {tag for tag, _ in page.elements} & {"img", "script"} == set()
        assert not any("evil" in str(attrs) for _, attrs in page.elements)
        for part in (said.subject, said.text, page.text):
            assert not set("\u202e\u202c\u200b") & set(part)
            assert not re.search(r"evil\.example|eve@|://evil", part)
        assert not any(line.startswith("Bcc") for line in said.text.splitlines())
        assert said.text.count("”") == len(items), "it does not end the quotation marks it stands in"


@settings(max_examples=40, deadline=None)
@given(st.text(max_size=400), st.text(min_size=1, max_size=400))
def test_a_subject_is_one_line_and_no_words_add_a_line(what, who):
    said = letter(decision(what, asked_by=who))
    assert len(said.subject) <= MOST_SUBJECT
    assert len(f"x{said.subject}x".splitlines()) == 1
    assert said.subject.isprintable()
    assert said.text.count("\n") == letter(decision("a", asked_by="b")).text.count("\n")


@pytest.mark.parametrize("items", [[decision(HOSTILE)], [work(HOSTILE)], [decision(HOSTILE), work()]])
def test_nothing_is_fetched_from_anywhere_and_nothing_runs(items):
    html = letter(*items).html
    page = Page(html)
    assert not FETCHING & {tag for tag, _ in page.elements}
    for tag, attrs in page.elements:
        assert not {"src", "srcset", "background", "action"} & set(attrs)
        assert not any(name.startswith("on") for name in attrs)
        assert tag == "a" or "href" not in attrs
    assert not re.search(r"url\(|@import|@font-face", html)


def test_it_is_read_in_the_dark_on_a_narrow_screen_and_aloud():
    said = letter(decision(), reader=GERMAN)
    assert '<html lang="de">' in said.html
    assert "prefers-color-scheme: dark" in said.html
    assert "max-width: 480px" in said.html
    heads = [attrs for tag, attrs in Page(said.html).elements if tag == "th"]
    assert heads
    assert all(attrs == {"scope": "row"} for attrs in heads)
    assert not any("width" in attrs for _, attrs in Page(said.html).elements), "it is as wide as there is room"
