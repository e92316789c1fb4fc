"""What of an agent's work is open when it is retired, and what becomes of each piece of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import Any
from uuid import UUID

from django.db.models import QuerySet

from agents.models import Agent
from agents.registry import HandoverItem
from audit.vocabulary import Actor, Refusal, RefusalKind
from workflows.actions.choices import State
from workflows.actions.models import Action
from workflows.actions.services import drop_action
from workflows.runs.models import Step, Workflow
from workflows.runs.services import Redirect, steer_within
from workflows.tasks.models import Task
from workflows.tasks.services import redirect_task, take_back_task
from workflows.triggers.models import EventTrigger, Schedule, WatchedFolder, Webhook

# So many of a kind are listed one by one, the rest as one: no flood of them keeps an agent in office.
MOST = 100
_BEGUN = (State.DISPATCHED, State.IN_DOUBT)
_TRIGGERS = (Schedule, Webhook, EventTrigger, WatchedFolder)


def work_left(agent: Agent) -> Iterable[HandoverItem]:
    """Return the tasks an agent has, which block, and those that are only kept for it."""
    claimed = Task.objects.filter(claimed_by=agent.user_id, state=Task.State.CLAIMED).order_by("pk")
    for task in claimed[:MOST]:
        yield HandoverItem(
            key=f"task:{task.pk}",
            kind="task",
            label=f"the task {task.title}",
            becomes="It goes back to its candidates.",
            blocking=True,
            hand_over=partial(_hand_task, task.pk),
            leave=partial(_leave_task, task.pk),
        )
    yield from _more("tasks", "task", claimed, "They go back to their candidates.", _leave_task)
    kept = Task.objects.filter(preferred_agent=agent, state=Task.State.OPEN).count()
    if kept:
        label = f"{kept} open {'task' if kept == 1 else 'tasks'} kept for it"
        yield HandoverItem("kept-tasks", "task", label, "Offered to every agent of the role.")


def actions_left(agent: Agent) -> Iterable[HandoverItem]:
    """Return what an agent asked for that is not over; it was decided for this one, nobody else can have it."""
    not_over = Action.objects.filter(agent=agent, finished_at__isnull=True).order_by("pk")
    begun, waiting = not_over.filter(state__in=_BEGUN), not_over.exclude(state__in=_BEGUN)
    found_out = "What came of it is found out and recorded all the same."
    for action in [*begun[:MOST], *waiting[:MOST]]:
        has_begun = action.state in _BEGUN
        yield HandoverItem(
            key=f"action:{action.pk}",
            kind="action",
            label=f"{action.label} ({action.get_state_display().lower()})",
            becomes=found_out if has_begun else "It is withdrawn.",
            blocking=True,
            leave=None if has_begun else partial(_leave_action, action.pk),
        )
    yield from _more("begun actions", "action", begun, found_out)
    yield from _more("waiting actions", "action", waiting, "They are withdrawn.", _leave_action)


def _more(
    name: str, kind: str, found: QuerySet[Any], becomes: str, leave: Callable[..., None] | None = None
) -> Iterator[HandoverItem]:
    """Yield as one item what is not listed one by one; nobody else gets it."""
    if keys := list(found.values_list("pk", flat=True)[MOST:]):
        yield HandoverItem(
            key=f"more:{name.replace(' ', '-')}",
            kind=kind,
            label=f"{len(keys)} more {name}",
            becomes=becomes,
            blocking=True,
            leave=partial(_leave_all, leave, keys) if leave else None,
        )


def roles_left(agent: Agent) -> Iterable[HandoverItem]:
    """Return the work that stands still without this agent, as no other active agent has its role."""
    others = Agent.objects.filter(role=agent.role_id, lifecycle=Agent.Lifecycle.ACTIVE).exclude(pk=agent.pk)
    if others.exists() or agent.lifecycle != Agent.Lifecycle.ACTIVE:
        return
    waiting = Task.objects.filter(role=agent.role_id, state=Task.State.OPEN, kind=Task.Kind.AGENT_WORK).count()
    if waiting:
        label = f"{waiting} open {'task' if waiting == 1 else 'tasks'} for agents of the role {agent.role}"
        becomes = "They wait until another agent has the role."
        yield HandoverItem("role-tasks", "role", label, becomes, blocking=True)
    for workflow in Workflow.objects.filter(is_enabled=True, current__isnull=False).select_related("current"):
        nodes = (workflow.current.content if workflow.current else {}).get("nodes", {})
        if agent.role.code in {node.get("role") for node in nodes.values()}:
            yield _of_workflow(agent, workflow)


def _of_workflow(agent: Agent, workflow: Workflow) -> HandoverItem:
    started = [
        name
        for model in _TRIGGERS
        for name in model._default_manager.filter(workflow=workflow, is_enabled=True).values_list(
            "name", flat=True
        )
    ]
    by = f", which {', '.join(sorted(started)[:5])} starts by itself" if started else ""
    return HandoverItem(
        key=f"workflow:{workflow.pk}",
        kind="role",
        label=f"the workflow {workflow.name}{by}: {agent.name} is the only agent of the role {agent.role}",
        becomes="Its runs wait at that step until another agent has the role.",
        blocking=True,
    )


def _hand_task(task_id: UUID, actor: Actor, to: Agent, reason: str) -> None:
    """Give it away as who steers runs does: to who may have it, and behind what comes of it is who gave it."""
    step = Step.objects.select_related("run").filter(task=task_id).first()
    if step is not None:
        steer_within(actor=actor, run=step.run, verb=Redirect(to=to.user), step=step, reason=reason)
        return
    task = Task.objects.get(pk=task_id)
    if task.role_id not in (None, to.role_id) or not set(task.needs) <= set(to.labels):
        raise Refusal(
            "cannot_take_it",
            f"{task.title} was not given to {to.name}: it is for another role, or needs other labels.",
            kind=RefusalKind.CONFLICT,
            next_step="Choose an agent of that role, or let it go back to its candidates.",
        )
    redirect_task(actor=actor, task_id=task_id, to=to.user, reason=reason)


def _leave_task(task_id: UUID, actor: Actor, reason: str) -> None:
    take_back_task(actor=actor, task_id=task_id, reason=reason)


def _leave_action(action_id: UUID, actor: Actor, reason: str) -> None:
    drop_action(actor=actor, action_id=action_id, reason=reason)


def _leave_all(leave: Callable[..., None], keys: Sequence[UUID], actor: Actor, reason: str) -> None:
    for key in keys:
        leave(key, actor, reason)
