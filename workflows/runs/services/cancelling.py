"""Ending what is open in a run, or in one frame of it: steps, their tasks and actions, timers, frames."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from django.db import connection
from django.db.models import QuerySet
from django.db.models.functions import Now

from audit.vocabulary import Actor
from workflows.actions.choices import NOT_BEGUN
from workflows.actions.models import Action
from workflows.actions.services import drop_action
from workflows.runs.choices import OPEN_STEPS, StepState
from workflows.runs.models import Frame, Ready, Run, Step, Subscription, Timer
from workflows.tasks.models import Task
from workflows.tasks.services import close_if_waiting

_INSIDE = """
WITH RECURSIVE inside AS (
    SELECT id FROM runs_frame
     WHERE run_id = %(run)s AND outer_id = %(frame)s AND (%(index)s::int IS NULL OR index = %(index)s)
     UNION
    SELECT f.id FROM runs_frame f JOIN inside i ON f.outer_id = i.id
)
SELECT id FROM inside
"""


def cancel_open(
    *, actor: Actor, run: Run, frame: str, index: int | None, but: str, reason: str
) -> tuple[list[str], list[str]]:
    """Cancel every open step in a slot (frame '': in the whole run) but one, and settle every incident in it.

    Return the ids of the steps that were cancelled, and of those that wait for an operator no more.
    """
    found, frames = steps_inside(run=run, frame=frame, index=index, but=but)
    Frame.objects.filter(pk__in=frames).update(is_fired=True, is_closed=True)
    parked = list(found.filter(is_parked=True).values_list("pk", flat=True))
    steps = list(found.filter(state__in=OPEN_STEPS).values_list("pk", flat=True))
    # An action is locked before the task that waits for it, as a vote does.
    withdraw_actions(actor, steps, reason)
    parked = list(found.filter(is_parked=True).values_list("pk", flat=True))
    Step.objects.filter(pk__in=steps).update(state=StepState.CANCELLED, is_parked=False, finished_at=Now())
    drop_work(actor, steps, reason)
    # Whoever had the task may have asked for something until it was closed; now nobody can any more.
    withdraw_actions(actor, steps, reason)
    Step.objects.filter(pk__in=parked).update(is_parked=False)
    return [str(key) for key in steps], [str(key) for key in parked]


def steps_inside(
    *, run: Run, frame: str, index: int | None, but: str
) -> tuple[QuerySet[Step], QuerySet[Frame]]:
    """Return the steps in a slot (frame '': in the whole run) but one, and the frames inside of it."""
    found, frames = Step.objects.filter(run=run), Frame.objects.filter(run=run)
    if frame:
        frames = frames.filter(pk__in=frames_inside(run, frame, index))
        here = found.filter(frame=UUID(frame))
        found = (here if index is None else here.filter(index=index)) | found.filter(frame__in=frames)
    return (found.exclude(pk=but) if but else found), frames


def drop_work(actor: Actor, steps: Sequence[UUID], reason: str) -> None:
    """Withdraw what waits for steps that are over: tasks, timers, subscriptions and turns."""
    Timer.objects.filter(step__in=steps).delete()
    Subscription.objects.filter(step__in=steps).delete()
    for task_id in Step.objects.filter(pk__in=steps, task__isnull=False).values_list("task_id", flat=True):
        close_if_waiting(actor=actor, task_id=task_id, state=Task.State.CANCELLED, reason=reason)
    # A task that is closed gives its step a turn; there is nothing to look at any more.
    Ready.objects.filter(step__in=steps).delete()


def withdraw_actions(actor: Actor, steps: Sequence[UUID], reason: str) -> None:
    """Take back what was asked for in steps and has not begun."""
    waiting = Action.objects.filter(state__in=NOT_BEGUN, references__step_id__in=[str(key) for key in steps])
    for action_id in waiting.order_by("pk").values_list("pk", flat=True):
        drop_action(actor=actor, action_id=action_id, reason=reason)


def frames_inside(run: Run, frame: str, index: int | None) -> list[UUID]:
    """Return every frame that was opened inside a frame (at an index), however deep."""
    with connection.cursor() as cursor:
        cursor.execute(_INSIDE, {"run": str(run.pk), "frame": frame, "index": index})
        return [row[0] for row in cursor.fetchall()]
