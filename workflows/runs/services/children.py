"""A step begins a run of another workflow and waits for its end.

A run that ends never locks the one it is inside of: it leaves a turn for the step, and the next look at that
run reads what became of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from functools import partial
from typing import Any

from django.db import connection, transaction
from django.db.models import Q, QuerySet
from django.db.models.functions import Now

from agents.models import User
from audit.vocabulary import Actor, ActorKind, Refusal
from workflows.documents import selectors as documents
from workflows.documents.models import Document
from workflows.runs import dispatch, engine
from workflows.runs.choices import OPEN_RUNS, RunState, StepState
from workflows.runs.engine.events import Closed, Event, Failed
from workflows.runs.models import Ready, Run, Step
from workflows.runs.services.moving import move_step
from workflows.runs.services.picture import Picture
from workflows.runs.services.starting import Inside, start_run_inside
from workflows.tasks.selectors import database_now

MOST_DEPTH = 8  # runs inside of runs
HELD_SECONDS = 10  # until a stop is looked at again, should nobody say that it was lifted
STOPPED = "stopped"
_HAND_OVER = """
INSERT INTO runs_ready (step_id, priority, not_before)
SELECT s.id, %s, clock_timestamp() FROM runs_step s
 WHERE s.id = %s AND s.state IN ('ready', 'running')
ON CONFLICT (step_id) DO NOTHING
"""


def begin_child(step: Step, node: engine.Node, given: Mapping[str, Any], picture: Picture) -> Event | None:
    """Begin a run of another workflow for a step. While a stop holds it, the step waits; else it fails."""
    run = step.run
    if run.depth >= MOST_DEPTH:
        why = f"{node.name} began nothing: {run.label} is inside of {run.depth} runs already."
        return Failed("too_deep", why, retryable=False)
    content = given.get("give", {})
    inside = Inside(step, run, partial(_readable, run))
    actor = Actor(ActorKind.SYSTEM, f"run {run.pk}", run.label)
    try:
        with transaction.atomic():
            started = start_run_inside(
                actor=actor,
                workflow_code=node.facts["workflow"],
                input=content,
                key=_key(step, given),
                inside=inside,
            )
    except Refusal as refusal:
        if refusal.code == STOPPED:
            _hold(step, refusal)
            return None
        return Failed(refusal.code, refusal.message[:1000], retryable=False)
    if not started.is_new:
        why = f"{node.name} began nothing: {started.run.label} has its key already, and is no part of this run."
        return Failed("child_exists", why[:1000], retryable=False)
    move_step(step, StepState.RUNNING, input=content, error={})
    return None


def child_of(step: Step) -> Run | None:
    """Return the run that a step began, if it began one."""
    return Run.objects.filter(parent=step).first()


def news_of_child(step: Step) -> Event | None:
    """Return what became of the run a step began; None while it runs or waits for an operator."""
    child = child_of(step)
    if child is None or child.state in OPEN_RUNS:
        return None
    if child.state == RunState.DONE:
        output = child.output or {}
        return Closed({"outcome": child.outcome, "output": output, "run": str(child.pk)})
    how = "was undone" if child.outcome == "compensated" else "was cancelled"
    return Failed(f"child_{child.outcome or 'cancelled'}", f"{child.label} {how}.", retryable=False)


def hand_over(run: Run) -> None:
    """Give the step that waits for a run a turn, now that the run is over."""
    with connection.cursor() as cursor:
        cursor.execute(_HAND_OVER, [run.priority, str(run.parent_id)])
    transaction.on_commit(dispatch.hint_tick)


def _key(step: Step, given: Mapping[str, Any]) -> str:
    """Return what names the work; done again, it is other work."""
    if "key" not in given:
        return step.key
    again = f" #{step.generation}" if step.generation > 1 else ""
    return f"{given['key']}{again}"


def _hold(step: Step, refusal: Refusal) -> None:
    """Leave a step about to begin: the stop may be lifted, and then it does."""
    at = database_now() + timedelta(seconds=HELD_SECONDS)
    error = {"code": refusal.code, "message": f"It waits. {refusal.message}"[:1000]}
    Step.objects.filter(pk=step.pk).update(error=error)
    Ready.objects.update_or_create(step=step, defaults={"not_before": at, "priority": step.run.priority})


def release_stopped() -> int:
    """Let steps look again whose work a stop refused to begin; return how many. Another stop holds on."""
    held = Q(step__state=StepState.READY, step__error__code=STOPPED, not_before__gt=Now())
    return Ready.objects.filter(held).update(not_before=Now())


def _readable(run: Run) -> QuerySet[Document]:
    """Return the documents a run may hand on: its own, and what its starter and workers may read."""
    who = Q(pk__in=run.steps.filter(task__claimed_by__isnull=False).values("task__claimed_by"))
    if run.started_by_kind != ActorKind.SYSTEM:
        who |= Q(pk=run.started_by_id)
    allowed = Q(pk__in=run.run_documents.values("document"))
    for user in User.objects.filter(who):
        allowed |= Q(pk__in=documents.visible_to(user).values("pk"))
    return Document.objects.filter(allowed)
