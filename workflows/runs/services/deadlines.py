"""The two deadlines of people's work: not started and not completed, each with a reminder before it.

Both are rows of timers, one query for all that is due: a task that waits costs nothing. What is to happen then
is asked of the machine; whether it still applies, of the task, under its lock.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from workflows.runs import engine, selectors
from workflows.runs.engine.events import Late
from workflows.runs.engine.orders import Close, Escalate
from workflows.runs.models import Run, Step, Timer
from workflows.runs.services.look import Look
from workflows.runs.services.moving import ENGINE, note
from workflows.tasks import services as tasks
from workflows.tasks.models import Task
from workflows.tasks.selectors import database_now

START, COMPLETE = "start", "complete"
REMINDERS = {remind: name for name, (remind, _) in Timer.OF_DEADLINE.items()}
ENDS = {end: name for name, (_, end) in Timer.OF_DEADLINE.items()}
_NOTED = {
    START: ("runs.step_not_started", "nobody has taken it in time"),
    COMPLETE: ("runs.step_overdue", "it was not done in time"),
}


def set_deadlines(step: Step, deadlines: Mapping[str, Mapping[str, Any]]) -> datetime | None:
    """Start the clocks of a step, by the database's clock; return when it is to be done, if that is said."""
    now = step.clock_stopped_at or database_now()
    Timer.objects.bulk_create(
        Timer(step=step, kind=kind, fire_at=now + timedelta(seconds=facts[member]))
        for name, facts in deadlines.items()
        for kind, member in zip(Timer.OF_DEADLINE[name], ("remind_seconds", "seconds"), strict=True)
        if member in facts
    )
    return now + timedelta(seconds=deadlines[COMPLETE]["seconds"]) if COMPLETE in deadlines else None


def has_deadline(run: Run, step: Step, timer: Timer) -> bool:
    """Tell whether a timer is one of a deadline of people's work."""
    name = REMINDERS.get(Timer.Kind(timer.kind)) or ENDS.get(Timer.Kind(timer.kind))
    return bool(step.task_id) and name in run.version.content["nodes"].get(step.node, {}).get("deadlines", {})


def pass_timer(run: Run, step: Step, timer: Timer) -> None:
    """Do what a deadline or its reminder asks for, unless the task needs it no more. The run is locked."""
    task = Task.objects.select_for_update(of=("self",)).get(step=step)
    kind = Timer.Kind(timer.kind)
    name = REMINDERS.get(kind) or ENDS[kind]
    is_started = name == START and task.state == Task.State.CLAIMED
    if task.state not in Task.WAITING or is_started:
        return
    if kind in REMINDERS:
        tasks.remind_task(actor=ENGINE, task_id=task.pk, deadline=name)
        return
    verb, words = _NOTED[name]
    note(actor=ENGINE, run=run, verb=verb, sentence=f"{run.label}: {step.name}: {words}", code=name)
    _late(run, step, name)


def _late(run: Run, step: Step, deadline: str) -> None:
    view = Look([run], [str(step.pk)]).runs[str(run.pk)].picture.view(str(step.pk))
    for order in engine.advance(view, Late(deadline)).orders:
        if isinstance(order, Escalate):
            _ask_others(step, order)
        elif isinstance(order, Close) and order.step == str(step.pk):
            # The step takes its answer from its task, in a look of its own: locks keep their order.
            tasks.close_by_deadline(
                actor=ENGINE, task_id=step.task_id, deadline=deadline, answer=order.answer or {}
            )


def _ask_others(step: Step, order: Escalate) -> None:
    """Ask the named groups; those that are gone since nobody can ask, and a task without people is nobody's."""
    groups = list(selectors.groups_of_people().filter(name__in=order.to))
    change = tasks.reassign_task if order.then == "reassign" and groups else tasks.escalate_task
    change(actor=ENGINE, task_id=step.task_id, deadline=order.deadline, groups=groups)
