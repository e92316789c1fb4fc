"""Pause tasks and let them be taken again, for the work they belong to."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from uuid import UUID

from django.db import transaction

from agents.models import User
from workflows.tasks import broadcast, registry
from workflows.tasks.models import Task


def set_paused(*, tasks: Iterable[UUID], is_paused: bool) -> None:
    """Let nobody take these tasks, or let them be taken again; whoever has one keeps it.

    Call it in the transaction that pauses what they belong to: a claim that holds the row is waited for, and
    one that comes later finds it paused.
    """
    named = list(tasks)
    changing = Task.objects.filter(pk__in=named, state__in=Task.WAITING, is_paused=not is_paused)
    roles = set(changing.values_list("role_id", flat=True))
    held = list(changing.filter(claimed_by__kind=User.Kind.AGENT))
    Task.objects.filter(pk__in=named, state__in=Task.WAITING).update(is_paused=is_paused)
    for task in held:
        registry.tell_holder(task, str(task.claimed_by_id), "paused" if is_paused else "resumed")
    if not is_paused:
        for role_id in roles - {None}:
            transaction.on_commit(partial(broadcast.tell_work, role_id))
