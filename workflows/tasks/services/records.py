"""What every service of tasks needs: the locked row, the refusals, the event."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from agents.models import User
from audit.services import record_event
from audit.vocabulary import Actor, Refusal, RefusalKind
from connectors.policies.schemas import plain_text
from workflows.tasks import registry, selectors
from workflows.tasks.models import Task

DECIDED_ELSEWHERE = {
    Task.Kind.APPROVAL: "Vote on the approval, in the inbox or at /api/v1/approvals.",
}


def locked(task_id: UUID | str) -> Task:
    """Lock a task and return it fresh."""
    task = Task.objects.select_for_update(of=("self",)).filter(pk=task_id).first()
    if task is None:
        raise not_found(task_id)
    return task


def require_waiting(task: Task) -> None:
    """Refuse to change what is closed."""
    if task.state not in Task.WAITING:
        raise refused(
            "task_closed",
            f"The task {task.title!r} was not changed: it is already {task.get_state_display().lower()}.",
            "Drop it: nothing is left to do for it.",
            kind=RefusalKind.CONFLICT,
        )


def require_work(task: Task) -> None:
    """Refuse to answer what is decided elsewhere: a task closed by hand would leave its question open."""
    if where := DECIDED_ELSEWHERE.get(Task.Kind(task.kind)) or registry.decided_elsewhere(task):
        raise refused(
            "decided_elsewhere",
            f"The task {task.title!r} was not closed: it ends when its subject is decided.",
            where,
            kind=RefusalKind.CONFLICT,
        )


def require_claimer(actor: Actor, task: Task) -> None:
    """Refuse whoever does not hold the task."""
    if str(task.claimed_by_id) != actor.id:
        who = f"{task.claimed_by} has it" if task.claimed_by else "nobody has it now"
        raise refused(
            "task_not_claimed",
            f"{actor.label} has not claimed the task {task.title!r}: {who}.",
            "Drop what you did for it. Claim it first, once it is offered to you.",
        )


def require_epoch(task: Task, epoch: int | None) -> None:
    """Refuse whoever holds an older claim: somebody else may have gone on since."""
    if epoch is not None and epoch != task.epoch:
        raise refused(
            "task_stale",
            f"The task {task.title!r} was not changed: your claim {epoch} is over, {task.epoch} is current.",
            "Claim the task again and repeat the work against its present state.",
            kind=RefusalKind.CONFLICT,
        )


def user_of(actor: Actor) -> User:
    """Return the user behind an actor."""
    return User.objects.get(pk=actor.id)


def not_found(task_id: UUID | str) -> Refusal:
    """Return the refusal for a task that is not there, or not for this actor."""
    return Refusal("not_found", f"There is no task {task_id} for you.", kind=RefusalKind.NOT_FOUND)


def refused(code: str, message: str, next_step: str = "", kind: RefusalKind = RefusalKind.FORBIDDEN) -> Refusal:
    """Return a refusal of this room."""
    return Refusal(code, message, kind=kind, next_step=next_step)


def record(actor: Actor, verb: str, task: Task, sentence: str, reason: str = "", code: str = "") -> None:
    """Write one fact about a task into the ledger, in the caller's transaction."""
    record_event(
        actor=actor,
        verb=verb,
        subject=task.as_ref(),
        sentence=sentence[:500],
        reason=plain_text(reason),
        code=code,
        **task.event_refs(),
    )


def note_passing(
    task: Task,
    *,
    how: str,
    by: Actor,
    before: Sequence[str],
    to: Sequence[str],
    reason: str,
    holder_id: str = "",
    note: str = "",
    until: datetime | None = None,
) -> None:
    """Add to a task through whose hands it goes; the caller saves ``passed_on``. What people said is text.

    ``until``: by when those asked are to have looked at it.
    """
    told: dict[str, Any] = {
        "how": how,
        "at": selectors.database_now().isoformat(),
        "by": by.label,
        "by_id": by.id,
        "from": list(before),
        "to": list(to),
        "reason": plain_text(reason)[:500],
        "note": plain_text(note)[:2000],
        "holder_id": holder_id,
    }
    if until:
        told["until"] = until.isoformat()
    task.passed_on = [*task.passed_on, told]
