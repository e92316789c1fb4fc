"""What the machine asks the shell to write: plain data, in the order in which it has to be written.

Ids that begin with ``+`` are new in this plan: the shell gives them a key of its own and uses it wherever the
same id stands again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from workflows.runs.engine.views import Slot


@dataclass(frozen=True, slots=True)
class Make:
    """Write a new step. Ready: it is to be done, or ``Begun`` is told of it. Another state: it is over."""

    step: str
    node: str
    slot: Slot
    generation: int
    state: str
    answer: Any = None
    error: Mapping[str, Any] = field(default_factory=dict)
    priority: int | None = None
    joins: str = ""


@dataclass(frozen=True, slots=True)
class StartItems:
    """Write a ready step of ``node``, generation 1, for ``count`` items from ``first`` on, and count them."""

    frame: str
    node: str
    first: int
    count: int
    priority: int | None = None


@dataclass(frozen=True, slots=True)
class Close:
    """End a step. ``by_hand``: an operator did: what waits for it is withdrawn, and it is never undone."""

    step: str
    state: str
    answer: Any = None
    error: Mapping[str, Any] = field(default_factory=dict)
    by_hand: bool = False


@dataclass(frozen=True, slots=True)
class Reanswer:
    """Give a closed step another answer; what was is kept in the ledger, and nothing follows from it."""

    step: str
    answer: Any


@dataclass(frozen=True, slots=True)
class Again:
    """Do a step again after so many seconds, with these counts of failures."""

    step: str
    in_seconds: int
    attempts: int
    infra_attempts: int


@dataclass(frozen=True, slots=True)
class Hold:
    """Leave a step waiting until its system is back; with ``stop_clock`` its deadlines stand still."""

    step: str
    stop_clock: bool


@dataclass(frozen=True, slots=True)
class Escalate:
    """A deadline of a person's step has passed: escalate or reassign it to these groups."""

    step: str
    deadline: str
    then: str
    to: Sequence[str]


@dataclass(frozen=True, slots=True)
class OpenFrame:
    """Write a frame. ``dead``: branches that never begin. ``items``: of a map, by index."""

    frame: str
    opener: str
    node: str
    slot: Slot
    size: int
    started: int
    dead: Sequence[int] = ()
    items: Sequence[Any] = ()


@dataclass(frozen=True, slots=True)
class Arrived:
    """Count a branch or an item that has ended. ``how``: arrived, failed, or absorbed (after the join)."""

    frame: str
    index: int
    how: str
    value: Any = None


@dataclass(frozen=True, slots=True)
class Reopen:
    """Take back the arrival of a branch or an item: it is being done again."""

    frame: str
    index: int
    how: str


@dataclass(frozen=True, slots=True)
class FireFrame:
    """The join of a frame was passed; what is under way in it still comes to its end."""

    frame: str


@dataclass(frozen=True, slots=True)
class CloseFrame:
    """A frame is over: nothing in it begins or counts any more."""

    frame: str


@dataclass(frozen=True, slots=True)
class CancelOpen:
    """Cancel every open step, clear every incident and close every frame inside a slot.

    ``index`` None: of the whole frame; the frame itself is left to ``CloseFrame``. The root frame: of the whole
    run. ``but``: a step that stays. An undo under way comes to its end and is noted.
    """

    frame: str
    index: int | None = None
    but: str = ""


@dataclass(frozen=True, slots=True)
class Undo:
    """Begin to undo a completed step, by an action of its own. ``by``: the step it is done for, or ''."""

    step: str
    by: str


@dataclass(frozen=True, slots=True)
class MarkUndone:
    """Note what became of undoing a step: done, failed (it may be tried again) or given_up."""

    step: str
    how: str


@dataclass(frozen=True, slots=True)
class BeginCompensation:
    """The whole run is being undone; nothing else happens in it any more."""


@dataclass(frozen=True, slots=True)
class Park:
    """Let an operator look at a step: an incident. The rest of the run goes on."""

    step: str
    code: str
    why: str


@dataclass(frozen=True, slots=True)
class Unpark:
    """The incident of a step is settled."""

    step: str


@dataclass(frozen=True, slots=True)
class Label:
    """What the run is called from now on, for people."""

    text: str


@dataclass(frozen=True, slots=True)
class Rename:
    """The run follows another version: ``nodes`` says which old node is now called what."""

    nodes: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class FinishRun:
    """The run is over. ``state``: done or cancelled. Nothing in it is open any more."""

    outcome: str
    output: Mapping[str, Any] = field(default_factory=dict)
    state: str = "done"


Order = (
    Make | StartItems | Close | Reanswer | Again | Hold | Escalate | OpenFrame | Arrived | Reopen | FireFrame
    | CloseFrame | CancelOpen | Undo | MarkUndone | BeginCompensation | Park | Unpark | Label | Rename
    | FinishRun
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Plan:
    """Orders in the order to write them; none: nothing changes. ``refused``: why a verb cannot be done."""

    orders: tuple[Order, ...] = ()
    refused: str = ""
