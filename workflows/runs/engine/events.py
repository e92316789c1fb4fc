"""What happens to a run: news of its work, and what an operator asks for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from workflows.runs.engine.definition import Definition


@dataclass(frozen=True, slots=True)
class Started:
    """The run begins."""


@dataclass(frozen=True, slots=True)
class Begun:
    """A ready step of a kind that nobody does (branch, parallel, map, join, compensate, end) has its turn."""


@dataclass(frozen=True, slots=True)
class Closed:
    """The work of the step is done, with this answer. Of a timer: its time has come."""

    answer: Any = None


@dataclass(frozen=True, slots=True)
class Failed:
    """An attempt failed. ``is_infra``: what carries the work did. ``jitter``: a number drawn from [0, 1)."""

    code: str
    message: str
    retryable: bool = True
    is_infra: bool = False
    jitter: float = 0.0


@dataclass(frozen=True, slots=True)
class Down:
    """The system the step needs cannot be reached."""

    message: str = "The system cannot be reached."


@dataclass(frozen=True, slots=True)
class Late:
    """A deadline has passed: of a person's step ``start`` or ``complete``, of a wait its time-out."""

    deadline: str = "complete"


@dataclass(frozen=True, slots=True)
class Signalled:
    """A signal with the name the step waits for has come."""

    payload: Any = None


@dataclass(frozen=True, slots=True)
class Undone:
    """Undoing ``target`` has ended. The step of the view: whom it was done for; an operator: the target."""

    target: str
    ok: bool
    message: str = ""


@dataclass(frozen=True, slots=True)
class Skip:
    """Go on as if an open or parked step were done, with this answer."""

    answer: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Override:
    """Set the answer of a step: an open or parked one goes on with it, a closed one is corrected."""

    answer: Any


@dataclass(frozen=True, slots=True)
class RetryStep:
    """Do a parked step again, as a new generation. An operation that was done is not: only what follows it."""


@dataclass(frozen=True, slots=True)
class Rerun:
    """Do a step and all that follows again, as new generations; in a frame only that branch or item."""


@dataclass(frozen=True, slots=True)
class CancelRun:
    """End the run; what was done stays done."""


@dataclass(frozen=True, slots=True)
class Compensate:
    """Undo everything that was completed, newest first, and end the run."""


@dataclass(frozen=True, slots=True)
class Migrated:
    """Let the run follow another version. ``nodes``: which new node an old one becomes, if not its namesake."""

    to: Definition
    nodes: Mapping[str, str] = field(default_factory=dict)


Event = (
    Started | Begun | Closed | Failed | Down | Late | Signalled | Undone
    | Skip | Override | RetryStep | Rerun | CancelRun | Compensate | Migrated
)  # fmt: skip
