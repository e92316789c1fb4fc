"""Locking a run, moving a step whose work begins, giving it a turn, and noting a fact about a run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from django.db import transaction

from audit.services import record_event, update_rows
from audit.vocabulary import Actor, Refusal, RefusalKind
from workflows.runs import dispatch
from workflows.runs.choices import OPEN_RUNS, STEP_TRANSITIONS, StepState
from workflows.runs.models import Run, Step
from workflows.runs.services.lanes import put_in_line
from workflows.tasks.selectors import database_now

ENGINE = Actor.system("engine")


def lock_run(run_id: UUID | str) -> Run:
    """Lock a run and return it fresh. Order everywhere: run, approval, action, counters, task, ready row."""
    run = (
        Run.objects.select_for_update(of=("self",))
        .select_related("workflow", "version")
        .filter(pk=run_id)
        .first()
    )
    if run is None:
        raise Refusal("not_found", f"There is no run {run_id} for you.", kind=RefusalKind.NOT_FOUND)
    return run


def require_open(run: Run) -> None:
    """Refuse to change a run that is over."""
    if run.state not in OPEN_RUNS:
        raise Refusal(
            "run_over",
            f"{run.label} was not changed: it is {run.get_state_display().lower()}.",
            kind=RefusalKind.CONFLICT,
            next_step="Start a new run if something is left to do.",
        )


def move_step(step: Step, to: StepState, **fields: Any) -> None:
    """Take one transition of a step; what a run did is told by its tasks, actions and its own events."""
    move_steps([(step, fields)], to)


def move_steps(moves: Sequence[tuple[Step, Mapping[str, Any]]], to: StepState) -> None:
    """Take the same transition of several steps, each with the same further fields, in one statement."""
    for step, _ in moves:
        if to not in STEP_TRANSITIONS[StepState(step.state)]:
            raise RuntimeError(f"step {step.pk}: {step.state} -> {to} is not a transition")
    if not moves:
        return
    now = database_now()
    ended = {} if STEP_TRANSITIONS[to] else {"finished_at": now}
    for step, fields in moves:
        for name, value in {"state": to, "started_at": step.started_at or now, **ended, **fields}.items():
            setattr(step, name, value)
    update_rows([step for step, _ in moves], ["state", "started_at", *ended, *moves[0][1]])


def make_ready(step: Step) -> None:
    """Let the engine look at a step, as soon as it and its run are urgent and it is its department's turn.

    The row is the truth, the hint only saves time.
    """
    put_in_line([step.pk])
    transaction.on_commit(dispatch.hint_tick)


def note(
    *,
    actor: Actor,
    run: Run,
    verb: str,
    sentence: str,
    reason: str = "",
    code: str = "",
    payload: Mapping[str, Any] | None = None,
) -> None:
    """Record one fact about a run."""
    record_event(
        actor=actor,
        verb=verb,
        subject=run.as_ref(),
        sentence=sentence[:500],
        reason=reason,
        code=code,
        payload=payload,
        **run.event_refs(),
    )
