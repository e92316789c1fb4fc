"""A mail in its reader's language: its subject, and the same facts as plain text and as HTML (templates/mail/).

Pure: the same things for the same reader are the same letter.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, tzinfo

from django.template.loader import render_to_string
from django.utils import timezone, translation

from workflows.notices.policies.letters import Item, Later, inert, one_line

MOST_SUBJECT = 150
# Of a label, in the subject: who asks and how much stand behind it.
MOST_IN_SUBJECT, MOST_NAME = 90, 40
# How a fact is said: as others gave it, in quotation marks, by the portal, or as a time.
WORDS, QUOTED, SAID, MOMENT = "words", "quoted", "said", "moment"
_GAPS = re.compile(r"\n\s*\n\s*\n+")
# The line above the foot, by which programs know it, ends with a blank.
_ENDS = re.compile(r"(?<!^--)[ \t]+$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Reader:
    """Who reads it: their language, and their time zone (None: that of the installation)."""

    language: str
    zone: tzinfo | None = None


@dataclass(frozen=True, slots=True)
class Letter:
    """What is sent: a subject of one line, and two forms of the same."""

    subject: str
    text: str
    html: str


@dataclass(frozen=True, slots=True)
class Fact:
    """One line about something; what the portal says itself is a word and what belongs to it."""

    name: str
    value: str | tuple[str, ...] | datetime
    how: str = WORDS


@dataclass(frozen=True, slots=True)
class Told:
    """One thing as a template says it: every word of others is one line, harmless and not too long."""

    kind: str
    label: str
    who: str
    deed: str
    amount: str
    since: str
    link: str
    facts: tuple[Fact, ...]
    later: tuple[Later, ...]
    is_reminder: bool
    is_decision: bool
    is_grave: bool
    hides: bool


def letter_of(items: Sequence[Item], reader: Reader, *, inbox: str, settings: str, more: int = 0) -> Letter:
    """Return the mail about these things, and ``more`` that are only counted.

    ``inbox`` and ``settings`` are full addresses of pages.
    """
    told = [told_of(item) for item in items]
    count = len(told) + more
    context = {
        "items": told,
        "item": told[0],
        "count": count,
        "more": more,
        "inbox": inbox,
        "settings": settings,
        "link": told[0].link if count == 1 else inbox,
    }
    alone = "mail/decision" if told[0].is_decision else "mail/work"
    name = alone if count == 1 else "mail/several"
    with translation.override(reader.language), timezone.override(reader.zone):
        context["subject"] = subject = one_line(render_to_string("mail/subject.txt", context), MOST_SUBJECT)
        text = _tidy(render_to_string(f"{name}.txt", context))
        return Letter(subject, text, render_to_string(f"{name}.html", context))


def told_of(item: Item) -> Told:
    """Return one thing as templates say it."""
    return Told(
        kind=item.kind,
        label=inert(item.what, MOST_IN_SUBJECT),
        who=inert(item.asked_by, MOST_NAME),
        deed=inert(item.deed),
        amount=inert(item.amount),
        since=inert(item.since),
        link=item.link,
        facts=tuple(facts_of(item)),
        later=tuple(Later(one.then, one.at, inert(one.whom)) for one in item.later),
        is_reminder=item.is_reminder,
        is_decision=item.is_decision,
        is_grave=item.is_grave,
        hides=item.hides,
    )


def facts_of(item: Item) -> Iterator[Fact]:
    """Yield what is known, in the order it is weighed: what for, how much, where, who asks, how grave, when."""
    asks = item.is_decision or item.is_of_agent
    if item.deed:
        yield Fact("What for", inert(item.deed))
    if item.hides:
        yield Fact("Details", ("A rule hides them.",), SAID)
    else:
        name = "In the agent's words, unchecked" if item.is_of_agent else "About"
        yield Fact(name, inert(item.what), QUOTED)
    if item.amount:
        yield Fact("Amount", (inert(item.amount),), SAID)
    if item.system:
        yield Fact("System", inert(item.system))
    if item.asked_by:
        yield Fact("Asked by" if asks else "Agent", inert(item.asked_by))
    if item.sponsor:
        yield Fact("Its sponsor", inert(item.sponsor))
    if item.risk:
        yield Fact("How grave", item.risk, SAID)
    if item.until:
        yield Fact("Until", item.until, MOMENT)


def _tidy(text: str) -> str:
    """Return a text without blanks at the ends of its lines and without more than one empty line."""
    return _GAPS.sub("\n\n", _ENDS.sub("", text)).strip() + "\n"
