"""What CEL may read, put together only when an expression asks for it, and only the steps it names."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any

from agents.decision import cel
from agents.decision.expressions import paths
from workflows.runs.engine.definition import Definition
from workflows.runs.engine.views import FrameView, RunView, Slot, StepView, around

_GIVEN = ("give", "arguments", "show")
_SINGLE = ("title", "key", "until")


@lru_cache(maxsize=4096)
def steps_read(text: str) -> frozenset[str] | None:
    """Return the nodes a CEL text reads; None when it may read any."""
    found = set()
    for path in paths(text):
        if path.parts[0] == "steps":
            if len(path.parts) == 1 or path.parts[1] == "[]":
                return None
            found.add(path.parts[1])
    return frozenset(found)


def told(step: StepView) -> dict[str, Any]:
    """Return what may be read of a step."""
    return {
        "state": step.state,
        "answer": {} if step.answer is None else step.answer,
        "error": dict(step.error),
        "generation": step.generation,
        "agent": "",
        "action": {},
        "actions": [],
        **step.facts,
    }


def variables(
    view: RunView,
    steps: Mapping[str, StepView],
    frames: Mapping[str, FrameView],
    slot: Slot,
    texts: Iterable[str],
) -> dict[str, Any]:
    """Return the names that texts may read in a slot; of ``steps`` only those they name."""
    read = [steps_read(text) for text in texts]
    names = steps if None in read else {name for found in read if found for name in found}
    return {
        **_items(view.definition, frames, slot),
        "run": dict(view.about),
        "input": dict(view.input),
        "steps": {name: told(steps[name]) for name in names if name in steps},
    }


def given(view: RunView) -> dict[str, Any]:
    """Return what the work of the view's step is given: ``give``, ``arguments``, ``show``, title, key, until.

    Null members are left out. Raises ConditionError that names the member.
    """
    step = view.step
    if step is None:
        return {}
    facts = view.definition.nodes[step.node].facts
    wanted = {f"{place}/{name}": text for place in _GIVEN for name, text in facts.get(place, {}).items()}
    wanted |= {place: facts[place] for place in _SINGLE if place in facts}
    found: dict[str, Any] = {place: {} for place in _GIVEN if place in facts}
    if not wanted:
        return found
    names = variables(view, view.steps, view.frames, step.slot, wanted.values())
    for place, value in _evaluated(wanted, cel.make_context(names)).items():
        member = place.partition("/")
        if member[1]:
            found[member[0]][member[2]] = value
        else:
            found[place] = value
    return found


def given_to_undo(view: RunView) -> dict[str, Any]:
    """Return the arguments of the operation that undoes the view's step. Raises ConditionError."""
    step = view.step
    texts = (view.definition.nodes[step.node].undo or {}).get("arguments", {}) if step else {}
    if step is None or not texts:
        return {}
    # What it undoes is this step, whatever was done in its node since.
    steps = {**view.steps, step.node: step}
    return _evaluated(texts, cel.make_context(variables(view, steps, view.frames, step.slot, texts.values())))


def _evaluated(texts: Mapping[str, str], context: Any) -> dict[str, Any]:
    found = {}
    for place, text in texts.items():
        try:
            value = cel.evaluate(text, context)
        except cel.ConditionError as error:
            raise cel.ConditionError(f"{place}: {error}") from None
        if value is not None:
            found[place] = value
    return found


def _items(definition: Definition, frames: Mapping[str, FrameView], slot: Slot) -> dict[str, Any]:
    """Return the items of the maps around a slot by their names, and the index in the innermost."""
    found: dict[str, Any] = {}
    for frame, index in around(frames, slot):
        node = definition.nodes[frame.node]
        if node.kind == "map":
            found.setdefault("index", index)
            found.setdefault(node.item, frame.item)
    return found
