"""The words every room shares: who acts (Actor), what a fact is about (Ref), how a rule says no (Refusal)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class ActorKind(StrEnum):
    """What kind of party did something."""

    PERSON = "person"
    AGENT = "agent"
    SYSTEM = "system"


@dataclass(frozen=True, slots=True)
class Actor:
    """Who does something: kind, stable id (a User's UUID as text, or a process name) and the name as it was."""

    kind: ActorKind
    id: str
    label: str

    @classmethod
    def system(cls, name: str) -> Actor:
        """Return the actor for a process of the portal itself, e.g. ``Actor.system("sequencer")``."""
        return cls(ActorKind.SYSTEM, name, name)


@dataclass(frozen=True, slots=True)
class Ref:
    """What a fact is about: kind (``app_label.model``), id and the label as it was at that moment."""

    kind: str
    id: str
    label: str = ""


class RefusalKind(StrEnum):
    """Why something was refused, as coarse as a boundary needs it (the API maps it to HTTP)."""

    INVALID = "invalid"  # 422
    UNAUTHENTICATED = "unauthenticated"  # 401
    FORBIDDEN = "forbidden"  # 403
    NOT_FOUND = "not_found"  # 404
    CONFLICT = "conflict"  # 409
    TOO_LARGE = "too_large"  # 413
    LIMITED = "limited"  # 429
    UNAVAILABLE = "unavailable"  # 503


@dataclass(eq=False)
class Refusal(Exception):
    """A rule said no. ``message`` says what was refused, why, and what to do next; ``code`` is stable.

    ``next_step`` names the legal next move in words; ``detail`` is JSON for machines.
    """

    code: str
    message: str
    detail: Mapping[str, Any] = field(default_factory=dict)
    kind: RefusalKind = RefusalKind.FORBIDDEN
    next_step: str = ""
    recorded: bool = field(default=False, init=False)  # whether the ledger holds it already

    def in_full(self) -> str:
        """Return the message with the next move, unless it names that already."""
        if self.next_step and self.next_step not in self.message:
            return f"{self.message} {self.next_step}"
        return self.message

    def __str__(self) -> str:
        return self.message
