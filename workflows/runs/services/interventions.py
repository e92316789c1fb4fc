"""The verbs that other parts of the portal use by name: cancel a run, undo it, let it go on."""

from __future__ import annotations

from collections.abc import Mapping

from audit.vocabulary import Actor
from workflows.runs.models import Run, Step, WorkflowVersion
from workflows.runs.services.steering import Cancel, Compensate, Migrate, Retry, steer_run


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


def compensate_run(*, actor: Actor, run: Run, reason: str) -> Run:
    """Undo everything a run completed, newest first, and end it as ``compensated``.

    What is open is cancelled first. Each undoing is an action of its own, decided like any other; one that
    fails or is refused waits for an operator, who has it tried again or gives it up.
    """
    steer_run(actor=actor, run=run, verb=Compensate(), reason=reason)
    return Run.objects.get(pk=run.pk)


def migrate_run(
    *, actor: Actor, run: Run, version: WorkflowVersion, nodes: Mapping[str, str], reason: str
) -> Run:
    """Let a run follow another approved version. ``nodes``: what an old node is called there."""
    steer_run(actor=actor, run=run, verb=Migrate(version=version, nodes=dict(nodes)), reason=reason)
    return Run.objects.get(pk=run.pk)
