"""The times of a node (`timeouts`): set when its work begins; what passes is a failure with a code of its own.

An operation that a system may be doing right now is never given up: whether it had an effect is not known. That
its time has passed is told then, and what became of it is followed when it is known.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from workflows.actions.choices import NOT_BEGUN
from workflows.actions.models import Action
from workflows.actions.services import drop_action
from workflows.runs.choices import OPEN_RUNS, OPEN_STEPS
from workflows.runs.engine.events import Failed
from workflows.runs.models import Run, Step, Timer
from workflows.runs.services.attempts import jitter
from workflows.runs.services.carrying import carry_on
from workflows.runs.services.clocks import set_timer
from workflows.runs.services.definitions import definition_of
from workflows.runs.services.look import Look
from workflows.runs.services.moving import ENGINE, note
from workflows.runs.services.times import TIMES, Kind
from workflows.tasks.models import Task
from workflows.tasks.selectors import database_now
from workflows.tasks.services import time_out_task


def time_out(run: Run, timer: Timer) -> None:
    """Let a time of a step of a locked run pass, or look again later when it does not count from then."""
    step, kind = timer.step, Kind(timer.kind)
    member, _, _ = TIMES[kind]
    node = definition_of(run.version).nodes.get(step.node)
    seconds = node.facts.get("timeouts", {}).get(member) if node else None
    timer.delete()
    if not seconds or run.state not in OPEN_RUNS or step.state not in OPEN_STEPS or step.is_parked:
        return
    if step.task_id:
        _of_task(step, kind, seconds)
    else:
        _of_operation(run, step, kind, seconds)


def _of_task(step: Step, kind: Timer.Kind, seconds: int) -> None:
    task = Task.objects.select_for_update(of=("self",)).get(step=step)
    if task.state not in Task.WAITING:
        return
    if kind != Kind.TOTAL and _not_yet(step, kind, seconds, _since(task, kind)):
        return
    _, code, words = TIMES[kind]
    time_out_task(task_id=task.pk, code=code, message=f"{step.name}: {words}.", retry=kind != Kind.TOTAL)
    task.refresh_from_db()
    if task.state in Task.WAITING:
        set_timer(step, kind, seconds)


def _since(task: Task, kind: Timer.Kind) -> datetime | None:
    """Return since when the time of a task runs, None while it does not."""
    if kind == Kind.QUEUE:
        return task.available_at if task.state == Task.State.OPEN and not task.waits_for else None
    return task.claimed_at if task.state == Task.State.CLAIMED else None


def _not_yet(step: Step, kind: Timer.Kind, seconds: int, since: datetime | None) -> bool:
    now = database_now()
    at = (since or now) + timedelta(seconds=seconds)
    if at <= now:
        return False
    Timer.objects.create(step=step, kind=kind, fire_at=at)
    return True


def _of_operation(run: Run, step: Step, kind: Timer.Kind, seconds: int) -> None:
    action = step.action if step.state == Step.State.RUNNING else None
    if action is not None and kind != Kind.RUN and action.state in NOT_BEGUN:
        action = drop_action(actor=ENGINE, action_id=action.pk, reason=TIMES[kind][2])
    elif action is not None and (action.is_final or _goes_on(run, step, action, kind, seconds)):
        return  # its end is told by itself
    elif action is None and kind == Kind.RUN:
        return
    _, code, words = TIMES[kind]
    failed = Failed(code, f"{step.name}: {words}.", retryable=kind != Kind.TOTAL, jitter=jitter())
    look = Look([run], [str(step.pk)])
    look.tell(str(run.pk), str(step.pk), failed)
    carry_on(look)


def _goes_on(run: Run, step: Step, action: Action, kind: Timer.Kind, seconds: int) -> bool:
    """Leave an action alone that has begun, or not even that; say on record what of it is too late."""
    if kind == Kind.RUN and _not_yet(step, kind, seconds, action.dispatched_at):
        return True
    if kind != Kind.QUEUE:
        _, code, words = TIMES[kind]
        sentence = f"{run.label}: {step.name}: {words}; whether it was done is not known yet"
        note(actor=ENGINE, run=run, verb="runs.step_overdue", sentence=sentence, code=code)
    return True
