"""Erasing what a finished action was about: its arguments, reasons and result. Digest and course stay."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.db.models import F, Q, QuerySet
from django.db.models.functions import Now

from audit import retention
from audit.retention import Columns, DataClass, Reach
from workflows.actions.models import Action

COLUMNS = Columns(
    at="finished_at",
    times=("requested_at", "finished_at"),
    department="agent__department_id",
    about={
        "actions.action": ("pk",),
        "agents.agent": ("agent_id",),
        "agents.department": ("agent__department_id",),
        "agents.user": ("on_behalf_of_id", "agent__user_id"),
        "runs.run": ("references__run_id",),
        "tasks.task": ("task_id",),
    },
)


def register_classes() -> None:
    """Say what is kept of actions, and which events those need that have not ended."""
    words = "Arguments, reasons and results of actions"
    retention.register(DataClass("actions.arguments", words, find, erase, COLUMNS.at))
    retention.register_in_use("actions", events_in_use)


def events_in_use() -> Q:
    """Return the condition that an action which has not ended needs an event."""
    return Q(action_id__in=retention.keys_of(Action.objects.filter(finished_at__isnull=True)))


def find(reach: Reach) -> QuerySet[Action]:
    """Return the ended actions within reach that are not erased, and that belong to no work under way."""
    ended = Action.objects.filter(finished_at__isnull=False, erased_at__isnull=True)
    ended = ended.exclude(task__isnull=False, task__closed_at__isnull=True)
    return COLUMNS.narrowed(ended.exclude(_of_open_runs()), reach)


def _of_open_runs() -> Q:
    return Q(step__isnull=False, step__run__finished_at__isnull=True)


def erase(keys: Sequence[Any], _event: Any) -> None:
    """Blank what they were about, for good; a trigger lets that happen once, and only to what has ended."""
    ended = {"finished_at__isnull": False, "erased_at__isnull": True}
    Action.objects.filter(pk__in=keys, **ended).update(
        erased_at=Now(),
        arguments={},
        label=F("operation_code"),
        reason="",
        evidence=[],
        provenance={},
        explanation={},
        result=None,
        remote_ref="",
        sentence="What this was about was erased under the rules of retention.",
        edit_reason="",
    )
