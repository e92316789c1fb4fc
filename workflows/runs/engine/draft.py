"""A plan being made: the view with everything that was decided so far, and what is still to be followed."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from agents.decision import cel
from workflows.runs.engine.definition import Definition, Node
from workflows.runs.engine.facts import variables
from workflows.runs.engine.orders import Close, Label, Make, Order, Park, Plan, Unpark
from workflows.runs.engine.views import FrameView, RunView, Slot, StepView

NEW = "new"
_LABEL_LENGTH = 200


@dataclass(frozen=True, slots=True)
class Way:
    """Go on with a node in a slot. ``by``: the step that led there; ``by_hand``: an operator, who may loop."""

    slot: Slot
    to: str
    by: StepView | None = None
    by_hand: bool = False


class Draft:
    """Working copy of a view. Only the functions of the machine touch it; nobody keeps it."""

    def __init__(self, view: RunView, most_passed: int) -> None:
        self.view = view
        self.definition: Definition = view.definition
        self.frames: dict[str, FrameView] = dict(view.frames)
        self.steps: dict[str, StepView] = dict(view.steps)
        if view.step is not None:
            self.steps.setdefault(view.step.node, view.step)
        self.todo: deque[Way] = deque()
        self.left_to_pass = most_passed
        self.over = False
        self._orders: list[Order] = []
        self._made = 0

    def plan(self) -> Plan:
        """Return what was ordered."""
        return Plan(tuple(self._orders))

    def add(self, *orders: Order) -> None:
        """Order something."""
        self._orders.extend(orders)

    def node(self, step: StepView) -> Node:
        """Return the node of a step."""
        return self.definition.nodes[step.node]

    def name(self, kind: str = "") -> str:
        """Return an id for something new; the same plan always gives the same ones."""
        self._made += 1
        return f"+{kind}{self._made}"

    def generation(self, slot: Slot, node: str) -> int:
        """Return which time a node is about to be done in its slot."""
        newest = self.steps.get(node)
        return newest.generation + 1 if newest is not None and newest.slot == slot else 1

    def new(self, slot: Slot, node: Node, *, joins: str = "") -> StepView:
        """Return a step that is not written yet: ``ready`` or ``close`` writes it."""
        return StepView(
            self.name(),
            node.id,
            NEW,
            slot.frame,
            slot.index,
            self.generation(slot, node.id),
            priority=node.facts.get("priority"),
            joins=joins,
        )

    def ready(self, step: StepView, answer: Any = None) -> None:
        """Write a new step that waits for its turn."""
        self._write(_as(step, "ready", answer, {}), is_new=True)

    def close(
        self,
        step: StepView,
        state: str,
        answer: Any = None,
        error: Mapping[str, Any] | None = None,
        *,
        by_hand: bool = False,
    ) -> StepView:
        """End a step, a new one in the moment it is made; return it as it is now."""
        if step.parked:
            self.add(Unpark(step.id))
        closed = _as(step, state, answer, error or {})
        self._write(closed, is_new=step.state == NEW, by_hand=by_hand)
        return closed

    def _write(self, step: StepView, *, is_new: bool, by_hand: bool = False) -> None:
        self.steps[step.node] = step
        if is_new:
            self.add(
                Make(step.id, step.node, step.slot, step.generation, step.state, step.answer, step.error,
                     step.priority, step.joins)
            )  # fmt: skip
        else:
            self.add(Close(step.id, step.state, step.answer, step.error, by_hand))

    def park(self, step: StepView, code: str, why: str) -> None:
        """Let an operator look at a step, unless one does."""
        if not step.parked:
            self.add(Park(step.id, code, why))

    def go(self, slot: Slot, to: str, by: StepView | None, *, by_hand: bool = False) -> None:
        """Follow a way later in this plan."""
        self.todo.append(Way(slot, to, by, by_hand))

    def context(self, slot: Slot, texts: Iterable[str], **more: Any) -> Any:
        """Return a CEL context for texts read in a slot; made only when there is something to read."""
        names = variables(self.view, self.steps, self.frames, slot, texts)
        return cel.make_context({**names, **more})

    def relabel(self, step: StepView) -> None:
        """Say what the run is called now, if the node of a step that is done says so; a bad name is none."""
        text = self.node(step).facts.get("label")
        if not text:
            return
        try:
            found = cel.evaluate(text, self.context(step.slot, [text]))
        except cel.ConditionError:
            return  # a name for people is worth no incident
        if isinstance(found, str) and found.strip():
            self.add(Label(found.strip()[:_LABEL_LENGTH]))


def _as(step: StepView, state: str, answer: Any, error: Mapping[str, Any]) -> StepView:
    """Return a step in another state, written out: ``replace`` took most of the time of a plain step."""
    return StepView(
        step.id,
        step.node,
        state,
        step.frame,
        step.index,
        step.generation,
        answer,
        error,
        step.attempts,
        step.infra_attempts,
        step.priority,
        False,
        step.joins,
        step.facts,
    )
