"""A shell in memory: it writes what the machine orders, and refuses whatever a database would have to refuse.

It keeps the promises of ``workflows.runs.engine.orders``; the real one does the same in SQL.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from workflows.runs import engine
from workflows.runs.engine import events, orders
from workflows.runs.engine.views import ROOT, FrameView, RunView, Slot, StepView


@dataclass
class Shell:
    """One run in memory."""

    definition: engine.Definition
    input: Mapping[str, Any] = field(default_factory=dict)
    most_passed: int = engine.MOST_PASSED
    steps: dict[str, StepView] = field(default_factory=dict)
    frames: dict[str, FrameView] = field(default_factory=dict)
    items: dict[str, tuple[Any, ...]] = field(default_factory=dict)
    arrivals: dict[tuple[str, int], tuple[str, Any]] = field(default_factory=dict)
    parked: dict[str, tuple[str, str]] = field(default_factory=dict)
    finished: list[str] = field(default_factory=list)  # steps done by work, in the order of completion
    undone: list[str] = field(default_factory=list)
    given_up: list[str] = field(default_factory=list)
    undoing: dict[str, str] = field(default_factory=dict)  # by -> target
    joined: list[str] = field(default_factory=list)
    written: list[engine.Order] = field(default_factory=list)
    compensating: bool = False
    over: str = ""
    outcome: str = ""
    output: Mapping[str, Any] = field(default_factory=dict)
    label: str = ""
    _made: int = 0

    # What happens

    def start(self) -> Shell:
        self.send(None, events.Started())
        return self.pass_all()

    def send(self, step: str | None, event: engine.Event) -> engine.Plan:
        view = self.view(step)
        plan = engine.advance(view, event, most_passed=self.most_passed)
        assert plan == engine.advance(view, event, most_passed=self.most_passed), "the same must give the same"
        assert plan == engine.advance(self.slim(view), event, most_passed=self.most_passed), (
            "needs names too little"
        )
        self.write(plan)
        return plan

    def slim(self, view: RunView) -> RunView:
        """Return a view with no more steps in it than it needs."""
        wanted = engine.needs(self.definition, view.step.node if view.step else "")
        facts = wanted.nodes if wanted.facts is None else wanted.facts
        steps = {}
        for node, step in view.steps.items():
            if wanted.facts is None or node in facts:
                steps[node] = step
            elif node in wanted.nodes:
                steps[node] = replace(step, answer=None, error={}, facts={})
        return replace(view, steps=steps)

    def pass_all(self) -> Shell:
        """Give every ready step that nobody does its turn."""
        for _ in range(100_000):
            ready = [s for s in self.steps.values() if s.state == "ready" and not self.is_work(s)]
            if not ready:
                return self
            plan = self.send(ready[0].id, events.Begun())
            assert plan.orders, f"{ready[0].node} stays ready for ever"
        raise AssertionError("it turns for ever")

    def do(self, node: str, answer: Any = None, index: int | None = None) -> Shell:
        """Let the work of a node be done."""
        self.send(self.open(node, index).id, events.Closed({} if answer is None else answer))
        return self.pass_all()

    def fail(self, node: str, index: int | None = None, **more: Any) -> Shell:
        """Let the work of a node fail for good."""
        self.send(
            self.open(node, index).id,
            events.Failed(**{"code": "broken", "message": "It broke.", "retryable": False, **more}),
        )
        return self.pass_all()

    def undo(self, *, ok: bool = True, by: str = "") -> str:
        """Let what is being undone end; return what it was."""
        by = by or next(iter(self.undoing))
        target = self.undoing[by]
        about = by if by in self.steps else target
        self.send(about, events.Undone(target, ok, "" if ok else "It stays."))
        self.pass_all()
        return self.steps[target].node

    # What there is

    def is_work(self, step: StepView) -> bool:
        return self.definition.nodes[step.node].kind in engine.WORK

    def open(self, node: str, index: int | None = None) -> StepView:
        found = [s for s in self.steps.values() if s.node == node and s.is_open]
        return next(s for s in found if index is None or s.index == index)

    def open_nodes(self) -> list[str]:
        return sorted(s.node for s in self.steps.values() if s.is_open)

    def newest(self, node: str) -> StepView:
        return [s for s in self.steps.values() if s.node == node][-1]

    def path(self, slot: Slot) -> tuple[tuple[str, int], ...]:
        """Return the items of maps a slot is in, from the outside in."""
        found: tuple[tuple[str, int], ...] = ()
        while slot.frame != ROOT:
            frame = self.frames[slot.frame]
            if self.definition.nodes[frame.node].kind == "map":
                found = ((slot.frame, slot.index), *found)
            slot = frame.slot
        return found

    def is_inside(self, slot: Slot, frame: str, index: int | None) -> bool:
        """Tell whether a slot lies in a frame (at an index)."""
        while True:
            if slot.frame == frame and (index is None or slot.index == index):
                return True
            if slot.frame == ROOT:
                return False
            slot = self.frames[slot.frame].slot

    def view(self, step_id: str | None) -> RunView:
        step = self.steps[step_id] if step_id else None
        slot = step.slot if step else Slot()
        here = self.path(slot)
        newest = {
            found.node: found
            for found in self.steps.values()
            if here[: len(self.path(found.slot))] == self.path(found.slot)
        }
        frames = dict(self.chain(slot))
        if step and step.joins:
            frames[step.joins] = self.frames[step.joins]
        gathered = {
            index: value
            for (frame, index), (how, value) in self.arrivals.items()
            if step and frame == step.joins and how == "arrived"
        }
        return RunView(
            definition=self.definition,
            about={"id": "1", "key": "k", "workflow": "w", "label": self.label},
            input=self.input,
            step=step,
            steps=newest,
            frames=frames,
            gathered=gathered,
            to_undo=tuple(self.to_undo(step)),
            undoing=self.undoing.get(step.id if step and step.id in self.undoing else "", ""),
            standing=tuple(s for s in self.steps.values() if s.is_open or s.parked),
            over=bool(self.over),
            compensating=self.compensating,
        )

    def chain(self, slot: Slot) -> Iterator[tuple[str, FrameView]]:
        while slot.frame != ROOT:
            frame = self.frames[slot.frame]
            items = self.items.get(frame.id, ())
            how, _ = self.arrivals.get((frame.id, slot.index), ("", None))
            item = items[slot.index] if items else None
            yield frame.id, replace(frame, item=item, here="arrived" if how == "absorbed" else how)
            slot = frame.slot

    def to_undo(self, step: StepView | None) -> list[str]:
        kind = self.definition.nodes[step.node].kind if step else ""
        if not self.compensating and step and kind not in ("compensate", "end"):
            return []
        scope = engine.undo_scope(self.definition, None if self.compensating else step)
        return [
            found
            for found in reversed(self.finished)
            if found not in self.undone
            and found not in self.given_up
            and found not in self.undoing.values()
            and self.steps[found].node in scope.nodes
            and self.is_inside(
                self.steps[found].slot, scope.slot.frame, scope.slot.index if scope.slot.frame else None
            )
        ]

    # What is written

    def write(self, plan: engine.Plan) -> None:
        names: dict[str, str] = {}
        for order in plan.orders:
            assert not self.over or isinstance(order, orders.MarkUndone), f"{order} after the end"
            self.written.append(order)
            getattr(self, f"_{type(order).__name__.lower()}")(order, names)

    def _real(self, name: str, names: dict[str, str]) -> str:
        if not name.startswith("+"):
            return name
        if name not in names:
            self._made += 1
            names[name] = f"{self._made:06}"
        return names[name]

    def _slot(self, slot: Slot, names: dict[str, str]) -> Slot:
        return Slot(self._real(slot.frame, names), slot.index)

    def _may_begin(self, slot: Slot) -> None:
        while slot.frame != ROOT:
            frame = self.frames[slot.frame]
            assert not frame.closed, f"something begins in the closed frame of {frame.node}"
            assert 0 <= slot.index < frame.size
            slot = frame.slot

    def _make(self, order: orders.Make, names: dict[str, str]) -> None:
        slot = self._slot(order.slot, names)
        joins = self._real(order.joins, names) if order.joins else ""
        self._may_begin(slot)
        twins = [
            s
            for s in self.steps.values()
            if (s.node, s.slot, s.generation) == (order.node, slot, order.generation)
        ]
        assert not twins, f"{order} is there twice"
        if joins:
            assert joins not in self.joined, f"the join {order.node} fires twice"
            self.joined.append(joins)
        step = StepView(
            self._real(order.step, names), order.node, order.state, slot.frame, slot.index, order.generation,
            order.answer, order.error, priority=order.priority, joins=joins,
        )  # fmt: skip
        self.steps[step.id] = step
        if order.state == "done":
            self.finished.append(step.id)

    def _startitems(self, order: orders.StartItems, names: dict[str, str]) -> None:
        frame = self.frames[self._real(order.frame, names)]
        assert not frame.fired
        assert order.first == frame.started
        self.frames[frame.id] = replace(frame, started=frame.started + order.count)
        assert self.frames[frame.id].started <= frame.size
        for index in range(order.first, order.first + order.count):
            self._make(
                orders.Make(
                    f"+item{index}", order.node, Slot(frame.id, index), 1, "ready", priority=order.priority
                ),
                {},
            )

    def _close(self, order: orders.Close, names: dict[str, str]) -> None:
        step = self.steps[self._real(order.step, names)]
        assert step.is_open or order.by_hand, f"{step} is closed twice"
        self.steps[step.id] = replace(step, state=order.state, answer=order.answer, error=order.error)
        if order.state == "done" and not order.by_hand:
            self.finished.append(step.id)
        if order.by_hand and step.id in self.finished:
            self.finished.remove(step.id)

    def _reanswer(self, order: orders.Reanswer, names: dict[str, str]) -> None:
        self.steps[order.step] = replace(self.steps[order.step], answer=order.answer)

    def _again(self, order: orders.Again, names: dict[str, str]) -> None:
        counts = {"attempts": order.attempts, "infra_attempts": order.infra_attempts}
        self.steps[order.step] = replace(self.steps[order.step], state="ready", **counts)

    def _hold(self, order: orders.Hold, names: dict[str, str]) -> None:
        assert self.steps[order.step].is_open

    def _escalate(self, order: orders.Escalate, names: dict[str, str]) -> None:
        assert self.steps[order.step].is_open

    def _openframe(self, order: orders.OpenFrame, names: dict[str, str]) -> None:
        slot = self._slot(order.slot, names)
        self._may_begin(slot)
        frame = FrameView(
            self._real(order.frame, names), order.node, self._real(order.opener, names), order.size,
            slot.frame, slot.index, started=order.started, dead=len(order.dead),
        )  # fmt: skip
        self.frames[frame.id] = frame
        self.items[frame.id] = tuple(order.items)

    def _arrived(self, order: orders.Arrived, names: dict[str, str]) -> None:
        frame = self.frames[self._real(order.frame, names)]
        key = (frame.id, order.index)
        assert not frame.closed, f"an arrival in the closed frame of {frame.node}"
        assert key not in self.arrivals, f"{key} arrives twice"
        assert (order.how == "absorbed") <= frame.fired
        self.arrivals[key] = (order.how, order.value)
        failed = order.how == "failed"
        self.frames[frame.id] = replace(
            frame, failed=frame.failed + failed, arrived=frame.arrived + (not failed)
        )

    def _reopen(self, order: orders.Reopen, names: dict[str, str]) -> None:
        frame = self.frames[order.frame]
        del self.arrivals[(order.frame, order.index)]
        self.frames[frame.id] = replace(frame, **{order.how: getattr(frame, order.how) - 1})

    def _fireframe(self, order: orders.FireFrame, names: dict[str, str]) -> None:
        frame = self.frames[self._real(order.frame, names)]
        assert not frame.fired
        self.frames[frame.id] = replace(frame, fired=True)

    def _closeframe(self, order: orders.CloseFrame, names: dict[str, str]) -> None:
        frame = self.frames[self._real(order.frame, names)]
        assert not frame.closed
        self.frames[frame.id] = replace(frame, fired=True, closed=True)
        inside = [s.node for s in self.steps.values() if s.is_open and self.is_inside(s.slot, frame.id, None)]
        assert not inside, f"open in the closed frame of {frame.node}: {inside}"

    def _cancelopen(self, order: orders.CancelOpen, names: dict[str, str]) -> None:
        frame_id, but = self._real(order.frame, names), self._real(order.but, names) if order.but else ""
        for step in list(self.steps.values()):
            if step.id == but or not self.is_inside(step.slot, frame_id, order.index):
                continue
            if step.is_open:
                self.steps[step.id] = replace(step, state="cancelled")
            if step.parked:
                self._unpark(orders.Unpark(step.id), names)
        for frame in list(self.frames.values()):
            if frame.id != frame_id and self.is_inside(frame.slot, frame_id, order.index):
                self.frames[frame.id] = replace(frame, fired=True, closed=True)

    def _undo(self, order: orders.Undo, names: dict[str, str]) -> None:
        by, target = self._real(order.by, names) if order.by else "", order.step
        assert by not in self.undoing, "one at a time"
        assert target not in self.undone, f"{target} is undone twice"
        waiting = self.to_undo(self.steps[by] if by else None)
        assert waiting[0] == target, "newest first"
        self.undoing[by] = target
        if by:
            self.steps[by] = replace(self.steps[by], state="running")

    def _markundone(self, order: orders.MarkUndone, names: dict[str, str]) -> None:
        self.undoing = {by: target for by, target in self.undoing.items() if target != order.step}
        {"done": self.undone, "given_up": self.given_up, "failed": []}[order.how].append(order.step)

    def _begincompensation(self, order: orders.BeginCompensation, names: dict[str, str]) -> None:
        self.compensating = True

    def _park(self, order: orders.Park, names: dict[str, str]) -> None:
        step = self.steps[self._real(order.step, names)]
        assert not step.parked
        self.steps[step.id] = replace(step, parked=True)
        self.parked[step.id] = (order.code, order.why)

    def _unpark(self, order: orders.Unpark, names: dict[str, str]) -> None:
        self.steps[order.step] = replace(self.steps[order.step], parked=False)
        del self.parked[order.step]

    def _label(self, order: orders.Label, names: dict[str, str]) -> None:
        self.label = order.text

    def _rename(self, order: orders.Rename, names: dict[str, str]) -> None:
        for step in list(self.steps.values()):
            self.steps[step.id] = replace(step, node=order.nodes.get(step.node, step.node))
        for frame in list(self.frames.values()):
            self.frames[frame.id] = replace(frame, node=order.nodes.get(frame.node, frame.node))

    def _finishrun(self, order: orders.FinishRun, names: dict[str, str]) -> None:
        self.over, self.outcome, self.output = order.state, order.outcome, order.output
        assert not self.open_nodes(), f"open after the end: {self.open_nodes()}"
