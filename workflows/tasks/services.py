"""Open, claim, hand back and close tasks. Every change is in the ledger in the same transaction."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from uuid import UUID

from django.contrib.auth.models import Group
from django.db import transaction
from django.db.models.functions import Now

from agents.models import User
from audit.services import record_event
from audit.vocabulary import Actor, ActorKind, Ref, Refusal, RefusalKind
from workflows.tasks import selectors
from workflows.tasks.models import Comment, Task


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
    due_at: datetime | None = None,
    priority: int = 3,
    references: Mapping[str, str] | None = None,
) -> Task:
    """Open a task for its candidates; ``references`` are the ids its events carry."""
    task = Task(
        kind=kind,
        title=title[:300],
        body=body,
        subject_kind=subject.kind,
        subject_id=subject.id,
        subject_label=subject.label[:300],
        references=dict(references or {}),
        due_at=due_at,
        priority=priority,
    )
    task.full_clean(exclude=["created_at"])
    task.save(force_insert=True)
    task.candidate_groups.set(groups)
    task.candidate_users.set(users)
    _record(actor, "tasks.task_opened", task, f"A task was opened: {task.title}")
    return task


@transaction.atomic
def claim_task(*, actor: Actor, task_id: UUID | str, lease_seconds: int | None = None) -> Task:
    """Take a task for oneself; the epoch it returns fences every later write. Only candidates may.

    With ``lease_seconds`` the claim lapses by the database clock unless it is taken again.
    """
    task = _locked(task_id)
    user = _user(actor)
    if not selectors.may_do(user, task):
        raise _refused(
            "task_not_yours", f"{actor.label} may not take the task {task.title!r}: not a candidate."
        )
    now = selectors.database_now()
    held_by_other = task.state == Task.State.CLAIMED and task.claimed_by_id != user.pk
    if held_by_other and (task.lease_until is None or task.lease_until > now):
        raise _refused(
            "task_taken",
            f"The task {task.title!r} was not taken: {task.claimed_by} has it.",
            "Take another task, or ask them to release it.",
            kind=RefusalKind.CONFLICT,
        )
    _require_waiting(task)
    task.state = Task.State.CLAIMED
    task.claimed_by = user
    task.epoch += 1
    task.lease_until = now + timedelta(seconds=lease_seconds) if lease_seconds else None
    task.save(update_fields=["state", "claimed_by", "epoch", "lease_until"])
    _record(actor, "tasks.task_claimed", task, f"{actor.label} took the task: {task.title}")
    return task


@transaction.atomic
def release_task(*, actor: Actor, task_id: UUID | str, reason: str = "") -> Task:
    """Give a claimed task back to its candidates."""
    task = _locked(task_id)
    _require_claimer(actor, task)
    task.state, task.claimed_by, task.lease_until = Task.State.OPEN, None, None
    task.save(update_fields=["state", "claimed_by", "lease_until"])
    _record(actor, "tasks.task_released", task, f"{actor.label} gave the task back: {task.title}", reason)
    return task


@transaction.atomic
def complete_task(*, actor: Actor, task_id: UUID | str, reason: str = "", epoch: int | None = None) -> Task:
    """Close a task as done. A worker passes the epoch of its claim; an older one is refused as stale."""
    task = _locked(task_id)
    if actor.kind is not ActorKind.SYSTEM:
        _require_claimer(actor, task)
    if epoch is not None and epoch != task.epoch:
        raise _refused(
            "task_stale",
            f"The task {task.title!r} was not completed: its claim {epoch} is over, {task.epoch} is current.",
            "Claim the task again and repeat the work against its present state.",
            kind=RefusalKind.CONFLICT,
        )
    return close_task(actor=actor, task=task, state=Task.State.DONE, verb="tasks.task_completed", reason=reason)


@transaction.atomic
def cancel_task(*, actor: Actor, task_id: UUID | str, reason: str) -> Task:
    """Close a task that nobody needs any more."""
    task = _locked(task_id)
    if actor.kind is ActorKind.AGENT:
        raise _refused("people_only", "Agents do not cancel tasks. Ask a person who is responsible for it.")
    if actor.kind is ActorKind.PERSON and not _user(actor).has_perm("tasks.change_task"):
        _require_claimer(actor, task)
    return close_task(
        actor=actor, task=task, state=Task.State.CANCELLED, verb="tasks.task_cancelled", reason=reason
    )


def close_task(*, actor: Actor, task: Task, state: str, verb: str, reason: str) -> Task:
    """Move a locked, waiting task to a final state. The caller has already asked whether the actor may."""
    _require_waiting(task)
    task.state = Task.State(state)
    task.closed_at = selectors.database_now()
    task.close_reason = reason[:500]
    task.save(update_fields=["state", "closed_at", "close_reason"])
    _record(actor, verb, task, f"{task.title}: {task.get_state_display().lower()}", reason)
    return task


@transaction.atomic
def close_if_waiting(*, actor: Actor, task_id: UUID | str, state: str, reason: str) -> None:
    """Close the task of something that was decided elsewhere; a task that is closed already stays as it is."""
    task = Task.objects.select_for_update().filter(pk=task_id).first()
    if task and task.state in Task.WAITING:
        close_task(actor=actor, task=task, state=state, verb=_CLOSING_VERBS[Task.State(state)], reason=reason)


@transaction.atomic
def comment(*, actor: Actor, task_id: UUID | str, text: str) -> Comment:
    """Say something about a task one may see. Comments are kept for good."""
    task = _locked(task_id)
    if (
        actor.kind is not ActorKind.SYSTEM
        and not selectors.visible_to(_user(actor)).filter(pk=task.pk).exists()
    ):
        raise _not_found(task_id)
    said = Comment(task=task, author_id=actor.id, author_label=actor.label[:300], text=text)
    said.full_clean(exclude=["created_at"])
    said.save(force_insert=True)
    _record(actor, "tasks.task_commented", task, f"{actor.label} commented on: {task.title}", text)
    return said


@transaction.atomic
def release_lapsed(*, limit: int = 100) -> int:
    """Open claimed tasks again whose lease is over; return how many. Run by the sweeper."""
    lapsed = (
        Task.objects.select_for_update(skip_locked=True)
        .filter(state=Task.State.CLAIMED, lease_until__lt=Now())
        .order_by("id")[:limit]
    )
    actor = Actor.system("sweeper")
    for task in lapsed:
        task.state, task.claimed_by, task.lease_until = Task.State.OPEN, None, None
        task.save(update_fields=["state", "claimed_by", "lease_until"])
        _record(actor, "tasks.task_released", task, f"The claim lapsed: {task.title}")
    return len(lapsed)


_CLOSING_VERBS = {
    Task.State.DONE: "tasks.task_completed",
    Task.State.CANCELLED: "tasks.task_cancelled",
    Task.State.EXPIRED: "tasks.task_expired",
}


def _locked(task_id: UUID | str) -> Task:
    task = Task.objects.select_for_update(of=("self",)).filter(pk=task_id).first()
    if task is None:
        raise _not_found(task_id)
    return task


def _require_waiting(task: Task) -> None:
    if task.state not in Task.WAITING:
        raise _refused(
            "task_closed",
            f"The task {task.title!r} was not changed: it is already {task.get_state_display().lower()}.",
            "Open a new task if something is left to do.",
            kind=RefusalKind.CONFLICT,
        )


def _require_claimer(actor: Actor, task: Task) -> None:
    if str(task.claimed_by_id) != actor.id:
        raise _refused(
            "task_not_claimed", f"{actor.label} has not claimed the task {task.title!r}.", "Claim it first."
        )


def _user(actor: Actor) -> User:
    return User.objects.get(pk=actor.id)


def _not_found(task_id: UUID | str) -> Refusal:
    return Refusal("not_found", f"There is no task {task_id} for you.", kind=RefusalKind.NOT_FOUND)


def _refused(
    code: str, message: str, next_step: str = "", kind: RefusalKind = RefusalKind.FORBIDDEN
) -> Refusal:
    return Refusal(code, message, kind=kind, next_step=next_step)


def _record(actor: Actor, verb: str, task: Task, sentence: str, reason: str = "") -> None:
    record_event(
        actor=actor,
        verb=verb,
        subject=task.as_ref(),
        sentence=sentence[:500],
        reason=reason,
        **task.event_refs(),
    )
