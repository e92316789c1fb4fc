"""A run that breaks the engine is left to an operator, so that it hinders no other."""

from __future__ import annotations

from uuid import UUID

from django.db import transaction

from workflows.runs.choices import OPEN_RUNS, OPEN_STEPS, RunState
from workflows.runs.models import Ready, Run, Step
from workflows.runs.services.look import open_incident
from workflows.runs.services.moving import ENGINE, lock_run, note

WHY = "The engine failed here; its log says why."


@transaction.atomic
def park_broken(run_id: UUID) -> None:
    """Park the step of a run that the engine could not look at, and leave the rest of it alone too."""
    run = lock_run(run_id)
    ready = Ready.objects.filter(step__run=run)
    step = Step.objects.filter(pk__in=ready.values("step")).order_by("pk").first() or _newest(run)
    ready.delete()
    if step is None or run.state not in OPEN_RUNS:
        return
    Step.objects.filter(pk=step.pk).update(is_parked=True)
    run.state, run.problem = RunState.INCIDENT, WHY
    run.save(update_fields=["state", "problem"])
    sentence = f"{run.label} waits for an operator at {step.name}: {WHY}"
    note(actor=ENGINE, run=run, verb="runs.run_parked", sentence=sentence, code="engine_error")
    open_incident(run, step.name, WHY)


def _newest(run: Run) -> Step | None:
    return Step.objects.filter(run=run, state__in=OPEN_STEPS).order_by("-pk").first()
