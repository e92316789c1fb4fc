"""What came of the work of a step, told to the machine as an event."""

from __future__ import annotations

from dataclasses import replace

from agents.models import Agent
from workflows.actions.choices import State
from workflows.actions.models import Action
from workflows.runs.engine.events import Closed, Down, Event, Failed
from workflows.runs.models import Step
from workflows.runs.services.attempts import jitter
from workflows.runs.services.children import news_of_child
from workflows.runs.services.holding import down
from workflows.runs.services.picture import Picture
from workflows.runs.services.times import total_passed
from workflows.runs.services.waiting import buffered_for
from workflows.tasks.models import Task

# Codes of actions that were stopped because their system was, and of those no worker came to.
OFF = frozenset({"system_off", "stopped", "unknown_operation"})
NOT_BEGUN_IN_TIME = frozenset({"authorization_expired"})
TOOK_IT = " and took it first."


def news_of(step: Step, picture: Picture) -> Event | None:
    """Return what came of a running step, None while it still runs. Who did it is noted on the step."""
    if step.task is not None:
        event = _of_task(step.task)
        if isinstance(event, Failed):
            _count(step, step.task, picture)
        agent = getattr(step.task.claimed_by, "agent", None) if event is not None else None
        if agent is not None:
            Step.objects.filter(pk=step.pk).update(agent=agent, chosen_because=_why(step, step.task, agent))
            picture.done_by(str(step.pk), agent.code)
        return event
    if step.action is not None:
        return _of_action(step, step.action, picture)
    if step.kind == "sub":
        return news_of_child(step)
    return buffered_for(step, picture) if step.kind == "wait" else None


def _why(step: Step, task: Task, agent: Agent) -> str:
    """Return why it was this agent; what kept it from the agent it should have gone to stands before."""
    if task.preferred_agent_id == agent.pk:
        return step.chosen_because
    unstuck = "" if step.chosen_because.endswith(TOOK_IT) else step.chosen_because
    said = f"{agent.name} has the role and took it first."
    if task.needs:
        said = f"{agent.name} has the role and {', '.join(task.needs)} and took it first."
    return f"{unstuck} {said}".strip()[:500]


def _of_task(task: Task) -> Event | None:
    if task.state in Task.WAITING:
        return None
    if task.state == Task.State.DONE:
        return Closed(task.answer or {})
    error = task.failure or {"code": str(task.state), "message": task.close_reason or task.get_state_display()}
    # Attempts of agents are counted by their task.
    return Failed(str(error.get("code", "failed")), str(error.get("message", "")), retryable=False)


def _count(step: Step, task: Task, picture: Picture) -> None:
    """Let the machine know how often a task was tried before it failed for good."""
    view = picture.steps[str(step.pk)]
    before = max(0, task.attempts + task.lapses - 1)
    counted = replace(
        view, attempts=min(task.attempts, before), infra_attempts=before - min(task.attempts, before)
    )
    picture.put(counted, picture.scopes[view.id])


def _of_action(step: Step, action: Action, picture: Picture) -> Event | None:
    if not action.is_final:
        return None
    if action.state == State.CONFIRMED:
        return Closed(action.result or {})
    node = picture.definition.nodes[step.node]
    is_about_the_system = action.is_temporary or action.code in OFF
    if is_about_the_system and (why := down(node.facts["operation"], may_try=False)):
        return Down(why)
    # Failed is certain: whoever does not know whether something was done leaves it in doubt.
    is_infra = action.is_temporary or action.code in NOT_BEGUN_IN_TIME
    may_again = (is_infra or action.state == State.FAILED) and not total_passed(step, node)
    return Failed(
        action.code or action.state,
        action.sentence,
        retryable=may_again,
        is_infra=is_infra and may_again,
        jitter=jitter(),
    )
