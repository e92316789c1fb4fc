"""What time does to a task: people are reminded, others are asked, or it is closed with a foreseen answer.

The caller keeps the clock and holds the lock of what the task belongs to; nobody here asks what time it is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from django.contrib.auth.models import Group
from django.db import transaction

from agents.models import User
from audit.vocabulary import Actor
from workflows.tasks import registry, selectors
from workflows.tasks.models import Task
from workflows.tasks.services.closing import close_task
from workflows.tasks.services.records import locked, note_passing, record, require_waiting

WORDS = {
    "start": "nobody has taken it in time",
    "complete": "it was not done in time",
    "decide": "nobody has decided it in time",
}
HIGHEST = 1


@transaction.atomic
def remind_task(*, actor: Actor, task_id: Any, deadline: str) -> Task:
    """Remind those who may do a task, or whoever has it, that a deadline (start or complete) comes near."""
    task = locked(task_id)
    require_waiting(task)
    task.reminded_at = selectors.database_now()
    task.save(update_fields=["reminded_at"])
    record(actor, "tasks.task_reminded", task, f"A reminder of the task: {task.title}", code=deadline)
    registry.tell_reminded(task, deadline)
    return task


@transaction.atomic
def escalate_task(
    *, actor: Actor, task_id: Any, deadline: str, groups: Sequence[Group], people: Sequence[User] = ()
) -> Task:
    """Ask these groups and people, too, and put the task first. Whoever has it keeps it."""
    task = locked(task_id)
    require_waiting(task)
    _note(task, actor, "escalated", deadline, [*groups, *people])
    task.candidate_groups.add(*groups)
    task.candidate_users.add(*people)
    task.priority = HIGHEST
    task.save(update_fields=["priority", "passed_on"])
    record(
        actor,
        "tasks.task_escalated",
        task,
        _sentence(task, deadline, "can do it, too", [*groups, *people]),
        code=deadline,
    )
    registry.tell_asked(task)
    return task


@transaction.atomic
def hand_to_people(
    *, actor: Actor, task_id: Any, people: Sequence[User], reason: str, until: datetime | None = None
) -> Task:
    """Ask these people in particular, by a time if one is named; who was asked before still is. Its owner
    records why."""
    task = locked(task_id)
    require_waiting(task)
    before = [str(one) for one in (*task.candidate_groups.all(), *task.candidate_users.all())]
    to = [str(one) for one in people]
    note_passing(task, how="reassigned", by=actor, before=before, to=to, reason=reason, until=until)
    task.candidate_users.add(*people)
    task.save(update_fields=["passed_on"])
    registry.tell_asked(task)
    return task


@transaction.atomic
def reassign_task(*, actor: Actor, task_id: Any, deadline: str, groups: Sequence[Group]) -> Task:
    """Ask these groups instead. A claim is over: a later word of whoever had it is refused as stale."""
    task = locked(task_id)
    require_waiting(task)
    _note(task, actor, "reassigned", deadline, groups)
    task.candidate_groups.set(groups)
    task.candidate_users.clear()
    task.state, task.claimed_by, task.lease_until = Task.State.OPEN, None, None
    task.priority = HIGHEST
    task.epoch += 1
    task.save(update_fields=["state", "claimed_by", "lease_until", "priority", "epoch", "passed_on"])
    sentence = _sentence(task, deadline, "can do it instead", groups)
    record(actor, "tasks.task_reassigned", task, sentence, code=deadline)
    registry.tell_asked(task)
    return task


@transaction.atomic
def close_by_deadline(*, actor: Actor, task_id: Any, deadline: str, answer: Mapping[str, Any]) -> Task:
    """Close a task as done with the answer foreseen for its deadline. It is nobody's answer, and says so."""
    task = locked(task_id)
    require_waiting(task)
    task.answer, task.closed_by_deadline = dict(answer), deadline
    task.claimed_by, task.lease_until = None, None
    task.epoch += 1
    task.state = Task.State.OPEN
    task.save(update_fields=["answer", "closed_by_deadline", "claimed_by", "lease_until", "epoch", "state"])
    reason = f"Closed by itself: {WORDS[deadline]}."
    verb, code = "tasks.task_completed", "automatic"
    return close_task(actor=actor, task=task, state=Task.State.DONE, verb=verb, reason=reason, code=code)


@transaction.atomic
def end_sooner(*, task_id: Any, due_at: datetime) -> Task:
    """Bring the end of a waiting task forward; it is never put off so. Its owner is locked, and records why."""
    task = locked(task_id)
    require_waiting(task)
    if task.due_at is None or due_at < task.due_at:
        task.due_at = due_at
        task.save(update_fields=["due_at"])
    return task


def _note(task: Task, actor: Actor, how: str, deadline: str, groups: Sequence[Group | User]) -> None:
    """Keep who was asked first, and who is asked now."""
    holder = task.claimed_by
    before = [group.name for group in task.candidate_groups.all()]
    note_passing(
        task,
        how=how,
        by=actor,
        before=[*before, *([f"{holder}, who had it"] if holder else [])],
        to=[str(one) for one in groups],
        reason=f"{WORDS[deadline][0].upper()}{WORDS[deadline][1:]}.",
    )


def _sentence(task: Task, deadline: str, how: str, groups: Sequence[Group | User]) -> str:
    names = " and ".join(map(str, groups))
    return f"{task.title}: {WORDS[deadline]}, {names} {how}"
