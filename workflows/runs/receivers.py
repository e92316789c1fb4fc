"""What the engine hears: tasks that close, actions that end, changes that are decided."""

from __future__ import annotations

from typing import Any

from django.db.models import Q

from audit.vocabulary import Actor
from workflows.actions.models import Action
from workflows.runs import selectors
from workflows.runs.models import Step
from workflows.runs.services.moving import make_ready
from workflows.tasks.models import Task

VERBS = {
    "runs.run_started": "A run began.",
    "runs.start_refused": "Starting a run was refused.",
    "runs.run_finished": "A run reached its end.",
    "runs.run_cancelled": "A person cancelled a run.",
    "runs.run_parked": "A run waits for an operator.",
    "runs.run_resumed": "A person let a run go on.",
    "runs.step_rerun": "A person let a step and what follows be done again.",
    "runs.step_skipped": "A person let a run go on without a step.",
    "runs.step_overridden": "A person gave or corrected the answer of a step.",
    "runs.run_compensated": "A person has everything undone that a run did.",
    "runs.run_migrated": "A person let a run follow another version of its workflow.",
    "runs.step_undone": "Undoing a step has ended.",
    "runs.step_overdue": "A step was not done in time.",
    "runs.clocks_stopped": "The deadlines of steps stand still.",
    "runs.clocks_started": "The deadlines of steps go on.",
    "runs.step_not_started": "Nobody took a step in time.",
    "runs.version_proposed": "A version of a workflow was proposed.",
    "runs.version_approved": "A second person approved a version of a workflow.",
    "runs.version_rejected": "A version of a workflow was not approved.",
    "runs.workflow_switched": "A workflow was switched on or off.",
}


def on_task_closed(actor: Actor, task: Task) -> None:
    """Let the engine look at the step whose task is closed."""
    step = Step.objects.filter(task=task).first()
    if step is not None:
        make_ready(step)


def on_action_ended(action: Action) -> None:
    """Let the engine look at the step whose operation has ended, or what undoes it."""
    if not action.references.get("step_id"):
        return
    step = Step.objects.filter(Q(action=action) | Q(undo_action=action)).first()
    if step is not None:
        make_ready(step)


def visible_events(user: Any) -> Q | None:
    """Events of a run belong to whoever may see the run."""
    if user.has_perm("runs.view_run"):
        return ~Q(run_id="")
    visible = selectors.visible_ids(user)
    return Q(run_id__in=visible) if visible.exists() else None
