"""Frames: what ends a branch or an item, what a failure in one means, and how the join is passed."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from agents.decision import cel
from workflows.runs.engine.counting import Standing, counts, standing, startable
from workflows.runs.engine.definition import Node
from workflows.runs.engine.draft import Draft
from workflows.runs.engine.orders import Arrived, CancelOpen, CloseFrame, FireFrame, StartItems
from workflows.runs.engine.views import ROOT, FrameView, Slot, StepView
from workflows.runs.engine.wording import NEXT_STEP, unsure


def join_of(draft: Draft, frame: FrameView) -> Node:
    """Return the join that closes a frame."""
    return draft.definition.nodes[draft.definition.nodes[frame.node].join]


def follow(draft: Draft, step: StepView, *, by_hand: bool = False) -> None:
    """Go on after a step that is done: the first way whose condition holds. None: it is stuck.

    ``by_hand``: an operator says that it goes on, however often that was done before.
    """
    node = draft.node(step)
    draft.relabel(step)
    context = None
    for edge in node.edges:
        if not edge.when:
            draft.go(step.slot, edge.to, step, by_hand=by_hand)
            return
        try:
            context = context or draft.context(step.slot, [way.when for way in node.edges])
            holds = cel.holds(edge.when, context)
        except cel.ConditionError as error:
            why = unsure(draft.definition, NEXT_STEP, [edge.when], error)
            stuck(draft, step, "condition_failed", f"{node.name}: {why}.")
            return
        if holds:
            draft.go(step.slot, edge.to, step, by_hand=by_hand)
            return
    stuck(draft, step, "no_way_on", f"{node.name}: none of its conditions holds.")


def stuck(draft: Draft, step: StepView, code: str, why: str) -> None:
    """Nothing says how it goes on: a person must look. Where the join has fired nobody waits for it."""
    if step.frame != ROOT and draft.frames[step.frame].fired:
        _lost(draft, step.slot)
    else:
        draft.park(step, code, why)


def fail(draft: Draft, step: StepView) -> None:
    """Go on after a step that failed for good: its own way, the nearest frame that bears it, or an incident.

    A frame bears a failure when its join can still fire without that branch or item, or says where it goes when
    not enough arrives. If no frame around does, nothing is counted or cancelled: the step itself waits for an
    operator, and what was done beside it is not lost.
    """
    node = draft.node(step)
    if node.when_failed:
        draft.go(step.slot, node.when_failed, step)
    elif _is_borne(draft, step.slot):
        _lost(draft, step.slot)
    else:
        said = step.error
        draft.park(step, str(said.get("code", "failed")), str(said.get("message") or f"{node.name} failed."))


def _is_borne(draft: Draft, slot: Slot) -> bool:
    while slot.frame != ROOT:
        frame = draft.frames[slot.frame]
        after = replace(frame, failed=frame.failed + 1)
        still_fires = frame.fired or standing(draft.definition, after) is not Standing.CANNOT
        if still_fires or join_of(draft, frame).when_failed:
            return True
        slot = frame.slot
    return False


def _lost(draft: Draft, slot: Slot) -> None:
    frame = draft.frames[slot.frame]
    draft.add(Arrived(frame.id, slot.index, "failed"))
    draft.frames[frame.id] = replace(frame, failed=frame.failed + 1)
    settle(draft, frame.id)


def arrive(draft: Draft, slot: Slot, by: StepView) -> None:
    """End a branch or an item: it counts at the join, with the value the join collects."""
    frame = draft.frames[slot.frame]
    value = None
    if not frame.fired:
        try:
            value = _collected(draft, frame, slot)
        except cel.ConditionError as error:
            name = join_of(draft, frame).name
            stuck(draft, by, "collect_failed", f"{name}: what it collects could not be put together: {error}.")
            return
    draft.add(Arrived(frame.id, slot.index, "absorbed" if frame.fired else "arrived", value))
    draft.frames[frame.id] = replace(frame, arrived=frame.arrived + 1)
    settle(draft, frame.id)


def _collected(draft: Draft, frame: FrameView, slot: Slot) -> Any:
    text = join_of(draft, frame).facts.get("collect")
    return cel.evaluate(text, draft.context(slot, [text])) if text else None


def settle(draft: Draft, frame_id: str) -> None:
    """Do what the counts of a frame say: pass its join, give up, begin the next items, or nothing."""
    frame = draft.frames[frame_id]
    if frame.fired:
        if not frame.under_way:
            _shut(draft, frame)
        return
    found = standing(draft.definition, frame)
    if found is Standing.FIRES:
        _fire(draft, frame)
    elif found is Standing.CANNOT:
        _miss(draft, frame)
    else:
        _start_items(draft, frame)


def _start_items(draft: Draft, frame: FrameView) -> None:
    opener = draft.definition.nodes[frame.node]
    count = startable(opener, frame) if opener.kind == "map" else 0
    if count:
        first = draft.definition.nodes[opener.facts["do"]]
        draft.add(StartItems(frame.id, first.id, frame.started, count, first.facts.get("priority")))
        draft.frames[frame.id] = replace(frame, started=frame.started + count)


def _fire(draft: Draft, frame: FrameView) -> None:
    join = join_of(draft, frame)
    if not frame.under_way or join.facts.get("rest") == "cancel":
        _shut(draft, frame)
    else:
        draft.add(FireFrame(frame.id))
        draft.frames[frame.id] = replace(frame, fired=True)
    step = draft.new(frame.slot, join, joins=frame.id)
    # What was collected may be ten thousand values: the join has a turn of its own, with them in its view.
    if "collect" in join.facts or draft.left_to_pass <= 0:
        draft.ready(step, counts(frame))
        return
    draft.left_to_pass -= 1
    follow(draft, draft.close(step, "done", {**counts(frame), "items": []}))


def pass_join(draft: Draft, step: StepView) -> None:
    """Give a join that has its turn what arrived, in the order of branches or items; null where nothing did."""
    frame, gathered = draft.frames[step.joins], draft.view.gathered
    collects = "collect" in draft.node(step).facts
    items = [gathered.get(index) for index in range(frame.size)] if collects else []
    follow(draft, draft.close(step, "done", {**step.answer, "items": items}))


def _miss(draft: Draft, frame: FrameView) -> None:
    """Enough can no longer arrive. What is open goes at once: nothing may go on beside the way for failures."""
    join = join_of(draft, frame)
    _shut(draft, frame)
    told = counts(frame)
    message = f"{join.name}: only {told['arrived']} of {frame.size} arrived, {told['failed']} failed."
    step = draft.new(frame.slot, join, joins=frame.id)
    error = {"code": "not_enough", "message": message}
    fail(draft, draft.close(step, "failed", {**told, "items": []}, error))


def _shut(draft: Draft, frame: FrameView) -> None:
    """Close a frame with whatever is still open in it, also what an inner frame left to finish."""
    if frame.under_way or frame.node in draft.definition.outlived:
        draft.add(CancelOpen(frame.id))
    draft.add(CloseFrame(frame.id))
    draft.frames[frame.id] = replace(frame, fired=True, closed=True)
