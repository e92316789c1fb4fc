"""Events of the ledger as lines that people read."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.urls import NoReverseMatch, reverse

from audit import reading
from audit.vocabulary import ActorKind
from workflows.pages.words import look_of

MOST_OF_A_HISTORY = 100


@dataclass(frozen=True, slots=True)
class Line:
    """One event as a line of a feed. Sentence, reason and who are text that others wrote: never markup."""

    position: int | None
    at: datetime
    icon: str
    tone: str
    who: str
    sentence: str
    reason: str
    link: str


# What the portal's own processes are called where people read.
PROCESSES = {
    "engine": "The workflow",
    "sweeper": "The clock",
    "containment": "The stop",
    "breaker": "The watch over systems",
    "reconciliation": "The look-up in the system",
    "portal": "The portal",
}


def who_of(label: str) -> str:
    """Return a process of the portal in plain words, e.g. ``The clock`` or ``Folder invoices``."""
    return PROCESSES.get(label, f"{label[:1].upper()}{label[1:]}")


def line_of(event: Any) -> Line:
    """Return one event as a line."""
    icon, tone = look_of(event.verb, event.decision)
    return Line(
        position=event.position,
        at=event.occurred_at,
        icon=icon,
        tone=tone,
        who=who_of(event.actor_label) if event.actor_kind == ActorKind.SYSTEM else event.actor_label,
        sentence=f"{event.told[:1].upper()}{event.told[1:]}",
        reason=event.reason,
        link=_link(event),
    )


def _link(event: Any) -> str:
    """Return the page of what an event is about: its action, else its run."""
    if event.action_id:
        return reverse("action", args=[event.action_id])
    with suppress(NoReverseMatch):
        return reverse("run", args=[event.run_id]) if event.run_id else ""
    return ""


def history_of(kind: str, key: Any, user: Any) -> list[Line]:
    """Return the newest lines of an object's story, in the order of the ledger."""
    return lines_of(reading.in_order(reading.timeline(kind, str(key), user, size=MOST_OF_A_HISTORY).events))


def lines_of(events: Iterable[Any]) -> list[Line]:
    """Return events as lines, in the same order."""
    return [line_of(event) for event in events]
