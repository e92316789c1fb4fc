"""Give a task to one agent or one person instead of whoever has it or is offered it."""

from __future__ import annotations

from functools import partial
from uuid import UUID

from django.db import transaction

from agents.models import Agent, User
from audit.vocabulary import Actor
from workflows.tasks import broadcast, selectors
from workflows.tasks.models import Task
from workflows.tasks.services.records import locked, record, require_waiting


@transaction.atomic
def redirect_task(*, actor: Actor, task_id: UUID | str, to: User, reason: str) -> Task:
    """Offer a waiting task to one agent or one person only. A claim on it ends: a later write is stale.

    For higher sub-packages, which have asked whether the actor may and whether ``to`` is fit for it. Work that
    a person gets instead of an agent is work for people; what an agent gets back is an agent's again.
    """
    task = locked(task_id)
    require_waiting(task)
    agent = Agent.objects.select_related("role").filter(user=to).first() if to.is_agent else None
    if agent is not None:
        task.kind, task.role = Task.Kind.AGENT_WORK, agent.role
    elif task.kind == Task.Kind.AGENT_WORK:
        task.kind, task.role, task.department = Task.Kind.HUMAN_WORK, None, None
    task.preferred_agent = None
    task.state, task.claimed_by, task.lease_until = Task.State.OPEN, None, None
    task.epoch += 1
    task.waits_for, task.progress, task.available_at = "", "", selectors.database_now()
    task.save(
        update_fields=[
            "kind", "role", "department", "preferred_agent", "state", "claimed_by", "lease_until", "epoch",
            "waits_for", "progress", "available_at",
        ]
    )  # fmt: skip
    task.candidate_groups.set([agent.role.group] if agent is not None else [])
    task.candidate_users.set([to])
    record(actor, "tasks.task_redirected", task, f"{actor.label} gave {task.title} to {to}", reason)
    if task.role_id:
        transaction.on_commit(partial(broadcast.tell_work, task.role_id))
    return task
