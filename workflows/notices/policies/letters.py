"""What is told of one thing that waits, others' words made harmless, and messages to programs. Pure."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.utils import timezone
from django.utils.formats import date_format

MOST_LABEL = 200
# A dot between a letter or digit and letters: most programs make a link of what looks like a domain.
_DOMAIN = re.compile(
    r"(?<=[^\W_])[.\u3002\uff0e\uff61](?=[^\W\d_]{2})|(?<=www)[.\u3002\uff0e\uff61]", re.IGNORECASE
)
# Nor does a label end the quotation marks it stands in.
_INERT = str.maketrans({"<": "‹", ">": "›", "@": "＠", "`": "ʼ", "“": '"', "”": '"', "„": '"', "‟": '"'})
# Letters and signs that show nothing, though they are neither blanks nor control characters.
_BLANK = "\u115f\u1160\u2800\u3164\uffa0"


@dataclass(frozen=True, slots=True)
class Later:
    """What comes when nobody has answered. ``then``: a word of templates/mail/later.txt; ``at``: after which
    time, None where it has none; ``whom``: who is asked then."""

    then: str
    at: datetime | None = None
    whom: str = ""


@dataclass(frozen=True, slots=True)
class Item:
    """One thing that waits. ``what`` is a label, the one text an agent may have put something into.

    ``asked_by`` asks for it, or is the agent it is about, for which ``sponsor`` answers; ``deed`` is the
    operation in words; ``risk`` is one word and then its reasons; ``since`` is whom else is asked because
    nobody decided in time. ``hides``: a rule hides what it is about, and ``what`` is the operation only.
    """

    kind: str
    what: str
    link: str
    asked_by: str = ""
    amount: str = ""
    until: datetime | None = None
    is_reminder: bool = False
    is_decision: bool = False
    is_of_agent: bool = False
    sponsor: str = ""
    deed: str = ""
    system: str = ""
    risk: tuple[str, ...] = ()
    is_grave: bool = False
    hides: bool = False
    since: str = ""
    later: tuple[Later, ...] = ()


def one_line(text: str, most: int = MOST_LABEL) -> str:
    """Return a text as one line without characters that end it, hide in it or turn it round.

    So no label begins a header, a line or a link of its own.
    """
    plain = "".join(" " if unicodedata.category(char) in ("Zl", "Zp", "Cc") else char for char in text)
    shown = (char for char in plain if unicodedata.category(char)[0] != "C" and char not in _BLANK)
    words = " ".join("".join(shown).split())
    return words if len(words) <= most else words[: most - 1].rstrip() + "…"


def inert(text: str, most: int = MOST_LABEL) -> str:
    """Return a label as one line that no mail program and no chat makes a link, a mention or markup of."""
    plain = one_line(text, most).replace("://", ": //").replace("](", "] (").translate(_INERT)
    return _DOMAIN.sub(" .", plain)


def message_of(item: Item, *, message_id: str, at: str) -> dict[str, Any]:
    """Return the body of a message to a chat system: ``text`` is what it shows, the rest is for programs."""
    return {
        "type": "task.reminded" if item.is_reminder else "task.waiting",
        "timestamp": at,
        "id": message_id,
        "kind": item.kind,
        "subject": one_line(item.what),
        "link": item.link,
        "text": "\n".join(_facts(item)),
    }


def outcome_of(*, message_id: str, at: str, label: str, link: str, data: Mapping[str, str]) -> dict[str, Any]:
    """Return the body of a message to an agent's own program; ``data`` is what the API says of the action."""
    return {
        "type": f"action.{data['state']}",
        "timestamp": at,
        "id": message_id,
        "kind": "Action",
        "subject": one_line(label),
        "link": link,
        "text": f"{inert(label)}: {data['state']}. {inert(one_line(data['sentence'], 500))}",
        "data": dict(data),
    }


_WORDS = {
    "task.offered": "Work is offered to you.",
    "task.paused": "The run of a task you have was paused. Finish what you have begun; nothing new begins.",
    "task.resumed": "The run of a task you have goes on.",
    "task.taken_back": "A task you had was taken back. What you still send for it is refused.",
    "task.cancelled": "A task you had is not needed any more.",
    "task.expired": "A task you had was not done in time.",
    "task.failed": "A task you had was closed as failed.",
    "task.done": "A task you had was done by somebody else.",
    "question.asked": "You are asked a question.",
    "appeal.answered": "A denial you contested was answered, or nobody did in time. Read the answer.",
    "question.answered": "A question you asked is closed. Read its answer.",
    "agent.activated": "You may start work.",
    "agent.instructed": "An operator says something to you. Read it, and say that you did.",
    "agent.finishing": "Take no new work and finish what you have. Then you are paused.",
    "agent.paused": "You are paused. Every call is refused until a person resumes you.",
    "agent.suspended": "You are suspended. Your access is closed until a person lifts it.",
    "agent.resumed": "Your brake is off. What was refused is not repeated by itself.",
    "agent.retired": "You have been retired. Your access is closed for good.",
    "agent.autonomy_set": "How freely you work was changed. Read your contract.",
    "agent.stopped": "A stop holds you. Read what it lets pass.",
    "agent.released": "A stop that held you was lifted. Ask again for what was refused.",
}


def agent_message(*, message_id: str, at: str, kind: str, link: str, data: Mapping[str, str]) -> dict[str, Any]:
    """Return the body of a message to an agent's own program about something else than an action.

    It holds identifiers, a state and a code, and no word that anybody wrote.
    """
    about = kind.partition(".")[0].capitalize()
    return {
        "type": kind,
        "timestamp": at,
        "id": message_id,
        "kind": about,
        "subject": about,
        "link": link,
        "text": _WORDS.get(kind, f"{about}: {data['state']}."),
        "data": dict(data),
    }


def test_message(*, message_id: str, at: str, name: str) -> Mapping[str, Any]:
    """Return the body of a message that only shows that the way is open."""
    return {
        "type": "test",
        "timestamp": at,
        "id": message_id,
        "kind": "Test",
        "subject": one_line(name),
        "link": "",
        "text": f"A test of the portal for {one_line(name)}. Nothing waits because of it.",
    }


test_message.__test__ = False  # type: ignore[attr-defined]


def _facts(item: Item) -> list[str]:
    head = f"{'Reminder. ' if item.is_reminder else ''}{item.kind}: {inert(item.what)}"
    facts = (("Asked by", item.asked_by), ("Amount", item.amount), ("Until", _moment(item.until)))
    told = [f"{name}: {inert(value)}" for name, value in facts if value]
    return [head, *told, item.link]


def _moment(at: datetime | None) -> str:
    """Return a time for a chat, which has many readers: by the clock of the installation."""
    if at is None:
        return ""
    here = timezone.localtime(at, timezone.get_default_timezone())
    return f"{date_format(here, 'DATETIME_FORMAT')} ({here.tzname()})"
