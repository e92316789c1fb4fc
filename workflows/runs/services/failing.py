"""Mark a step failed by hand: its task ends as failed, and the run goes where its workflow says then."""

from __future__ import annotations

from django.db import transaction

from agents.policies import require_reason
from audit.services import refusals_recorded
from audit.vocabulary import Actor, Refusal, RefusalKind
from workflows.runs.choices import OPEN_STEPS
from workflows.runs.models import Run, Step
from workflows.runs.services.moving import lock_run, note, require_open
from workflows.runs.services.steering.verb import require_may_steer
from workflows.tasks.models import Task
from workflows.tasks.services import fail_by_hand

CODE = "failed_by_operator"


def why_not_failed(step: Step) -> str:
    """Say why a step cannot be marked failed, '' if it can: it is under way, and somebody's task."""
    if step.state not in OPEN_STEPS:
        return f"it is {step.get_state_display().lower()}"
    if step.task is None or step.task.state not in Task.WAITING:
        return "it is no task of anybody that could fail"
    return ""


def fail_step(*, actor: Actor, run: Run, step: Step, reason: str) -> None:
    """Mark a step failed for good; whoever has it loses it. Raises Refusal not_permitted, cannot_fail."""
    with refusals_recorded(actor=actor, subject=run.as_ref(), **run.event_refs()):
        _fail(actor, run, step, reason)


@transaction.atomic
def _fail(actor: Actor, run: Run, step: Step, reason: str) -> None:
    run = lock_run(run.pk)
    require_may_steer(actor, run)
    require_reason(reason)
    require_open(run)
    step = Step.objects.select_related("task").get(pk=step.pk, run=run)
    why = why_not_failed(step)
    if why or step.task is None:
        raise Refusal(
            "cannot_fail",
            f"{step.name} was not marked failed: {why}.",
            kind=RefusalKind.CONFLICT,
            next_step="Look at the run as it is now, and choose again.",
        )
    note(
        actor=actor,
        run=run,
        verb="runs.step_failed_by_hand",
        sentence=f"{actor.label} marked {step.name} of {run.label} as failed.",
        reason=reason,
        code=CODE,
        payload={
            "step": str(step.pk),
            "before": {"state": str(step.state), "task": str(step.task.state)},
            "after": {"task": str(Task.State.FAILED)},
        },
    )
    fail_by_hand(actor=actor, task_id=step.task.pk, code=CODE, message=reason)
