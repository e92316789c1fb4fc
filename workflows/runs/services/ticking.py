"""The engine's hand: take what is ready, begin it or go on after it, all of one look in one transaction.

A look locks its run with SKIP LOCKED, before anything else, as cancelling does: two that took their locks in
another order would wait for each other. It deletes its row with everything it did: a worker that dies leaves it
to the next. No call to the outside and no waiting happens here; agents, people and systems have leases of
their own (tasks and actions), and their ends come back as ready rows.
"""

from __future__ import annotations

import logging
from uuid import UUID

from django.db import InterfaceError, OperationalError, transaction
from django.db.models import QuerySet
from django.db.models.functions import Now

from workflows.runs import engine
from workflows.runs.choices import RunState, StepState
from workflows.runs.models import Ready, Run, Step
from workflows.runs.services.entering import begin
from workflows.runs.services.leaving import go_on
from workflows.runs.services.moving import lock_run, park

MOST_LOOKS = 200

logger = logging.getLogger(__name__)


def tick(*, most: int = MOST_LOOKS) -> int:
    """Look at what is ready until nothing is; return how many looks that took."""
    looks = 0
    while looks < most and _look():
        looks += 1
    return looks


def _look() -> bool:
    """Look at one ready step; one that breaks the engine parks its run, so that it hinders no other."""
    step_id: UUID | None = None
    try:
        with transaction.atomic():
            run = _next_run()
            ready = _due(run).first() if run else None
            if run is None or ready is None:
                return False
            step_id = ready.step_id
            ready.delete()  # first: what is looked at may be over at once, and is ready again then
            look_at(run, step_id)
    except (OperationalError, InterfaceError):
        raise  # the database is away or chose us in a deadlock: nothing was done, and the row is still there
    except Exception:
        logger.exception("The engine could not look at step %s.", step_id)
        if step_id is None:
            raise
        _park_broken(step_id)
    return True


def _next_run() -> Run | None:
    """Lock the run that has waited longest for a look; one that somebody else has is left to them."""
    found = (
        Run.objects.select_for_update(skip_locked=True, of=("self",))
        .filter(steps__ready__not_before__lte=Now())
        .order_by("steps__ready__priority", "steps__ready__step_id")
        .values_list("pk", flat=True)
        .first()
    )
    return lock_run(found) if found else None


def _due(run: Run) -> QuerySet[Ready]:
    return Ready.objects.filter(step__run=run, not_before__lte=Now()).order_by("priority", "step_id")


def look_at(run: Run, step_id: UUID) -> None:
    """Begin a step that is ready, or go on after one whose work has ended. The run is locked."""
    if run.state != RunState.RUNNING:
        return
    step = Step.objects.select_related("task__claimed_by", "action__agent", "run").get(pk=step_id)
    step.run = run
    definition = engine.parse(run.version.content)
    if step.state == StepState.READY:
        begin(run, definition, step)
    elif step.state == StepState.RUNNING:
        go_on(run, definition, step)


@transaction.atomic
def _park_broken(step_id: UUID) -> None:
    step = Step.objects.get(pk=step_id)
    run = lock_run(step.run_id)
    Ready.objects.filter(pk=step_id).delete()
    if run.state == RunState.RUNNING:
        park(run, step, "engine_error", "The engine failed here; its log says why.")
