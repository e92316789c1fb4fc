"""Coming to a node: somebody is asked, or the machine passes it by itself, opens a frame, or ends the run."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from agents.decision import cel
from workflows.runs.engine.draft import Draft, Way
from workflows.runs.engine.following import MOST_VISITS
from workflows.runs.engine.frames import arrive, fail, follow, join_of, pass_join, settle, stuck
from workflows.runs.engine.orders import CancelOpen, FinishRun, OpenFrame
from workflows.runs.engine.schema import MOST_ITEMS
from workflows.runs.engine.undoing import begin_undoing
from workflows.runs.engine.views import ROOT, FrameView, Slot, StepView
from workflows.runs.engine.wording import unsure


def walk(draft: Draft) -> None:
    """Follow every way of a plan to where somebody is asked, something is waited for, or the run ends."""
    while draft.todo and not draft.over:
        _enter(draft, draft.todo.popleft())


def _enter(draft: Draft, way: Way) -> None:
    if way.slot.frame != ROOT and way.by and way.to == join_of(draft, draft.frames[way.slot.frame]).id:
        arrive(draft, way.slot, way.by)
        return
    node = draft.definition.nodes[way.to]
    # An end is the end of the whole run, from wherever it is reached.
    step = draft.new(Slot() if node.kind == "end" else way.slot, node)
    if step.generation > MOST_VISITS and way.by and not way.by_hand:
        stuck(draft, way.by, "loop", f"{node.name} was reached {step.generation - 1} times.")
    elif node.has_a_turn or draft.left_to_pass <= 0:
        draft.ready(step)
        _last_call(draft, step)
    else:
        draft.left_to_pass -= 1
        PASSED[node.kind](draft, step)


def _last_call(draft: Draft, step: StepView) -> None:
    """An end that has a turn of its own ends the rest of the run now, not when it has it."""
    if draft.node(step).kind == "end" and draft.definition.opener_of:
        draft.add(CancelOpen(ROOT, but=step.id))
        draft.todo.clear()


def _branch(draft: Draft, step: StepView) -> None:
    follow(draft, draft.close(step, "done", {}))


def _parallel(draft: Draft, step: StepView) -> None:
    node = draft.node(step)
    try:
        live = _live(draft, step)
    except cel.ConditionError as error:
        texts = [way.when for way in node.branches if way.when]
        why = f"{node.name}: {unsure(draft.definition, 'which branches begin', texts, error)}."
        closed = draft.close(step, "failed", None, {"code": "condition_failed", "message": why})
        stuck(draft, closed, "condition_failed", why)
        return
    dead = tuple(index for index in range(len(node.branches)) if index not in live)
    step = draft.close(step, "done", {"started": len(live)})
    frame = _open(draft, step, len(node.branches), started=len(live), dead=dead)
    direct = [index for index in live if node.starts[index] == node.join]
    for index in live:
        if index not in direct:
            draft.ready(draft.new(Slot(frame.id, index), draft.definition.nodes[node.starts[index]]))
    for index in direct:
        if draft.frames[frame.id].closed:
            return
        arrive(draft, Slot(frame.id, index), step)
    if not direct:
        settle(draft, frame.id)


def _live(draft: Draft, step: StepView) -> list[int]:
    ways = draft.node(step).branches
    texts = [way.when for way in ways if way.when]
    if not texts:
        return list(range(len(ways)))
    context = draft.context(step.slot, texts)
    return [index for index, way in enumerate(ways) if cel.holds(way.when, context)]


def _map(draft: Draft, step: StepView) -> None:
    node = draft.node(step)
    text = node.facts["over"]
    try:
        items = cel.evaluate(text, draft.context(step.slot, [text]))
    except cel.ConditionError as error:
        why = f"{node.name}: {unsure(draft.definition, 'the list it goes over', [text], error)}."
        stuck(
            draft,
            draft.close(step, "failed", None, {"code": "over_failed", "message": why}),
            "over_failed",
            why,
        )
        return
    if wrong := _refused(items):
        message = f"{node.name}: {wrong[1]}"
        fail(draft, draft.close(step, "failed", None, {"code": wrong[0], "message": message}))
        return
    step = draft.close(step, "done", {"size": len(items)})
    frame = _open(draft, step, len(items), started=0, items=tuple(items))
    settle(draft, frame.id)


def _refused(items: Any) -> tuple[str, str] | None:
    if not isinstance(items, list):
        return "not_a_list", "what it goes over is no list."
    if len(items) > MOST_ITEMS:
        return "too_many_items", f"it goes over {len(items)} items, and {MOST_ITEMS} is the most."
    return None


def _open(
    draft: Draft,
    step: StepView,
    size: int,
    *,
    started: int,
    dead: tuple[int, ...] = (),
    items: tuple[Any, ...] = (),
) -> FrameView:
    frame = FrameView(
        draft.name("f"), step.node, step.id, size, step.frame, step.index, started=started, dead=len(dead)
    )
    draft.frames[frame.id] = frame
    draft.add(OpenFrame(frame.id, step.id, step.node, step.slot, size, started, dead, items))
    return frame


def _end(draft: Draft, step: StepView) -> None:
    """End the run, when asked for after everything was undone."""
    if draft.node(step).facts.get("compensate") and begin_undoing(draft, step, Slot(), None):
        return
    finish(draft, step)


def finish(draft: Draft, step: StepView) -> None:
    """End the run at an end: what is open elsewhere is cancelled."""
    node = draft.node(step)
    texts = node.facts.get("output", {})
    try:
        output = _output(draft, step, texts) if texts else {}
    except cel.ConditionError as error:
        why = f"{node.name}: its output could not be put together: {error}."
        closed = draft.close(step, "failed", None, {"code": "output_failed", "message": why})
        draft.park(closed, "output_failed", why)
        return
    draft.relabel(draft.close(step, "done", {}))
    if draft.definition.opener_of:
        draft.add(CancelOpen(ROOT))
    draft.add(FinishRun(node.facts["outcome"], output))
    draft.over = True


def _output(draft: Draft, step: StepView, texts: dict[str, str]) -> dict[str, Any]:
    context = draft.context(step.slot, texts.values())
    found = {}
    for member, text in texts.items():
        try:
            value = cel.evaluate(text, context)
        except cel.ConditionError as error:
            raise cel.ConditionError(f"{member}: {error}") from None
        if value is not None:
            found[member] = value
    return found


def _compensate(draft: Draft, step: StepView) -> None:
    of = draft.node(step).facts.get("of")
    if not begin_undoing(draft, step, step.slot, of):
        follow(draft, draft.close(step, "done", {}))


def go_on_undoing(draft: Draft, step: StepView) -> None:
    """Go on after the last of what a step had to undo."""
    if draft.node(step).kind == "end":
        finish(draft, step)
    else:
        follow(draft, draft.close(step, "done", {}))


def pass_over(draft: Draft, step: StepView) -> None:
    """Skip what would open a frame: its join is passed as if nothing had been in it."""
    join = draft.definition.nodes[draft.node(step).join]
    answer = {"arrived": 0, "dead": 0, "failed": 0, "items": []}
    follow(draft, draft.close(draft.new(step.slot, join), "skipped", answer))


PASSED: dict[str, Callable[[Draft, StepView], None]] = {
    "branch": _branch,
    "parallel": _parallel,
    "map": _map,
    "join": pass_join,
    "compensate": _compensate,
    "end": _end,
}
