"""Open tasks, and say something about them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from functools import partial
from typing import Any
from uuid import UUID

from django.contrib.auth.models import Group
from django.db import transaction

from agents.models import Agent, Department, Role, User
from audit.vocabulary import Actor, ActorKind, Ref
from workflows.tasks import broadcast, registry, selectors
from workflows.tasks.models import NO_DEPARTMENT, Comment, Task
from workflows.tasks.services.records import locked, not_found, record, user_of


@transaction.atomic
def open_task(
    *,
    actor: Actor,
    kind: str,
    title: str,
    subject: Ref,
    body: str = "",
    groups: Iterable[Group] = (),
    users: Iterable[User] = (),
    role: Role | None = None,
    department: Department | None = None,
    needs: Iterable[str] = (),
    preferred_agent: Agent | None = None,
    work: Mapping[str, Any] | None = None,
    answer_schema: Mapping[str, Any] | None = None,
    most_attempts: int = 3,
    heartbeat_seconds: int | None = None,
    due_at: datetime | None = None,
    deadlines: Mapping[str, Any] | None = None,
    asked_for: Task | None = None,
    not_offered_to: Iterable[str] = (),
    priority: int = 3,
    references: Mapping[str, str] | None = None,
    lane: UUID = NO_DEPARTMENT,
) -> Task:
    """Open a task for its candidates; ``references`` are the ids its events carry.

    ``role``: agents of this role are offered it, only those of the ``department`` if one is named, that have
    every label it ``needs``; a ``preferred_agent`` alone as long as it may work. ``work`` is what they are
    given, ``answer_schema`` the JSON Schema of what they answer, ``lane`` the department whose work it is.
    ``deadlines`` is what its owner, who keeps the clock, does when one passes: shown, not done here.
    """
    task = Task(
        kind=kind,
        title=title[:300],
        body=body,
        subject_kind=subject.kind,
        subject_id=subject.id,
        subject_label=subject.label[:300],
        references=dict(references or {}),
        role=role,
        department=department,
        needs=sorted(set(needs)),
        preferred_agent=preferred_agent,
        input=dict(work or {}),
        answer_schema=dict(answer_schema or {}),
        most_attempts=most_attempts,
        heartbeat_seconds=heartbeat_seconds,
        due_at=due_at,
        deadlines=dict(deadlines or {}),
        asked_for=asked_for,
        not_offered_to=list(not_offered_to),
        priority=priority,
        lane=lane,
    )
    if role:
        task.turn = selectors.next_turn(role.pk, lane, priority)
    task.full_clean(
        exclude=["turn", "created_at", "available_at", "role", "department", "preferred_agent", "asked_for"]
    )
    task.save(force_insert=True)
    task.candidate_groups.set([*groups, role.group] if role else groups)
    task.candidate_users.set(users)
    record(actor, "tasks.task_opened", task, f"A task was opened: {task.title}")
    if role:
        transaction.on_commit(partial(broadcast.tell_work, role.pk))
    registry.tell_asked(task)
    return task


@transaction.atomic
def comment(*, actor: Actor, task_id: UUID | str, text: str) -> Comment:
    """Say something about a task one may see. Comments are kept for good."""
    task = locked(task_id)
    if (
        actor.kind is not ActorKind.SYSTEM
        and not selectors.visible_to(user_of(actor)).filter(pk=task.pk).exists()
    ):
        raise not_found(task_id)
    return note_comment(actor=actor, task=task, text=text)


def note_comment(*, actor: Actor, task: Task, text: str) -> Comment:
    """Keep what somebody said about a task. For higher sub-packages, which ask who may see it."""
    said = Comment(task=task, author_id=actor.id, author_label=actor.label[:300], text=text)
    said.full_clean(exclude=["created_at"])
    said.save(force_insert=True)
    record(actor, "tasks.task_commented", task, f"{actor.label} commented on: {task.title}", text)
    return said
