"""The machine: a view and an event say what is written next. No database, no clock, no chance, no web.

The same view and event always give the same plan. An event about a step that is not open any more gives an
empty one, so that a doubled or late message changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from agents.decision import cel
from workflows.runs.engine import verbs
from workflows.runs.engine.definition import WORK
from workflows.runs.engine.draft import Draft
from workflows.runs.engine.events import (
    Begun,
    Closed,
    Down,
    Event,
    Failed,
    Late,
    Signalled,
    Started,
    Undone,
)
from workflows.runs.engine.frames import fail, follow
from workflows.runs.engine.orders import Again, Escalate, Hold, MarkUndone, Plan, Undo
from workflows.runs.engine.passing import PASSED, go_on_undoing, walk
from workflows.runs.engine.retrying import again, told
from workflows.runs.engine.undoing import next_to_undo, undone_of_all
from workflows.runs.engine.views import RunView, Slot, StepView

# How many nodes that need nobody one plan passes; the next of them has a turn of its own.
MOST_PASSED = 50


def advance(view: RunView, event: Event, *, most_passed: int = MOST_PASSED) -> Plan:
    """Return what an event changes. Verbs of an operator that cannot be done say why in ``refused``.

    ``most_passed``: how many branches, joins and the like are passed within one plan; 0 gives each a turn.
    """
    draft = Draft(view, most_passed)
    verb = verbs.VERBS.get(type(event))
    if verb is not None:
        refused = verb(draft, event)
        if refused:
            return Plan(refused=refused)
    elif not view.over or isinstance(event, Undone):
        _NEWS[type(event)](draft, event)
    walk(draft)
    return draft.plan()


def _started(draft: Draft, event: Started) -> None:
    draft.go(Slot(), draft.definition.start, None)


def _begun(draft: Draft, event: Begun) -> None:
    step = draft.view.step
    if step is not None and step.state == "ready" and draft.node(step).kind not in WORK:
        PASSED[draft.node(step).kind](draft, step)


def _working(draft: Draft) -> StepView | None:
    """Return the step whose work news is about; None when it is over, or nobody's work."""
    step = draft.view.step
    return step if step is not None and step.is_open and draft.node(step).kind in WORK else None


def _closed(draft: Draft, event: Closed) -> None:
    if step := _working(draft):
        follow(draft, draft.close(step, "done", event.answer))


def _failed(draft: Draft, event: Failed) -> None:
    step = _working(draft)
    if step is None:
        return
    retry = again(draft.node(step), step, event)
    if retry is not None:
        draft.add(Again(step.id, *retry))
    else:
        _fail_for_good(draft, step, event.code, told(step, event))


def _fail_for_good(draft: Draft, step: StepView, code: str, message: str) -> None:
    fail(draft, draft.close(step, "failed", None, {"code": code, "message": message}))


def _down(draft: Draft, event: Down) -> None:
    step = _working(draft)
    if step is None:
        return
    node = draft.node(step)
    if node.when_down == "queue":
        draft.add(Hold(step.id, bool(node.facts.get("stop_clock", False))))
    elif node.when_down == "person":
        draft.park(step, "system_down", event.message)
    else:
        error = {"code": "system_down", "message": event.message}
        draft.go(step.slot, node.when_down, draft.close(step, "failed", None, error))


def _late(draft: Draft, event: Late) -> None:
    step = _working(draft)
    if step is None:
        return
    node = draft.node(step)
    deadline = node.facts.get("deadlines", {}).get(event.deadline)
    if node.kind == "wait":
        _too_late(draft, step)
    elif deadline and deadline["then"] == "outcome":
        follow(draft, draft.close(step, "done", deadline.get("answer", {})))
    elif deadline:
        draft.add(Escalate(step.id, event.deadline, deadline["then"], tuple(deadline.get("to", ()))))


def _too_late(draft: Draft, step: StepView) -> None:
    node = draft.node(step)
    if not node.when_late:
        _fail_for_good(draft, step, "late", f"{node.name}: nothing came in time.")
        return
    error = {"code": "late", "message": f"{node.name}: nothing came in time."}
    draft.go(step.slot, node.when_late, draft.close(step, "failed", None, error))


def accepts(view: RunView, payload: Any) -> bool:
    """Tell whether a signal with the name that the view's step waits for is meant for it."""
    step = view.step
    return step is not None and _matches(Draft(view, 0), step, payload)


def _signalled(draft: Draft, event: Signalled) -> None:
    step = _working(draft)
    if step is not None and "signal" in draft.node(step).facts and _matches(draft, step, event.payload):
        follow(draft, draft.close(step, "done", event.payload))


def _matches(draft: Draft, step: StepView, payload: Any) -> bool:
    """Whether a signal is meant for the step. What cannot be compared is not: no stranger stops a run."""
    text = draft.node(step).facts.get("match")
    if not text:
        return True
    try:
        return cel.holds(text, draft.context(step.slot, [text], signal=payload))
    except cel.ConditionError:
        return False


def _undone(draft: Draft, event: Undone) -> None:
    view = draft.view
    if view.undoing != event.target:
        return
    step = view.step
    if step is not None and step.id == event.target and view.compensating and not view.over:
        _undone_of_all(draft, event)
        return
    draft.add(MarkUndone(event.target, "done" if event.ok else "failed"))
    # An undo under way comes to its end even when nobody waits for it any more, and is noted.
    if view.over or step is None or not step.is_open:
        return
    if not event.ok:
        _not_undone(draft, step, event.message or f"{draft.node(step).name}: something could not be undone.")
    elif following := next_to_undo(draft, event.target):
        draft.add(Undo(following, step.id))
    else:
        go_on_undoing(draft, step)


def _not_undone(draft: Draft, step: StepView, message: str) -> None:
    closed = draft.close(step, "failed", None, {"code": "undo_failed", "message": message})
    if draft.node(step).kind == "end":
        draft.park(closed, "undo_failed", message)  # the run ends here or nowhere: no frame bears it
    else:
        fail(draft, closed)


def _undone_of_all(draft: Draft, event: Undone) -> None:
    if event.ok:
        undone_of_all(draft, event.target, how="done")
        return
    draft.add(MarkUndone(event.target, "failed"))
    step = draft.view.step
    if step is not None:
        draft.park(step, "undo_failed", event.message or f"{draft.node(step).name} could not be undone.")


_NEWS: dict[type, Callable[[Draft, Any], None]] = {
    Started: _started,
    Begun: _begun,
    Closed: _closed,
    Failed: _failed,
    Down: _down,
    Late: _late,
    Signalled: _signalled,
    Undone: _undone,
}
