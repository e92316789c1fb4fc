"""What the machine is shown of a run: no more than a decision needs, however long the run or its lists are."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from workflows.runs.engine.definition import Definition

OPEN = frozenset({"ready", "running"})
ROOT = ""


@dataclass(frozen=True, slots=True)
class Slot:
    """A branch of a parallel or an item of a map: a frame and an index in it. The root frame is ''."""

    frame: str = ROOT
    index: int = 0


@dataclass(frozen=True, slots=True)
class StepView:
    """One step. ``attempts``: failures of the work so far; ``infra_attempts``: of what carries it.

    ``parked``: it waits for an operator. ``joins``: the frame a join closes. ``facts``: what else CEL may read
    of it (agent, action, actions). ``state``: ready, running, done, skipped, failed or cancelled.
    """

    id: str
    node: str
    state: str
    frame: str = ROOT
    index: int = 0
    generation: int = 1
    answer: Any = None
    error: Mapping[str, Any] = field(default_factory=dict)
    attempts: int = 0
    infra_attempts: int = 0
    priority: int | None = None
    parked: bool = False
    joins: str = ""
    facts: Mapping[str, Any] = field(default_factory=dict)

    @property
    def slot(self) -> Slot:
        """Return the branch or item it belongs to."""
        return Slot(self.frame, self.index)

    @property
    def is_open(self) -> bool:
        """Tell whether its work is still to be done."""
        return self.state in OPEN


@dataclass(frozen=True, slots=True)
class FrameView:
    """One opened parallel or map, as counts. ``outer`` and ``index``: the slot its opener stands in.

    ``started`` counts branches or items that were begun; of them ``arrived`` and ``failed`` have ended.
    ``dead`` branches never begin. ``fired``: its join was passed; ``closed``: nothing in it begins or counts
    any more. ``item``: the item of the slot the event is about. ``here``: what became of that slot, '', arrived
    or failed.
    """

    id: str
    node: str
    opener: str
    size: int
    outer: str = ROOT
    index: int = 0
    started: int = 0
    arrived: int = 0
    dead: int = 0
    failed: int = 0
    fired: bool = False
    closed: bool = False
    item: Any = None
    here: str = ""

    @property
    def under_way(self) -> int:
        """Return how many branches or items were begun and have not ended."""
        return self.started - self.arrived - self.failed

    @property
    def slot(self) -> Slot:
        """Return the branch or item its opener belongs to."""
        return Slot(self.outer, self.index)


@dataclass(frozen=True, slots=True)
class RunView:
    """A run, as far as one event needs it.

    ``step``: the step the event is about. ``steps``: the newest step of every node by node, among those
    outside of maps and those of the same items as ``step`` (``needs`` says which are enough). ``frames``: the
    frame of ``step`` and those around it, for a join that is begun also the one it closes. ``gathered``: for
    such a join, what arrived, by index. ``to_undo``: at least the two newest of what is to be undone, newest
    first, as ``undo_scope`` says. ``undoing``: the step being undone now. ``standing``: every step that is open
    or parked, for a migration only.
    """

    definition: Definition
    about: Mapping[str, Any]
    input: Mapping[str, Any]
    step: StepView | None = None
    steps: Mapping[str, StepView] = field(default_factory=dict)
    frames: Mapping[str, FrameView] = field(default_factory=dict)
    gathered: Mapping[int, Any] = field(default_factory=dict)
    to_undo: Sequence[str] = ()
    undoing: str = ""
    standing: Sequence[StepView] = ()
    over: bool = False
    compensating: bool = False


def around(frames: Mapping[str, FrameView], slot: Slot) -> Iterator[tuple[FrameView, int]]:
    """Yield the frames around a slot from the inside out, each with the index inside it."""
    while slot.frame != ROOT:
        frame = frames[slot.frame]
        yield frame, slot.index
        slot = frame.slot
