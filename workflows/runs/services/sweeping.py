"""The engine's clock: timers fire, and what a crash left without its ready row gets one."""

from __future__ import annotations

import logging
from collections.abc import Callable
from uuid import UUID

from django.db import transaction
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.db.models.functions import Now

from workflows.actions.choices import FINAL
from workflows.runs.choices import OPEN_RUNS, OPEN_STEPS, RunState, StepState, Undone
from workflows.runs.engine.events import Closed, Event, Late
from workflows.runs.models import Run, Signal, Step, Timer
from workflows.runs.services.carrying import carry_on
from workflows.runs.services.deadlines import has_deadline, pass_timer
from workflows.runs.services.holding import release_held
from workflows.runs.services.leaving import news_of
from workflows.runs.services.look import Look, cancel_child
from workflows.runs.services.moving import ENGINE, lock_run, make_ready, note
from workflows.runs.services.ticking import tick
from workflows.runs.services.timeouts import time_out
from workflows.runs.services.times import TIMES
from workflows.runs.services.unclaimed import release_kept, tell_unclaimed
from workflows.tasks.models import Task
from workflows.tasks.services import hurry_task

BATCH = 200
# The deadlines of a step whose clock stands still do not pass.
GOES = Q(step__clock_stopped_at=None) | Q(kind=Timer.Kind.WAKE)
# What a paused run waits for, and its next attempts, come when it goes on; its deadlines have clocks.
WAITS = Q(step__run__is_paused=True, kind__in=(Timer.Kind.WAKE, Timer.Kind.AGAIN))

logger = logging.getLogger(__name__)


def sweep_runs() -> dict[str, int]:
    """Do every duty of the clock; return the counts. A lost sweep, or two at once, change nothing but time."""
    duties: dict[str, Callable[[], int]] = {
        "timers": _fire_timers,
        "left": cancel_left,
        "repaired": _repair,
        "held": release_held,
        "released": release_kept,
        "unclaimed": tell_unclaimed,
        "looks": tick,
    }
    return {name: _guarded(name, duty) for name, duty in duties.items()}


def _guarded(name: str, duty: Callable[[], int]) -> int:
    try:
        return duty()
    except Exception:
        logger.exception("The engine's clock could not do: %s.", name)
        return 0


def _fire_timers() -> int:
    """Say on record what is overdue, and put it first for whoever works."""
    due = Timer.objects.filter(GOES & ~WAITS, fire_at__lte=Now()).order_by("fire_at")
    return sum(_fire(*found) for found in list(due.values_list("pk", "step__run_id")[:BATCH]))


@transaction.atomic
def _fire(timer_id: int, run_id: UUID) -> bool:
    run = lock_run(run_id)
    timer = Timer.objects.select_related("step").filter(GOES & ~WAITS, pk=timer_id, fire_at__lte=Now()).first()
    if timer is None:
        return False
    step = timer.step
    if timer.kind in (Timer.Kind.WAKE, Timer.Kind.GIVE_UP):
        timer.delete()
        if step.state == StepState.RUNNING and run.state in OPEN_RUNS:
            _end_of_waiting(run, step, is_late=timer.kind == Timer.Kind.GIVE_UP)
        return True
    if timer.kind in TIMES:
        time_out(run, timer)
        return True
    if step.state in OPEN_STEPS and run.state in OPEN_RUNS and has_deadline(run, step, timer):
        pass_timer(run, step, timer)
    elif step.state in OPEN_STEPS:
        sentence = f"{run.label}: {step.name} was not done in time"
        note(actor=ENGINE, run=run, verb="runs.step_overdue", sentence=sentence, code="overdue")
        if step.task_id:
            hurry_task(task_id=step.task_id)
    timer.delete()
    return True


def _end_of_waiting(run: Run, step: Step, *, is_late: bool) -> None:
    """The time of a waiting step has come; a signal that is there already still counts."""
    look = Look([run], [str(step.pk)])
    otherwise: Event = Late() if is_late else Closed({})
    event = news_of(step, look.runs[str(run.pk)].picture) or otherwise
    look.tell(str(run.pk), str(step.pk), event)
    carry_on(look)


def cancel_left() -> int:
    """Cancel the runs that nobody waits for any more and that were busy when their step was cancelled."""
    left = Run.objects.filter(state__in=OPEN_RUNS, parent__isnull=False).exclude(parent__state__in=OPEN_STEPS)
    return sum(_cancel_left(key) for key in list(left.order_by("pk").values_list("pk", flat=True)[:BATCH]))


@transaction.atomic
def _cancel_left(run_id: UUID) -> bool:
    run = lock_run(run_id)
    if run.state not in OPEN_RUNS:
        return False
    cancel_child(ENGINE, run, "What began it is over.")
    return True


@transaction.atomic
def _repair() -> int:
    """Every step that could go on is ready: one whose row or hint was lost is found here (Conductor's rule)."""
    alone = Step.objects.filter(run__is_paused=False, ready__isnull=True)
    idle = (
        alone.filter(pk__any_of=_could_go_on(), run__state__in=OPEN_RUNS)
        .select_related("run")
        .order_by("pk")[:BATCH]
    )
    # What is being undone comes to its end, whatever became of the run meanwhile.
    may_go_on = Q(undo_action=None) | Q(undo_action__state__in=sorted(FINAL))
    undone = alone.filter(may_go_on, undone=Undone.RUNNING).select_related("run").order_by("pk")[:BATCH]
    for step in (found := [*idle, *undone]):
        make_ready(step)
    return len(found)


def _could_go_on() -> set[UUID]:
    """Return the steps that are ready, or at work on what has ended.

    One question for each thing a step may be at work on, and none about its run: of ten thousand that wait for
    people nearly none is found, and only what is found is joined with more.
    """
    steps = Step.objects.filter(is_parked=False).order_by()
    running = steps.filter(state=StepState.RUNNING)
    questions = (
        steps.filter(state=StepState.READY, held_by=None),
        running.filter(task__state__in=set(Task.State.values) - set(Task.WAITING)),
        running.filter(action__state__in=FINAL),
        running.filter(child__state__in=set(RunState.values) - set(OPEN_RUNS)),
        running.filter(Exists(_told()), subscription__isnull=False),
    )
    return {key for found in questions for key in found.values_list("pk", flat=True)}


def _told() -> QuerySet[Signal]:
    """Return the signals that have come for a step that waits for one."""
    return Signal.objects.filter(
        run=OuterRef("run"),
        name=OuterRef("subscription__name"),
        taken_by=None,
        pk__gt=OuterRef("subscription__seen"),
    )
