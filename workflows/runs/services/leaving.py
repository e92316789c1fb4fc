"""Go on after a step whose task was closed or whose action has ended."""

from __future__ import annotations

from typing import Any

from workflows.actions.choices import State
from workflows.actions.models import Action
from workflows.runs import engine
from workflows.runs.choices import StepState
from workflows.runs.models import Run, Step
from workflows.runs.services.entering import follow
from workflows.runs.services.moving import move_step
from workflows.tasks.models import Task


def go_on(run: Run, definition: engine.Definition, step: Step) -> None:
    """Take over what came of a running step and follow the way it opens; nothing while it still runs."""
    if step.task is not None:
        came = _of_task(step.task)
    elif step.action is not None:
        came = _of_action(step.action)
    else:
        raise RuntimeError(f"step {step.pk} runs and nobody does it")
    if came is None:
        return
    state, fields = came
    move_step(step, state, **fields)
    step.timers.all().delete()
    follow(run, definition, step)


def _of_task(task: Task) -> tuple[StepState, dict[str, Any]] | None:
    if task.state in Task.WAITING:
        return None
    agent = getattr(task.claimed_by, "agent", None)
    who = {"agent": agent, "chosen_because": f"{agent.name} has the role and took it first."} if agent else {}
    if task.state == Task.State.DONE:
        return StepState.DONE, {**who, "answer": task.answer or {}}
    error = task.failure or {"code": str(task.state), "message": task.close_reason or task.get_state_display()}
    return StepState.FAILED, {**who, "error": error}


def _of_action(action: Action) -> tuple[StepState, dict[str, Any]] | None:
    if not action.is_final:
        return None
    if action.state == State.CONFIRMED:
        return StepState.DONE, {"answer": action.result or {}}
    return StepState.FAILED, {"error": {"code": action.code or action.state, "message": action.sentence}}
