"""Events of the ledger as lines that people read."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.urls import NoReverseMatch, reverse

from workflows.pages.words import look_of


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


def line_of(event: Any) -> Line:
    """Return one event as a line."""
    icon, tone = look_of(event.verb, event.decision)
    return Line(
        position=event.position,
        at=event.occurred_at,
        icon=icon,
        tone=tone,
        who=event.actor_label,
        sentence=event.sentence,
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


def lines_of(events: Iterable[Any]) -> list[Line]:
    """Return events as lines, in the same order."""
    return [line_of(event) for event in events]
