"""After events: write what came of them, begin the work that follows, and so on until somebody else has it."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from audit.lookups import attach, by_key
from workflows.actions.models import Action
from workflows.runs.models import Step
from workflows.runs.services.beginning import Asked, ask_for, begin
from workflows.runs.services.lanes import put_in_line
from workflows.runs.services.look import Look
from workflows.runs.services.picture import show
from workflows.runs.services.undoing import begin_undoing

# Beginning is the dear part of a look; what is more has a turn of its own.
MOST_BEGUN = 100


def carry_on(look: Look, to_begin: Sequence[tuple[str, str]] = ()) -> None:
    """Write what came of a look; begin the work of these steps (id, run) and of those that follow at once.

    Nothing begins in a run that a person paused: it is left for the look after it goes on.
    """
    left = MOST_BEGUN
    waiting = list(to_begin)
    while True:
        waiting += look.take_fresh()
        look.leave([step for step, run in waiting if look.runs[run].picture.run.is_paused])
        waiting = [(step, run) for step, run in waiting if not look.runs[run].picture.run.is_paused]
        look.leave([step for step, _ in waiting[left:]])
        look.write()
        now, waiting, left = waiting[:left], [], max(0, left - len(waiting))
        to_undo = [(step, run) for step, run in look.take_undos() if not _is_left(look, step, run)]
        if not now and not to_undo:
            return
        _begin_undoing(look, to_undo)
        _begin(look, now)


def _is_left(look: Look, step_id: str, run_id: str) -> bool:
    """Leave an undoing to the time when a paused run goes on; say whether it was."""
    if not look.runs[run_id].picture.run.is_paused:
        return False
    put_in_line([UUID(str(step_id))])
    return True


def _begin_undoing(look: Look, found: Sequence[tuple[str, str]]) -> None:
    """Ask for what undoes these steps (id, run). What was ordered is done, whatever became of the run since."""
    for target, run_id in found:
        picture = look.runs[run_id].picture
        show(picture, target)
        if (event := begin_undoing(picture, target)) is not None:
            by = next(by for by, undone in picture.undoing.items() if undone == target)
            look.tell(run_id, by, event)


def _begin(look: Look, found: Sequence[tuple[str, str]]) -> None:
    steps = by_key(Step.objects.defer("answer", "error"), [step_id for step_id, _ in found])
    attach(steps.values(), "action", Action.objects.all())
    asked: list[Asked] = []
    for step_id, run_id in found:
        if not _is_to_begin(look, step_id, run_id):
            continue
        to, step = look.runs[run_id], steps[UUID(step_id)]
        step.run = to.picture.run
        event = begin(step, to.picture)
        if isinstance(event, Asked):
            asked.append(event)
        elif event is not None:
            look.tell(run_id, step_id, event)
    wanted = [one for one in asked if _is_to_begin(look, str(one.step.pk), str(one.step.run_id))]
    for one, refused in ask_for(wanted):
        look.tell(str(one.step.run_id), str(one.step.pk), refused)


def _is_to_begin(look: Look, step_id: str, run_id: str) -> bool:
    """Tell whether nothing that came of another step of the run in this look has ended this one."""
    to = look.runs[run_id]
    return to.finish is None and to.picture.steps[step_id].is_open
