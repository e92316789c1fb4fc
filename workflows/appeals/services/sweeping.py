"""The clock of an appeal: people are reminded before its end; unanswered it lapses, and its agent hears so."""

from __future__ import annotations

from datetime import timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import QuerySet
from django.db.models.functions import Now

from audit.vocabulary import Actor
from workflows.tasks.models import Task
from workflows.tasks.services import close_if_waiting, remind_task

CLOCK = Actor.system("sweeper")
BATCH = 100


def sweep_appeals() -> dict[str, int]:
    """Remind of what ends soon and end what is over; return how many of each."""
    return {"reminded": _remind(), "lapsed": _lapse()}


@transaction.atomic
def _remind() -> int:
    """Once, when the company's share of the time has passed."""
    left = timedelta(days=settings.APPEAL_DAYS) * (100 - settings.APPROVAL_REMIND_SHARE) / 100
    due = list(_waiting().filter(reminded_at=None, due_at__gt=Now(), due_at__lte=Now() + left)[:BATCH])
    for task in due:
        remind_task(actor=CLOCK, task_id=task.pk, deadline="complete")
    return len(due)


@transaction.atomic
def _lapse() -> int:
    due = list(_waiting().filter(due_at__lte=Now())[:BATCH])
    for task in due:
        close_if_waiting(
            actor=CLOCK, task_id=task.pk, state=Task.State.EXPIRED, reason="Nobody answered in time."
        )
    return len(due)


def _waiting() -> QuerySet[Task]:
    waiting = Task.objects.select_for_update(of=("self",), skip_locked=True)
    return waiting.filter(subject_kind="appeals.appeal", state__in=Task.WAITING).order_by("due_at")
