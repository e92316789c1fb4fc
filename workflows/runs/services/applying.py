"""Plans of the machine, applied to the picture of a run and written down for the pen."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from uuid_utils import uuid7

from audit.services import Fact
from audit.vocabulary import Actor
from connectors.policies.schemas import plain_text
from workflows.runs.choices import Undone
from workflows.runs.engine import WORK, FrameView, Plan, Slot, StepView, orders
from workflows.runs.models import Frame, Step
from workflows.runs.services.cancelling import cancel_open
from workflows.runs.services.pen import Pen, as_json
from workflows.runs.services.picture import Picture


class Applied:
    """One run in one look: its picture, the pen, and what services do after the rows are written."""

    def __init__(self, picture: Picture, pen: Pen, actor: Actor, reason: str) -> None:
        self.picture = picture
        self.pen = pen
        self.actor = actor
        self.reason = reason
        self.written = self.as_written()
        self.names: dict[str, str] = {}
        self.parked: list[tuple[str, str, str]] = []
        self.settled: list[str] = []
        self.fresh: list[str] = []  # made in this look, and their work can begin at once
        self.by_hand: list[str] = []
        self.to_undo: list[str] = []  # asked for once everything is written
        self.gone: list[str] = []  # cancelled, and what they began is to be cancelled too
        self.again: list[tuple[str, int]] = []
        self.held: list[tuple[str, bool]] = []
        self.finish: orders.FinishRun | None = None

    def as_written(self) -> tuple[str, bool]:
        """Return what a look may change of the run besides its state."""
        return self.picture.run.label, self.picture.run.is_compensating

    def is_written_otherwise(self) -> bool:
        """Tell whether the run is not any more as it was written last."""
        return self.written != self.as_written()

    def apply(self, plan: Plan) -> None:
        """Take every order of a plan over, in its order."""
        self.names.clear()
        for order in plan.orders:
            _APPLY[type(order)](self, order)

    def id_of(self, name: str) -> str:
        """Return the key that stands for a new name of a plan, or the id itself."""
        if not name.startswith("+"):
            return name
        if name not in self.names:
            self.names[name] = str(uuid7())
        return self.names[name]

    def slot(self, slot: Slot) -> Slot:
        """Return a slot with the key of its frame."""
        return Slot(self.id_of(slot.frame), slot.index) if slot.frame else slot

    def change(self, step: StepView) -> None:
        """Note a step as it is now; one that is new in this look is written as new, once."""
        self.picture.put(step, self.picture.scopes[step.id])
        if step.id in self.pen.new_steps:
            self.insert(step)
        else:
            self.pen.steps[step.id] = (
                step.id, step.state, as_json(step.answer), as_json(dict(step.error)), step.attempts,
                step.infra_attempts, step.parked,
            )  # fmt: skip
            if not step.is_open and "signal" in self.picture.definition.nodes[step.node].facts:
                self.pen.served.append(step.id)

    def insert(self, step: StepView) -> None:
        """Write a step as a new row."""
        node = self.picture.definition.nodes[step.node]
        self.pen.new_steps[step.id] = (
            step.id, str(self.picture.run.pk), step.node, node.kind, node.name, step.frame or None, step.index,
            self.picture.scopes[step.id], step.generation, step.state, as_json(step.answer),
            as_json(dict(step.error)), step.priority, step.parked, step.joins or None,
        )  # fmt: skip

    def wake(self, step_id: str, priority: int | None) -> None:
        """Let the engine look at a step in a turn of its own."""
        self.pen.ready[step_id] = (
            step_id,
            priority or self.picture.run.priority,
            str(self.picture.run.lane),
        )

    def undone(self, step_id: str, how: Undone) -> None:
        """Note what becomes of undoing a step."""
        self.pen.undone[step_id] = (step_id, str(how))

    def frame(self, frame_id: str, **changes: Any) -> None:
        """Note a frame as it is now."""
        found = self.picture.frames[frame_id] = replace(self.picture.frames[frame_id], **changes)
        self.pen.frames[found.id] = (
            found.id, found.started, found.arrived, found.failed, found.fired, found.closed,
        )  # fmt: skip


def _make(to: Applied, order: orders.Make) -> None:
    slot = to.slot(order.slot)
    step = StepView(
        id=to.id_of(order.step), node=order.node, state=order.state, frame=slot.frame, index=slot.index,
        generation=order.generation, answer=order.answer, error=order.error, priority=order.priority,
        joins=to.id_of(order.joins) if order.joins else "",
    )  # fmt: skip
    to.picture.put(step, to.picture.scope_of(slot))
    to.insert(step)
    if step.state == "ready" and to.picture.definition.nodes[step.node].kind in WORK:
        to.fresh.append(step.id)
    elif step.state == "ready":
        to.wake(step.id, step.priority)


def _start_items(to: Applied, order: orders.StartItems) -> None:
    frame_id = to.id_of(order.frame)
    for index in range(order.first, order.first + order.count):
        slot = Slot(frame_id, index)
        step = StepView(str(uuid7()), order.node, "ready", frame_id, index, priority=order.priority)
        to.picture.put(step, to.picture.scope_of(slot))
        to.insert(step)
        to.wake(step.id, step.priority)
    to.frame(frame_id, started=order.first + order.count)


def _close(to: Applied, order: orders.Close) -> None:
    step = to.picture.steps[to.id_of(order.step)]
    if order.by_hand:
        to.by_hand.append(step.id)
        if order.state == "done" and to.picture.definition.nodes[step.node].undo is not None:
            to.undone(step.id, Undone.BY_HAND)
    to.change(replace(step, state=order.state, answer=order.answer, error=order.error, parked=False))


def _reanswer(to: Applied, order: orders.Reanswer) -> None:
    to.change(replace(to.picture.steps[order.step], answer=order.answer))


def _again(to: Applied, order: orders.Again) -> None:
    step = to.picture.steps[order.step]
    to.change(
        replace(step, state="ready", attempts=order.attempts, infra_attempts=order.infra_attempts, parked=False)
    )
    to.again.append((step.id, order.in_seconds))


def _hold(to: Applied, order: orders.Hold) -> None:
    to.change(replace(to.picture.steps[order.step], state="ready"))
    to.held.append((order.step, order.stop_clock))


def _open_frame(to: Applied, order: orders.OpenFrame) -> None:
    frame_id, slot = to.id_of(order.frame), to.slot(order.slot)
    opener = to.id_of(order.opener)
    to.picture.frames[frame_id] = FrameView(
        frame_id,
        order.node,
        opener,
        order.size,
        slot.frame,
        slot.index,
        started=order.started,
        dead=len(order.dead),
    )
    to.pen.new_frames.append((
        frame_id, str(to.picture.run.pk), opener, order.node, slot.frame or None, slot.index, order.size,
        order.started, len(order.dead),
    ))  # fmt: skip
    for index in range(order.size):
        item = order.items[index] if order.items else None
        how = "dead" if index in order.dead else ""
        to.picture.items[frame_id, index] = (item, how)
        to.pen.new_items.append((frame_id, index, as_json(item), how))


def _arrived(to: Applied, order: orders.Arrived) -> None:
    frame_id = to.id_of(order.frame)
    frame = to.picture.frames[frame_id]
    counted = {"failed": frame.failed + 1} if order.how == "failed" else {"arrived": frame.arrived + 1}
    to.frame(frame_id, **counted)
    to.picture.items[frame_id, order.index] = (
        to.picture.items.get((frame_id, order.index), (None, ""))[0],
        order.how,
    )
    if order.how == "arrived" and order.value is not None:
        to.picture.gathered.setdefault(frame_id, {})[order.index] = order.value
    to.pen.items[frame_id, order.index] = (frame_id, order.index, order.how, as_json(order.value))


def _reopen(to: Applied, order: orders.Reopen) -> None:
    frame = to.picture.frames[order.frame]
    to.frame(order.frame, **{order.how: getattr(frame, order.how) - 1})
    to.pen.items[order.frame, order.index] = (order.frame, order.index, "", None)


def _fire(to: Applied, order: orders.FireFrame) -> None:
    to.frame(to.id_of(order.frame), fired=True)


def _close_frame(to: Applied, order: orders.CloseFrame) -> None:
    to.frame(to.id_of(order.frame), fired=True, closed=True)


def _cancel_open(to: Applied, order: orders.CancelOpen) -> None:
    """What is open may be more than the picture shows, so that it is ended in the database, up to date."""
    to.pen.write()
    frame = to.id_of(order.frame) if order.frame else ""
    gone, settled = cancel_open(
        actor=to.actor,
        run=to.picture.run,
        frame=frame,
        index=order.index,
        but=to.id_of(order.but),
        reason=to.reason,
    )
    for step_id in {*gone, *settled}:
        if step := to.picture.steps.get(step_id):
            state = "cancelled" if step_id in gone else step.state
            to.picture.put(replace(step, state=state, parked=False), to.picture.scopes[step_id])
    to.gone += gone
    to.settled += settled
    to.parked = [found for found in to.parked if found[0] not in settled]


def _undo(to: Applied, order: orders.Undo) -> None:
    by = to.id_of(order.by) if order.by else ""
    if by:
        to.change(replace(to.picture.steps[by], state="running"))
        to.pen.undoes[by] = (by, order.step)
    to.undone(order.step, Undone.RUNNING)
    to.picture.undoing[by or order.step] = order.step
    to.to_undo.append(order.step)


def _mark_undone(to: Applied, order: orders.MarkUndone) -> None:
    to.undone(order.step, Undone(order.how))
    for by in [by for by, target in to.picture.undoing.items() if target == order.step]:
        del to.picture.undoing[by]
        if by != order.step:
            to.pen.undoes[by] = (by, None)
    name = to.picture.definition.nodes[to.picture.steps[order.step].node].name
    run, code = to.picture.run, order.how
    to.pen.facts.append(
        Fact(
            actor=to.actor,
            verb="runs.step_undone",
            subject=run.as_ref(),
            sentence=f"{run.label}: {name} {_UNDONE[order.how]}"[:500],
            code=code,
            remedy="reversed" if code == "done" else "",
            **run.event_refs(),
        )
    )


_UNDONE = {
    "done": "was undone",
    "failed": "could not be undone",
    "given_up": "is left as it is: a person gave up undoing it",
}


def _begin_compensation(to: Applied, order: orders.BeginCompensation) -> None:
    to.picture.run.is_compensating = True


def _park(to: Applied, order: orders.Park) -> None:
    step = to.picture.steps[to.id_of(order.step)]
    to.change(replace(step, parked=True))
    to.parked.append((step.id, order.code, order.why))


def _unpark(to: Applied, order: orders.Unpark) -> None:
    step = to.picture.steps[order.step]
    to.change(replace(step, parked=False))
    to.settled.append(step.id)


def _label(to: Applied, order: orders.Label) -> None:
    if words := plain_text(order.text).strip()[:200]:
        to.picture.run.label = words


def _rename(to: Applied, order: orders.Rename) -> None:
    """Two nodes may change names: what is renamed gets a name in between that no node can have."""
    to.pen.write()
    between = {old: f":{place}" for place, old in enumerate(order.nodes)}
    for names in (between, {between[old]: new for old, new in order.nodes.items()}):
        for before, after in names.items():
            Step.objects.filter(run=to.picture.run, node=before).update(node=after)
            Frame.objects.filter(run=to.picture.run, node=before).update(node=after)


def _finish(to: Applied, order: orders.FinishRun) -> None:
    to.finish = order


_APPLY: dict[type, Callable[[Applied, Any], None]] = {
    orders.Make: _make,
    orders.StartItems: _start_items,
    orders.Close: _close,
    orders.Reanswer: _reanswer,
    orders.Again: _again,
    orders.Hold: _hold,
    orders.OpenFrame: _open_frame,
    orders.Arrived: _arrived,
    orders.Reopen: _reopen,
    orders.FireFrame: _fire,
    orders.CloseFrame: _close_frame,
    orders.CancelOpen: _cancel_open,
    orders.Undo: _undo,
    orders.MarkUndone: _mark_undone,
    orders.BeginCompensation: _begin_compensation,
    orders.Park: _park,
    orders.Unpark: _unpark,
    orders.Label: _label,
    orders.Rename: _rename,
    orders.FinishRun: _finish,
}
