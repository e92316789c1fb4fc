"""Which verbs would be accepted as things stand: what pages offer. Each verb asks its own questions again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from uuid import UUID

from django.db.models import Q

from workflows.actions.models import Action
from workflows.runs.choices import OPEN_RUNS, OPEN_STEPS, RunVerb, StepState, StepVerb, VersionState
from workflows.runs.engine.definition import WORK
from workflows.runs.models import Frame, Run, Step
from workflows.runs.services.cancelling import steps_inside
from workflows.runs.services.steering.effects import UNDER_WAY
from workflows.tasks.models import Task

# Of what the engine passes by itself only a join has an answer that anything reads.
WITH_ANSWER = WORK | {"join"}
CORRECTED = (StepState.DONE, StepState.SKIPPED)
Slot = tuple[str, UUID | None, int]


def verbs_of_run(run: Run) -> list[RunVerb]:
    """Return what may be done to a run now; nothing to one that is over."""
    if run.state not in OPEN_RUNS:
        return []
    return [verb for verb, would in _OF_RUN.items() if would(run)]


def verbs_of_steps(run: Run, steps: Sequence[Step]) -> dict[UUID, list[StepVerb]]:
    """Return what may be done to these steps of a run now, in a fixed number of queries."""
    if run.state not in OPEN_RUNS or not steps:
        return {}
    facts = _Facts(run, steps)
    return {
        step.pk: [verb for verb, would in _OF_STEP.items() if would(step, facts)]
        for step in steps
        if facts.is_steered(step)
    }


def _could_move(run: Run) -> bool:
    approved = run.workflow.versions.filter(state=VersionState.APPROVED)
    return not run.is_compensating and approved.exclude(pk=run.version_id).exists()


_OF_RUN: dict[RunVerb, Callable[[Run], bool]] = {
    RunVerb.RETRY: lambda run: run.steps.filter(is_parked=True).exists(),
    RunVerb.PAUSE: lambda run: not run.is_paused,
    RunVerb.RESUME: lambda run: run.is_paused,
    RunVerb.PRIORITY: lambda run: True,
    RunVerb.MIGRATE: _could_move,
    RunVerb.COMPENSATE: lambda run: not run.is_compensating,
    RunVerb.CANCEL: lambda run: True,
}


@dataclass
class _Facts:
    """What else the answer depends on: newer attempts, joins that were passed, actions that have begun."""

    run: Run
    steps: Sequence[Step]
    newest: dict[Slot, int] = field(init=False)
    over: set[UUID] = field(init=False)
    busy: set[UUID] = field(init=False)
    _kept: dict[Slot, bool] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        """Read it."""
        again = Step.objects.filter(run=self.run, generation__gt=1).order_by("generation")
        slots = again.values_list("node", "frame", "index", "generation")
        self.newest = {(node, frame, index): generation for node, frame, index, generation in slots}
        self.over = _over({step.frame_id for step in self.steps if step.frame_id is not None})
        self.busy = _busy(self.steps)

    def is_steered(self, step: Step) -> bool:
        """Tell whether it is the newest attempt, or a run that is being undone: there every one counts."""
        slot = (step.node, step.frame_id, step.index)
        return self.run.is_compensating or step.generation >= self.newest.get(slot, 1)

    def could_begin_again(self, step: Step) -> bool:
        """Tell whether nothing forbids another attempt: no join that was passed, nothing on its way."""
        if step.kind == "join" or step.frame_id in self.over:
            return False
        return not self.busy or not self._holds_busy(step)

    def _holds_busy(self, step: Step) -> bool:
        slot = ("", step.frame_id, step.index)
        if slot not in self._kept:
            frame, index = (str(step.frame_id), step.index) if step.frame_id else ("", None)
            inside, _ = steps_inside(run=self.run, frame=frame, index=index, but="")
            self._kept[slot] = inside.filter(pk__in=self.busy, state__in=OPEN_STEPS).exists()
        return self._kept[slot] or step.pk in self.busy


def _over(frames: set[UUID]) -> set[UUID]:
    """Return which frames, or one that they are inside of, are joined or closed already."""
    around: dict[UUID, tuple[UUID | None, bool]] = {}
    wanted = frames
    while wanted:
        found = Frame.objects.filter(pk__in=wanted).values_list("pk", "outer", "is_fired", "is_closed")
        around |= {key: (outer, fired or closed) for key, outer, fired, closed in found}
        wanted = {outer for outer, _ in around.values() if outer} - set(around)

    def is_over(key: UUID | None) -> bool:
        return key is not None and (around[key][1] or is_over(around[key][0]))

    return {key for key in around if is_over(key)}


def _busy(steps: Sequence[Step]) -> set[UUID]:
    """Return the steps for which a system may be doing something right now."""
    of_action = {step.action_id: step.pk for step in steps if step.action_id}
    of_action |= {step.undo_action_id: step.pk for step in steps if step.undo_action_id}
    of_task = {step.task_id: step.pk for step in steps if step.task_id}
    asked = Q(pk__in=list(of_action)) | Q(task__in=list(of_task))
    found = Action.objects.filter(asked, state__in=UNDER_WAY).values_list("pk", "task")
    busy = {of_action.get(key) or of_task.get(task) for key, task in found}
    return {key for key in busy if key is not None}


def _retry(step: Step, facts: _Facts) -> bool:
    if not step.is_parked or step.pk in facts.busy:
        return False
    is_done = step.kind == "operation" and step.state == StepState.DONE
    return facts.run.is_compensating or is_done or facts.could_begin_again(step)


def _rerun(step: Step, facts: _Facts) -> bool:
    return not facts.run.is_compensating and facts.could_begin_again(step)


def _waits(step: Step) -> bool:
    return step.state in OPEN_STEPS or step.is_parked


def _skip(step: Step, facts: _Facts) -> bool:
    return step.is_parked if facts.run.is_compensating else _waits(step) and step.kind != "end"


def _override(step: Step, facts: _Facts) -> bool:
    if facts.run.is_compensating or step.kind not in WITH_ANSWER:
        return False
    return _waits(step) or step.state in CORRECTED


def _redirect(step: Step, facts: _Facts) -> bool:
    if step.state != StepState.RUNNING or step.pk in facts.busy:
        return False
    if step.action is not None:
        return not step.action.is_final
    return step.task is not None and step.task.state in Task.WAITING


def _deadline(step: Step, facts: _Facts) -> bool:
    return step.state in OPEN_STEPS and bool(step.task_id or step.action_id)


_OF_STEP: dict[StepVerb, Callable[[Step, _Facts], bool]] = {
    StepVerb.RETRY: _retry,
    StepVerb.OVERRIDE: _override,
    StepVerb.SKIP: _skip,
    StepVerb.REDIRECT: _redirect,
    StepVerb.DEADLINE: _deadline,
    StepVerb.RERUN: _rerun,
}
