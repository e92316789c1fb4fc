"""What the engine hears: tasks that close, actions that end, changes that are decided."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import Q
from django.urls import reverse

from agents.models import Stop
from agents.services import stops
from audit.lookups import named_by
from audit.registry import Opening, Telling
from audit.vocabulary import Actor, Ref
from workflows.actions.models import Action
from workflows.runs import dispatch, selectors
from workflows.runs.choices import OPEN_RUNS, StepState
from workflows.runs.models import Run, Step
from workflows.runs.services.lanes import put_in_line
from workflows.runs.services.moving import make_ready
from workflows.tasks.models import Task

VERBS = {
    "runs.run_started": "A run began.",
    "runs.start_refused": "Starting a run was refused.",
    "runs.run_finished": "A run reached its end.",
    "runs.run_cancelled": "A run was cancelled by a person, or with the run it was inside of.",
    "runs.run_parked": "A run waits for an operator.",
    "runs.run_resumed": "A person let a run go on.",
    "runs.run_paused": "A person paused a run: nothing new begins in it.",
    "runs.run_unpaused": "A person let a paused run go on.",
    "runs.run_priority_changed": "A person changed how urgent a run is.",
    "runs.step_deadline_changed": "A person changed the time by which a step is to be done.",
    "runs.step_redirected": "A person gave the work of a step to somebody else.",
    "runs.step_rerun": "A person let a step and what follows be done again.",
    "runs.step_skipped": "A person let a run go on without a step.",
    "runs.step_failed_by_hand": "A person marked a step as failed.",
    "runs.step_overridden": "A person gave or corrected the answer of a step.",
    "runs.run_compensated": "A person has everything undone that a run did.",
    "runs.run_migrated": "A person let a run follow another version of its workflow.",
    "runs.step_undone": "Undoing a step has ended.",
    "runs.step_overdue": "A step was not done in time.",
    "runs.step_held": "A step waits until its system can be called again.",
    "runs.step_released": "A step goes on whose system can be called again.",
    "runs.clocks_stopped": "The deadlines of steps stand still.",
    "runs.clocks_started": "The deadlines of steps go on.",
    "runs.step_not_started": "Nobody took a step in time.",
    "runs.signal_sent": "A run was told something.",
    "runs.signal_refused": "Telling a run something was refused.",
    "runs.signal_taken": "A step went on with what its run was told.",
    "runs.version_proposed": "A version of a workflow was proposed.",
    "runs.version_approved": "A second person approved a version of a workflow.",
    "runs.version_rejected": "A version of a workflow was not approved.",
    "runs.evidence_downloaded": "Somebody took the evidence of a run along, as a file.",
    "runs.list_downloaded": "Somebody took the list of runs along, as a file.",
    "runs.layout_kept": "A person arranged the picture of a version.",
    "runs.workflow_switched": "A workflow was switched on or off.",
}
REMEDIES = {
    "runs.run_cancelled": "cancelled",
    "runs.run_paused": "run_paused",
    "runs.run_compensated": "reversal_begun",
}


def on_task_closed(actor: Actor, task: Task) -> None:
    """Let the engine look at the step whose task is closed."""
    step = Step.objects.select_related("run").filter(task=task).first()
    if step is not None:
        make_ready(step)


def on_actions_ended(actions: Sequence[Action]) -> None:
    """Let the engine look at the steps whose operations have ended, or what undoes them."""
    of_steps = [action.pk for action in actions if action.references.get("step_id")]
    about = Q(action__in=of_steps) | Q(undo_action__in=of_steps)
    steps = list(Step.objects.filter(about).values_list("pk", flat=True)) if of_steps else []
    if steps:
        put_in_line(steps)
        transaction.on_commit(dispatch.hint_tick)


def before_replacing(action: Action) -> None:
    """Lock the run of an action that a person changes, before the action: so does the engine."""
    if run_id := str(action.references.get("run_id", "")):
        list(Run.objects.select_for_update(of=("self",)).filter(pk=run_id).values_list("pk"))


def on_replaced(old: Action, new: Action) -> None:
    """Let a step wait for the action that takes the place of its own."""
    Step.objects.filter(action=old).update(action=new)
    Step.objects.filter(undo_action=old).update(undo_action=new)


def on_system_back(system_id: UUID) -> None:
    """Let steps go on at once that were held for a system that can be called again."""
    if Step.objects.filter(held_by=system_id, state=StepState.READY).exists():
        dispatch.hint_release()


def on_stop_eased(_stop: Stop) -> None:
    """Let steps be looked at that a stop kept back: those held for a system or by it, and what is ready."""
    dispatch.hint_release()
    dispatch.hint_tick()


def kept_by_a_pause(actions: Sequence[Action]) -> Iterable[UUID]:
    """Let nothing begin in a system for a run that is paused. A pause keeps dispatches out while it commits."""
    runs = {action.pk: str(action.references.get("run_id", "")) for action in actions}
    wanted = sorted({run for run in runs.values() if run})
    if not wanted:
        return []
    stops.share_lock([Ref("run", run) for run in wanted])
    paused = Run.objects.filter(pk__in=wanted, is_paused=True, state__in=OPEN_RUNS)
    kept = {str(key) for key in paused.values_list("pk", flat=True)}
    return [action for action, run in runs.items() if run in kept]


def waiting_actions() -> Q:
    """Return which actions belong to a run that is paused."""
    paused = Run.objects.filter(is_paused=True, state__in=OPEN_RUNS).values_list("pk", flat=True)
    return Q(references__run_id__in=[str(key) for key in paused])


def visible_events(user: Any) -> Q | None:
    """Events of a run belong to whoever may see the run."""
    if user.has_perm("runs.view_run"):
        return ~Q(run_id="")
    if not selectors.visible_to(user).exists():
        return None
    return named_by("run_id", selectors.visible_to(user, kept=True))


def opening_of(user: Any, key: UUID) -> Opening | None:
    """Return how the story of a run begins: who started which workflow, and where it stands."""
    run = selectors.visible_to(user).filter(pk=key).first()
    if run is None:
        return None
    outcome = f": {run.outcome.replace('_', ' ')}" if run.outcome and run.outcome != run.state else ""
    return Opening(
        title=run.label,
        sentence=f"{run.started_by} started the workflow “{run.workflow.name}”: {run.label}",
        at=run.started_at,
        link=reverse("run", args=[run.pk]),
        ends=f"{run.get_state_display()}{outcome}.",
    )


_GOES_ON = frozenset({"runs.run_resumed", "runs.run_unpaused", "runs.run_cancelled", "runs.run_finished"})
TELLINGS = {
    "runs.run_parked": Telling(waits_for=lambda event: "an operator", until=_GOES_ON),
    "runs.run_paused": Telling(waits_for=lambda event: "somebody to let it go on", until=_GOES_ON),
}
