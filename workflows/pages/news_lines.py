"""News as lines that lead to what they are about, also where that is no action and no run."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any
from uuid import UUID

from django.urls import reverse

from workflows.pages.lines import Line, line_of

# Where an object is looked at, by the kind that its events name.
PLACES = {
    "agents.agent": "agent-life",
    "agents.policy": "policy",
    "agents.rule": "admin:agents_rule_change",
    "agents.measure": "admin:agents_measure_change",
    "agents.throttle": "admin:agents_throttle_change",
    "agents.stop": "admin:agents_stop_change",
    "agents.changerequest": "admin:agents_changerequest_change",
    "connectors.system": "admin:connectors_system_change",
}
GONE = ("_removed", "_deleted")


def news_lines(events: Iterable[Any]) -> list[Line]:
    """Return events as lines, in the same order; what was removed leads nowhere."""
    return [_led(line_of(event), event) for event in events]


def _led(line: Line, event: Any) -> Line:
    return line if line.link else replace(line, link=_place(event))


def _place(event: Any) -> str:
    if event.verb.endswith(GONE):
        return ""
    name = PLACES.get(event.subject_kind, "")
    if name and (key := _key(event.subject_id)):
        return reverse(name, args=[key])
    key = _key(event.agent_id)
    return reverse("agent-life", args=[key]) if key else ""


def _key(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None
