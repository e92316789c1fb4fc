"""What people do to a run: cancel it, or let it go on after an incident. Always with a reason."""

from __future__ import annotations

from django.db import transaction

from agents.models import User
from agents.policies import require_reason
from audit.services import refusals_recorded
from audit.vocabulary import Actor, ActorKind, Refusal, RefusalKind
from workflows.actions.choices import NOT_BEGUN
from workflows.actions.models import Action
from workflows.actions.services import drop_action
from workflows.runs import engine
from workflows.runs.choices import OPEN_STEPS, RunState, StepState
from workflows.runs.models import Ready, Run, Step, Timer
from workflows.runs.services.entering import follow, go_to
from workflows.runs.services.moving import lock_run, move_run, move_step, require_open
from workflows.tasks.models import Task
from workflows.tasks.services import close_if_waiting


def cancel_run(*, actor: Actor, run: Run, reason: str) -> Run:
    """End a run for good: its open tasks and held actions are taken back; what was done stays done."""
    with refusals_recorded(actor=actor, subject=run.as_ref(), **run.event_refs()), transaction.atomic():
        run = lock_run(run.pk)
        _require_may_steer(actor, run)
        require_reason(reason)
        require_open(run)
        why = f"The run was cancelled: {reason}"
        _drop_actions(actor, why, references__run_id=str(run.pk))
        for step in Step.objects.filter(run=run, state__in=OPEN_STEPS):
            _drop_step(actor, step, reason)
        # Whoever had the task may have asked for something until it was closed; now nobody can any more.
        _drop_actions(actor, why, references__run_id=str(run.pk))
        _close_incidents(actor, run, reason)
        Ready.objects.filter(step__run=run).delete()
        Timer.objects.filter(step__run=run).delete()
        move_run(
            actor=actor,
            run=run,
            to=RunState.CANCELLED,
            verb="runs.run_cancelled",
            sentence=f"{actor.label} cancelled {run.label}",
            reason=reason,
            outcome="cancelled",
        )
        return run


def retry_run(*, actor: Actor, run: Run, reason: str) -> Run:
    """Let a run go on that waits as an incident: the step it stopped at is done again, as a new generation.

    An operation that was done is never done again: only what comes after it is looked at once more.
    """
    with refusals_recorded(actor=actor, subject=run.as_ref(), **run.event_refs()), transaction.atomic():
        run = lock_run(run.pk)
        _require_may_steer(actor, run)
        require_reason(reason)
        if run.state != RunState.INCIDENT:
            raise Refusal(
                "no_incident",
                f"{run.label} was not changed: it is {run.get_state_display().lower()}, not an incident.",
                kind=RefusalKind.CONFLICT,
                next_step="Only a run that waits for an operator can be repeated.",
            )
        step = Step.objects.filter(run=run).order_by("-pk").first()
        assert step is not None  # noqa: S101 - a run has a step from its first moment
        move_run(
            actor=actor,
            run=run,
            to=RunState.RUNNING,
            verb="runs.run_resumed",
            sentence=f"{actor.label} let {run.label} go on at {step.name}",
            reason=reason,
            problem="",
        )
        _close_incidents(actor, run, reason)
        if step.state in OPEN_STEPS:
            _drop_actions(actor, f"The step is done again: {reason}", references__step_id=str(step.pk))
            _drop_step(actor, step, reason)
        definition = engine.parse(run.version.content)
        if step.kind == "operation" and step.state == StepState.DONE:
            follow(run, definition, step)
        else:
            go_to(run, definition, step, step.node)
        return run


def _drop_step(actor: Actor, step: Step, reason: str) -> None:
    move_step(step, StepState.CANCELLED)
    if step.task_id:
        close_if_waiting(actor=actor, task_id=step.task_id, state=Task.State.CANCELLED, reason=reason)


def _drop_actions(actor: Actor, reason: str, **whose: str) -> None:
    """Take back what has not begun. An action is locked before the task that waits for it, as a vote does."""
    for action_id in Action.objects.filter(state__in=NOT_BEGUN, **whose).values_list("pk", flat=True):
        drop_action(actor=actor, action_id=action_id, reason=reason)


def _close_incidents(actor: Actor, run: Run, reason: str) -> None:
    open_ones = Task.objects.filter(
        kind=Task.Kind.INCIDENT, subject_kind="runs.run", subject_id=str(run.pk), state__in=Task.WAITING
    )
    for task_id in open_ones.values_list("pk", flat=True):
        close_if_waiting(actor=actor, task_id=task_id, state=Task.State.DONE, reason=reason)


def _require_may_steer(actor: Actor, run: Run) -> None:
    user = User.objects.filter(pk=actor.id).first() if actor.kind is ActorKind.PERSON else None
    if user is None or not (user.has_perm("runs.steer_run") or user.has_perm("runs.steer_run", run)):
        raise Refusal(
            "not_permitted",
            f"{actor.label} may not steer {run.label}.",
            next_step="Ask an operator.",
        )
