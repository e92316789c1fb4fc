"""A system that is down: its steps are held, say why, and go on by themselves when it can be called again.

Nobody polls a system for that: its breaker, its switch and the stops say whether it may be called. While the
breaker is open, one held step at a time is let go to try; what is asked of it is decided like anything else.
"""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from django.db import transaction
from django.db.models import Q

from connectors.models import Operation, System
from connectors.selectors import why_down
from workflows.runs.choices import OPEN_RUNS, StepState
from workflows.runs.models import Run, Step
from workflows.runs.services.clocks import start_clocks, stop_clocks
from workflows.runs.services.moving import ENGINE, lock_run, make_ready, note

SYSTEM_DOWN = "system_down"
MOST_AT_ONCE = 200


def down(operation: str, *, may_try: bool) -> str:
    """Say why the system of an operation cannot be called, '' if it can (``connectors.selectors.why_down``)."""
    system = _system_of(operation)
    return why_down(system, may_try=may_try) if system else ""


def hold(*, run: Run, step_id: str, operation: str, stop_clock: bool) -> None:
    """Keep a step of a locked run until the system of its operation can be called again."""
    system, step = _system_of(operation), Step.objects.get(pk=step_id)
    if system is None:
        return
    why = why_down(system, may_try=False) or f"{system.name} could not be reached."
    is_new = step.held_by_id is None
    Step.objects.filter(pk=step_id).update(held_by=system, held_because=why[:500])
    if is_new:
        sentence = f"{run.label}: {step.name} waits until {system.name} can be called again. {why}"
        note(actor=ENGINE, run=run, verb="runs.step_held", sentence=sentence, code=SYSTEM_DOWN)
    if stop_clock:
        stop_clocks(actor=ENGINE, steps=[step.pk], why=SYSTEM_DOWN, reason=why)


def let_go(steps: Sequence[UUID]) -> None:
    """Note that steps of locked runs are held no more; their clocks go on."""
    held = list(Step.objects.filter(pk__in=steps, held_by__isnull=False).values_list("pk", flat=True))
    if held:
        Step.objects.filter(pk__in=held).update(held_by=None, held_because="")
        start_clocks(actor=ENGINE, steps=held, why=SYSTEM_DOWN, reason="The system can be called again.")


def release_held() -> int:
    """Let steps go on whose system can be called again; return how many."""
    waiting = Step.objects.filter(state=StepState.READY, held_by__isnull=False).values("held_by")
    systems = System.objects.filter(pk__in=waiting).select_related("health")
    return sum(_release(system) for system in systems if not why_down(system, may_try=True))


def _release(system: System) -> int:
    is_trial = bool(why_down(system, may_try=False))
    held = Step.objects.filter(held_by=system, run__state__in=OPEN_RUNS, is_parked=False)
    if is_trial and held.filter(Q(state=StepState.RUNNING) | Q(ready__isnull=False)).exists():
        return 0  # one tries already
    found = held.filter(state=StepState.READY, ready__isnull=True, run__is_paused=False).order_by("pk")
    some = list(found.values_list("pk", "run_id")[: 1 if is_trial else MOST_AT_ONCE])
    return sum(_go_on(step, run_id, is_trial) for step, run_id in some)


@transaction.atomic
def _go_on(step_id: UUID, run_id: UUID, is_trial: bool) -> bool:
    run = lock_run(run_id)
    step = Step.objects.filter(pk=step_id, state=StepState.READY, held_by__isnull=False).first()
    if step is None:
        return False
    if not is_trial:  # one that tries is held until it is known what came of it
        sentence = f"{run.label}: {step.name} goes on."
        note(actor=ENGINE, run=run, verb="runs.step_released", sentence=sentence, code=SYSTEM_DOWN)
        let_go([step.pk])
    make_ready(step)
    return True


def _system_of(operation: str) -> System | None:
    found = Operation.objects.select_related("system__health").filter(code=operation).first()
    return found.system if found else None
