"""Compensation: what completed is undone newest first, one at a time, each by an action of its own.

The shell knows what is left to undo (``undo_scope`` says of what); the machine says which is next, and when it
is over.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from workflows.runs.engine.definition import Definition
from workflows.runs.engine.draft import Draft
from workflows.runs.engine.orders import BeginCompensation, CancelOpen, FinishRun, MarkUndone, Undo
from workflows.runs.engine.views import ROOT, Slot, StepView


@dataclass(frozen=True, slots=True)
class UndoScope:
    """Which completed steps are to be undone: of these nodes, in a slot and every frame inside it.

    Only steps that were done by work (``done``, not by hand) and not undone yet count, in the order of their
    completion.
    """

    slot: Slot
    nodes: frozenset[str]


def undo_scope(definition: Definition, step: StepView | None) -> UndoScope:
    """Return what a compensate step undoes, or an end with ``compensate``; None: the operator's verb."""
    every = frozenset(key for key, node in definition.nodes.items() if node.undo is not None)
    if step is None or definition.nodes[step.node].kind == "end":
        return UndoScope(Slot(), every)
    named = definition.nodes[step.node].facts.get("of")
    return UndoScope(step.slot, every & frozenset(named) if named else every)


def begin_undoing(draft: Draft, step: StepView, slot: Slot, of: Sequence[str] | None) -> bool:
    """Undo the newest for a step that has its turn; False when nothing is to be undone.

    What is still open in that slot is cancelled first, so that nothing completes behind the back of it.
    """
    if draft.definition.opener_of:
        index = None if slot.frame == ROOT else slot.index
        draft.add(CancelOpen(slot.frame, index, but=step.id))
    if not draft.view.to_undo:
        return False
    draft.add(Undo(draft.view.to_undo[0], step.id))
    return True


def undo_all(draft: Draft) -> None:
    """Undo a whole run at an operator's word, and end it."""
    draft.add(CancelOpen(ROOT), BeginCompensation())
    _next_of_all(draft, "")


def undone_of_all(draft: Draft, target: str, *, how: str) -> None:
    """Go on with undoing a whole run after one was undone or given up."""
    draft.add(MarkUndone(target, how))
    _next_of_all(draft, target)


def _next_of_all(draft: Draft, but: str) -> None:
    following = next_to_undo(draft, but)
    if following:
        draft.add(Undo(following, ""))
    else:
        draft.add(FinishRun("compensated", {}, "cancelled"))
        draft.over = True


def next_to_undo(draft: Draft, but: str) -> str:
    """Return the newest step left to undo, or ''."""
    return next((step for step in draft.view.to_undo if step != but), "")
