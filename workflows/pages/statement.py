"""What an agent says about its own request: shown as its words, and nothing here decides anything."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from workflows.actions.models import Action
from workflows.pages.words import (
    Fact,
    humanize,
    lower_first,
)


@dataclass(frozen=True, slots=True)
class Statement:
    """What the agent says about itself. Shown as its words; nothing here decides anything."""

    reason: str = ""
    confidence: str = ""
    evidence: list[str] = field(default_factory=list)
    provenance: list[Fact] = field(default_factory=list)


def statement_of(action: Action) -> Statement | None:
    """Return what the agent said about its own request, or None when it said nothing."""
    if not (action.reason or action.evidence or action.confidence or action.provenance):
        return None
    return Statement(
        reason=action.reason,
        confidence=str(action.confidence),
        evidence=[_evidence(item) for item in action.evidence],
        provenance=[
            Fact(humanize(str(key).removeprefix("args.")), str(value))
            for key, value in action.provenance.items()
        ],
    )


def _evidence(item: Any) -> str:
    if isinstance(item, Mapping):
        return ", ".join(f"{lower_first(humanize(str(key)))}: {value}" for key, value in item.items())
    return str(item)
