"""What an operator may do to a run, as plans: each says what would happen, or why it cannot be done."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from workflows.runs.engine.definition import OPENERS
from workflows.runs.engine.draft import Draft
from workflows.runs.engine.events import (
    CancelRun,
    Compensate,
    Migrated,
    Override,
    Rerun,
    RetryStep,
    Skip,
)
from workflows.runs.engine.frames import follow
from workflows.runs.engine.migrating import migrated
from workflows.runs.engine.orders import CancelOpen, FinishRun, Reanswer, Reopen, Undo, Unpark
from workflows.runs.engine.passing import pass_over
from workflows.runs.engine.undoing import undo_all, undone_of_all
from workflows.runs.engine.views import ROOT, StepView, around

OVER = "The run is over."
UNDOING = "The run is being undone."
ANSWERED = ("done", "skipped")
NO_STEP = "Nothing is named that could be changed."


def _skip(draft: Draft, event: Skip) -> str:
    step = draft.view.step
    if draft.view.compensating and not draft.view.over and step is not None and step.parked:
        draft.add(Unpark(step.id))
        undone_of_all(draft, step.id, how="given_up")
        return ""
    if wrong := _waiting(draft) or _no_end(draft, "skipped"):
        return wrong
    assert step is not None  # noqa: S101 - said by _waiting
    if draft.node(step).kind in OPENERS:
        closed = draft.close(step, "skipped", {}, by_hand=True)
        _clear(draft, closed)
        pass_over(draft, closed)
    elif step.state in ANSWERED:
        _answer_again(draft, step, dict(event.answer) or step.answer)
    else:
        follow(draft, draft.close(step, "skipped", dict(event.answer), by_hand=True), by_hand=True)
    return ""


def _override(draft: Draft, event: Override) -> str:
    step = draft.view.step
    if wrong := _going_on(draft) or _no_end(draft, "overridden"):
        return wrong
    assert step is not None  # noqa: S101 - said by _going_on
    if draft.node(step).kind in OPENERS:
        return f"{draft.node(step).name} has no answer of its own."
    if step.parked and step.state in ANSWERED:
        _answer_again(draft, step, event.answer)
    elif step.is_open or step.parked:
        follow(draft, draft.close(step, "done", event.answer, by_hand=True), by_hand=True)
    elif step.state in ANSWERED:
        draft.add(Reanswer(step.id, event.answer))
    else:
        return f"{draft.node(step).name} is {step.state}, and the run has gone another way."
    return ""


def _answer_again(draft: Draft, step: StepView, answer: Any) -> None:
    """Go on after a closed step that waits for an operator: it stays what it is, as does what it did."""
    _unpark(draft, step)
    answered = replace(step, answer=answer, parked=False)
    draft.steps[step.node] = answered
    draft.add(Reanswer(step.id, answer))
    follow(draft, answered, by_hand=True)


def _retry(draft: Draft, event: RetryStep) -> str:
    step = draft.view.step
    if draft.view.compensating and not draft.view.over and step is not None and step.parked:
        draft.add(Unpark(step.id), Undo(step.id, ""))
        return ""
    if wrong := _going_on(draft):
        return wrong
    assert step is not None  # noqa: S101 - said by _going_on
    if not step.parked:
        return f"{draft.node(step).name} does not wait for an operator."
    if step.state == "done" and draft.node(step).kind == "operation":
        _unpark(draft, step)
        follow(draft, replace(step, parked=False), by_hand=True)
        return ""
    return _again(draft, step)


def _rerun(draft: Draft, event: Rerun) -> str:
    if wrong := _going_on(draft):
        return wrong
    assert draft.view.step is not None  # noqa: S101 - said by _going_on
    return _again(draft, draft.view.step)


def _again(draft: Draft, step: StepView) -> str:
    """Do a step again: what is open in its branch or item follows from it, so that all of it goes."""
    if wrong := _frame_over(draft, step):
        return wrong
    _unpark(draft, step)
    _clear(draft, step)
    frame = draft.frames.get(step.frame)
    if frame is not None and frame.here:
        draft.add(Reopen(frame.id, step.index, frame.here))
        fewer = {frame.here: getattr(frame, frame.here) - 1}
        draft.frames[frame.id] = replace(frame, here="", **fewer)
    draft.go(step.slot, step.node, step, by_hand=True)
    return ""


def _frame_over(draft: Draft, step: StepView) -> str:
    if draft.node(step).kind == "join":
        opener = draft.definition.nodes[draft.definition.opener_of[step.node]]
        return f"{draft.node(step).name} only counts what arrived: do it again from {opener.name}."
    ended = [frame for frame, _ in around(draft.frames, step.slot) if frame.fired or frame.closed]
    if ended:
        opener = draft.definition.nodes[ended[-1].node]
        return f"What {opener.name} began has been joined: do it again from {opener.name}."
    return ""


def _clear(draft: Draft, step: StepView) -> None:
    index = None if step.frame == ROOT else step.index
    draft.add(CancelOpen(step.frame, index))


def _cancel(draft: Draft, event: CancelRun) -> str:
    if draft.view.over:
        return OVER
    draft.add(CancelOpen(ROOT), FinishRun("cancelled", {}, "cancelled"))
    draft.over = True
    return ""


def _compensate(draft: Draft, event: Compensate) -> str:
    if draft.view.over or draft.view.compensating:
        return OVER if draft.view.over else UNDOING
    undo_all(draft)
    return ""


def _migrate(draft: Draft, event: Migrated) -> str:
    if draft.view.over or draft.view.compensating:
        return OVER if draft.view.over else UNDOING
    return migrated(draft, event)


def _going_on(draft: Draft) -> str:
    if draft.view.over or draft.view.compensating:
        return OVER if draft.view.over else UNDOING
    return "" if draft.view.step is not None else NO_STEP


def _waiting(draft: Draft) -> str:
    if wrong := _going_on(draft):
        return wrong
    step = draft.view.step
    if step is None or step.is_open or step.parked:
        return ""
    return f"{draft.node(step).name} is {step.state} already."


def _no_end(draft: Draft, verb: str) -> str:
    step = draft.view.step
    is_end = step is not None and draft.node(step).kind == "end"
    return f"An end cannot be {verb}." if is_end else ""


def _unpark(draft: Draft, step: StepView) -> None:
    if step.parked:
        draft.add(Unpark(step.id))


VERBS: dict[type, Callable[[Draft, Any], str]] = {
    Skip: _skip,
    Override: _override,
    RetryStep: _retry,
    Rerun: _rerun,
    CancelRun: _cancel,
    Compensate: _compensate,
    Migrated: _migrate,
}
