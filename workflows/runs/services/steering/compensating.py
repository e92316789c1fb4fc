"""Having a whole run undone: everything it completed, the newest first, each by an action of its own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from workflows.runs import engine
from workflows.runs.choices import StepState, Undone
from workflows.runs.engine.events import Compensate as CompensateEvent
from workflows.runs.engine.events import Event
from workflows.runs.models import Run, Step
from workflows.runs.services.definitions import definition_of
from workflows.runs.services.steering.effects import MOST_TOLD, Change, undoing_of
from workflows.runs.services.steering.planned import Planned
from workflows.runs.services.steering.verb import Standing
from workflows.runs.services.undoing import left_to_undo

_LEFT_BECAUSE = {
    Undone.DONE: "it was undone before",
    Undone.GIVEN_UP: "undoing it was given up",
    Undone.BY_HAND: "its answer was given by hand",
}


@dataclass(frozen=True)
class Compensate(Planned):
    """Undo everything a run completed, the newest first, and end it as compensated; what is open ends."""

    name = "compensate"
    fact = "runs.run_compensated"
    shapes = True
    why = "The run is being undone"

    def event(self, at: Standing) -> Event:
        """Return what the machine is told."""
        return CompensateEvent()

    def leaves(self, at: Standing) -> Any:
        """Return no step: what stays is told with the reason why."""
        return Step.objects.none()

    def changes(self, at: Standing) -> Sequence[Change]:
        """Return what ends, all that is undone in its order, what is left and why, and how the run ends."""
        found = [change for change in super().changes(at) if change.kind not in ("undoes", "run")]
        return [*found, *undoing_of(at.run), *_undone(at.run), *_left(at.run), *_then(at.run)]

    def sentence(self, at: Standing) -> str:
        """Return what the ledger says."""
        return f"{at.actor.label} has everything undone that {at.run.label} did"

    def after(self, at: Standing) -> Mapping[str, Any]:
        """Return how the run ends, once all of it is undone."""
        return {"state": "cancelled", "outcome": "compensated"}


def _undone(run: Run) -> Iterator[Change]:
    definition = definition_of(run.version)
    steps = list(left_to_undo(run, engine.undo_scope(definition, None)))
    for place, step in enumerate(steps[:MOST_TOLD], start=1):
        operation = (definition.nodes[step.node].undo or {})["operation"]
        which = f" ({step.index + 1})" if step.frame_id else ""
        done = f", done {step.finished_at:%Y-%m-%d %H:%M} UTC," if step.finished_at else ""
        yield Change("undoes", f"{place}. {step.name}{which}{done} is undone by {operation}.", str(step.pk))
    if len(steps) > MOST_TOLD:
        yield Change("undoes", f"{len(steps) - MOST_TOLD} more steps are undone, the newest first.")


def _left(run: Run) -> Iterator[Change]:
    """Yield the effects that stay, and why."""
    nodes = definition_of(run.version).nodes
    done = Step.objects.filter(run=run, kind="operation", state=StepState.DONE).order_by("-finished_at", "-pk")
    for step in done[:MOST_TOLD]:
        if why := _why_left(step, nodes.get(step.node)):
            yield Change("stays", f"{step.name} stays as it is: {why}.", str(step.pk))


def _why_left(step: Step, node: engine.Node | None) -> str:
    if node is None:
        return "the version the run follows now has no such step"
    if node.undo is None:
        on_purpose = node.facts.get("undo") == "none"
        return "there is nothing to undo" if on_purpose else "its version does not say what undoes it"
    return _LEFT_BECAUSE.get(Undone(step.undone), "") if step.undone else ""


def _then(run: Run) -> Iterator[Change]:
    if run.is_paused:
        yield Change("waits", "The run is paused: nothing is undone before it is resumed.")
    yield Change("run", "Then the run ends for good, cancelled, with the outcome compensated.")
