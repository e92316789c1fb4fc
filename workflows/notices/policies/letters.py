"""The words of a mail and of a message: plain text, and a link that shows and decides nothing. Pure."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

MOST_LABEL = 200
MOST_SHOWN = 50
# A dot between a letter or digit and letters: most programs make a link of what looks like a domain.
_DOMAIN = re.compile(r"(?<=[^\W_])\.(?=[^\W\d_]{2})")
_INERT = str.maketrans({"<": "‹", ">": "›", "@": "＠", "`": "ʼ"})


@dataclass(frozen=True, slots=True)
class Item:
    """One thing that waits. ``what`` is a label, the one text an agent may have put something into."""

    kind: str
    what: str
    link: str
    asked_by: str = ""
    amount: str = ""
    until: str = ""
    is_reminder: bool = False


def one_line(text: str, most: int = MOST_LABEL) -> str:
    """Return a text as one line without characters that end it, hide in it or turn it round.

    So no label begins a header, a line or a link of its own.
    """
    plain = "".join(" " if unicodedata.category(char) in ("Zl", "Zp", "Cc") else char for char in text)
    words = " ".join("".join(char for char in plain if unicodedata.category(char)[0] != "C").split())
    return words if len(words) <= most else words[: most - 1].rstrip() + "…"


def inert(text: str) -> str:
    """Return a label as one line that no mail program and no chat makes a link, a mention or markup of."""
    plain = one_line(text).replace("://", ": //").replace("](", "] (").translate(_INERT)
    return _DOMAIN.sub(" .", plain)


def subject_of(items: Sequence[Item]) -> str:
    """Return the subject of a mail: what waits, or how much of it."""
    if len(items) == 1:
        return one_line(
            f"{'Reminder: ' if items[0].is_reminder else ''}{items[0].kind}: {inert(items[0].what)}", 150
        )
    return f"{len(items)} things wait for you"


def body_of(items: Sequence[Item], *, inbox: str, settings: str) -> str:
    """Return the text of a mail about these things; ``inbox`` and ``settings`` are addresses of pages."""
    parts = ["\n".join(_facts(item)) for item in items[:MOST_SHOWN]]
    if (more := len(items) - MOST_SHOWN) > 0:
        parts.append(f"And {more} more: {inbox}")
    foot = (
        "A link shows what waits; nothing is decided by opening it, and nothing by answering this mail.\n"
        f"When you get such mail is up to you: {settings}"
    )
    return "\n\n".join([*parts, f"-- \n{foot}"]) + "\n"


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
    facts = (("Asked by", item.asked_by), ("Amount", item.amount), ("Until", item.until))
    told = [f"{name}: {inert(value)}" for name, value in facts if value]
    return [head, *told, item.link]
