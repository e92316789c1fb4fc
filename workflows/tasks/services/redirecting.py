"""Give a task to one agent, one person or one group instead of whoever has it or is offered it."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from uuid import UUID

from django.contrib.auth.models import Group
from django.db import transaction

from agents.models import Agent, User
from audit.vocabulary import Actor
from workflows.tasks import broadcast, registry, selectors
from workflows.tasks.models import Task
from workflows.tasks.services.records import locked, record, require_waiting


@transaction.atomic
def redirect_task(
    *, actor: Actor, task_id: UUID | str, to: User | Group | Sequence[Group], reason: str
) -> Task:
    """Offer a waiting task to one agent, one person or one group (or several) only. A claim on it ends: a later
    write is stale.

    For higher sub-packages, which have asked whether the actor may and whether ``to`` is fit for it. Work that
    people get instead of an agent is work for people; what an agent gets back is an agent's again.
    """
    task = locked(task_id)
    require_waiting(task)
    user = to if isinstance(to, User) else None
    groups = [] if isinstance(to, User) else [to] if isinstance(to, Group) else list(to)
    agent = Agent.objects.select_related("role").filter(user=user).first() if user and user.is_agent else None
    if agent is not None:
        task.kind, task.role = Task.Kind.AGENT_WORK, agent.role
    elif task.kind == Task.Kind.AGENT_WORK:
        task.kind, task.role, task.department = Task.Kind.HUMAN_WORK, None, None
    if task.claimed_by_id and str(task.claimed_by_id) != actor.id:
        registry.tell_holder(task, str(task.claimed_by_id), "taken_back", "redirected")
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
    task.candidate_groups.set(
        [agent.role.group] if agent is not None else [] if isinstance(to, User) else groups
    )
    task.candidate_users.set([user] if user is not None else [])
    named = " and ".join(group.name for group in groups)
    record(
        actor,
        "tasks.task_redirected",
        task,
        f"{actor.label} gave {task.title} to {to if user else named}",
        reason,
    )
    if task.role_id:
        transaction.on_commit(partial(broadcast.tell_work, task.role_id))
    registry.tell_asked(task)
    return task
