"""A person says "I have it", or "not now": others see the first, the second is theirs alone."""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

from django.db import transaction

from audit.vocabulary import Actor, RefusalKind
from workflows.tasks import selectors
from workflows.tasks.models import Snooze, Task
from workflows.tasks.services.records import locked, record, refused, require_waiting, user_of

LONGEST_SNOOZE = timedelta(days=30)


@transaction.atomic
def hold_task(*, actor: Actor, task_id: UUID | str, seconds: int, over: bool = False, reason: str = "") -> Task:
    """Take what waits in hand for so many seconds; ``over``: from whoever has it, who reads why.

    The caller has asked whether the actor may. It keeps nobody from deciding. Raises Refusal task_closed,
    task_taken.
    """
    task = locked(task_id)
    require_waiting(task)
    now, user = selectors.database_now(), user_of(actor)
    holder = selectors.holder_of(task, now)
    if holder and holder != user and not over:
        raise refused(
            "task_taken",
            f"{task.title!r} was not taken: {holder} has it.",
            "Take it over and say why, or leave it to them.",
            kind=RefusalKind.CONFLICT,
        )
    if holder != user:
        task.claimed_at = now
    task.state, task.claimed_by, task.lease_until = Task.State.CLAIMED, user, now + timedelta(seconds=seconds)
    task.epoch += 1
    task.save(update_fields=["state", "claimed_at", "claimed_by", "epoch", "lease_until"])
    whose = f" from {holder}" if holder and holder != user else ""
    record(actor, "tasks.task_claimed", task, f"{actor.label} took the task{whose}: {task.title}", reason)
    return task


@transaction.atomic
def snooze_task(*, actor: Actor, task_id: UUID | str, until: datetime) -> Snooze:
    """Put something off for oneself until then; nobody else sees less of it, and no deadline moves.

    The caller has asked whether the actor may see it. Raises Refusal task_closed, snooze_invalid.
    """
    task = locked(task_id)
    require_waiting(task)
    now = selectors.database_now()
    if not now < until <= now + LONGEST_SNOOZE:
        raise refused(
            "snooze_invalid",
            f"{task.title!r} was not put off: choose a time within the next {LONGEST_SNOOZE.days} days.",
            kind=RefusalKind.INVALID,
        )
    found, _ = Snooze.objects.update_or_create(task=task, person=user_of(actor), defaults={"until": until})
    sentence = f"{actor.label} wants to see it again at {until:%Y-%m-%d %H:%M %Z}: {task.title}"
    record(actor, "tasks.task_snoozed", task, sentence)
    return found


@transaction.atomic
def end_snooze(*, actor: Actor, task_id: UUID | str) -> Task:
    """Have something in one's list again at once; nothing happens when it was not put off."""
    task = locked(task_id)
    gone, _ = Snooze.objects.filter(task=task, person=UUID(actor.id)).delete()
    if gone:
        record(actor, "tasks.snooze_ended", task, f"{actor.label} wants to see it again now: {task.title}")
    return task
