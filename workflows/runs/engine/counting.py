"""When a join fires: arithmetic over the counts of a frame, and nothing else."""

from __future__ import annotations

from enum import StrEnum

from workflows.runs.engine.definition import Definition, Node
from workflows.runs.engine.views import FrameView

MOST_AT_ONCE = 100


class Standing(StrEnum):
    """Where a frame stands: its join fires now, it waits, or enough can no longer arrive."""

    FIRES = "fires"
    WAITS = "waits"
    CANNOT = "cannot"


def standing(definition: Definition, frame: FrameView) -> Standing:
    """Return whether enough has arrived. A dead branch counts as done for ``all`` and never as an arrival."""
    opener = definition.nodes[frame.node]
    need = definition.nodes[opener.join].facts.get("need", "all")
    if opener.kind == "map" and frame.size == 0:
        return Standing.FIRES
    if need == "all":
        if frame.failed > tolerated(opener, frame.size):
            return Standing.CANNOT
        ended = frame.arrived + frame.dead + frame.failed
        return Standing.FIRES if ended == frame.size else Standing.WAITS
    return _some(opener, frame, 1 if need == "any" else int(need))


def _some(opener: Node, frame: FrameView, need: int) -> Standing:
    if frame.arrived >= need:
        return Standing.FIRES
    too_many = "tolerate" in opener.facts and frame.failed > tolerated(opener, frame.size)
    can_arrive = frame.size - frame.dead - frame.failed
    return Standing.CANNOT if too_many or can_arrive < need else Standing.WAITS


def tolerated(opener: Node, size: int) -> int:
    """Return how many items of a map may fail; a percentage is rounded down. Of a parallel none."""
    told = opener.facts.get("tolerate", 0)
    return size * int(told[:-1]) // 100 if isinstance(told, str) else int(told)


def startable(opener: Node, frame: FrameView) -> int:
    """Return how many more items of a map may begin now."""
    room = int(opener.facts.get("most_at_once", MOST_AT_ONCE)) - frame.under_way
    return max(0, min(room, frame.size - frame.started))


def counts(frame: FrameView) -> dict[str, int]:
    """Return what a join says of its frame."""
    return {"arrived": frame.arrived, "dead": frame.dead, "failed": frame.failed}
