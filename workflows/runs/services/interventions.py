"""The two verbs that other parts of the portal use by name: cancel a run, or let it go on after an incident."""

from __future__ import annotations

from audit.vocabulary import Actor
from workflows.runs.models import Run, Step
from workflows.runs.services.steering import Cancel, Retry, steer_run


def cancel_run(*, actor: Actor, run: Run, reason: str) -> Run:
    """End a run for good: its open tasks and held actions are taken back; what was done stays done."""
    steer_run(actor=actor, run=run, verb=Cancel(), reason=reason)
    return Run.objects.get(pk=run.pk)


def retry_run(*, actor: Actor, run: Run, reason: str, step: Step | None = None) -> Run:
    """Let a run go on that waits for an operator: a step it stopped at is done again, as a new generation.

    Without ``step`` the first of those that wait. An operation that was done is never done again: only what
    comes after it is looked at once more.
    """
    steer_run(actor=actor, run=run, verb=Retry(), reason=reason, step=step)
    return Run.objects.get(pk=run.pk)
