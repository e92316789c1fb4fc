"""What people do to a run: cancel it, or let it go on after an incident. Always with a reason."""

from __future__ import annotations

from django.db import transaction

from agents.models import User
from agents.policies import require_reason
from audit.services import refusals_recorded
from audit.vocabulary import Actor, ActorKind, Refusal, RefusalKind
from workflows.runs.choices import RunState
from workflows.runs.engine.events import CancelRun, RetryStep
from workflows.runs.models import Run, Step
from workflows.runs.services.carrying import carry_on
from workflows.runs.services.look import Look, close_incidents, others_wait
from workflows.runs.services.moving import lock_run, note, require_open


def cancel_run(*, actor: Actor, run: Run, reason: str) -> Run:
    """End a run for good: its open tasks and held actions are taken back; what was done stays done."""
    with refusals_recorded(actor=actor, subject=run.as_ref(), **run.event_refs()), transaction.atomic():
        run = lock_run(run.pk)
        _require_may_steer(actor, run)
        require_reason(reason)
        require_open(run)
        look = Look([run], [], actor=actor, reason=f"The run was cancelled: {reason}")
        look.tell(str(run.pk), "", CancelRun())
        look.write()
        note(
            actor=actor,
            run=run,
            verb="runs.run_cancelled",
            sentence=f"{actor.label} cancelled {run.label}",
            reason=reason,
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
        step = Step.objects.filter(run=run, is_parked=True).order_by("pk").first()
        if step is None:
            raise RuntimeError(f"run {run.pk} waits for an operator and none of its steps does")
        note(
            actor=actor,
            run=run,
            verb="runs.run_resumed",
            sentence=f"{actor.label} let {run.label} go on at {step.name}",
            reason=reason,
        )
        look = Look([run], [str(step.pk)], actor=actor, reason=f"The step is done again: {reason}")
        look.tell(str(run.pk), str(step.pk), RetryStep())
        if not others_wait(run, [str(step.pk)]):
            close_incidents(actor, run, reason)
        carry_on(look)
        return run


def _require_may_steer(actor: Actor, run: Run) -> None:
    user = User.objects.filter(pk=actor.id).first() if actor.kind is ActorKind.PERSON else None
    if user is None or not (user.has_perm("runs.steer_run") or user.has_perm("runs.steer_run", run)):
        raise Refusal(
            "not_permitted",
            f"{actor.label} may not steer {run.label}.",
            next_step="Ask an operator.",
        )
