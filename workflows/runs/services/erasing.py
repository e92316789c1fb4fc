"""Erasing the evidence of ended runs: what went in, what each step was given and answered, what was sent."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.db.models import Q, QuerySet
from django.db.models.functions import Now

from audit import retention
from audit.retention import Columns, DataClass, Reach
from workflows.documents.registry import register_in_use
from workflows.runs.models import Item, Run, RunDocument, Signal, Step
from workflows.tasks.models import Task

COLUMNS = Columns(
    at="finished_at",
    times=("started_at", "finished_at"),
    department="department_id",
    about={
        "runs.run": ("pk",),
        "agents.agent": ("steps__agent_id",),
        "agents.department": ("department_id", "steps__agent__department_id"),
        "actions.action": ("steps__action_id",),
        "documents.document": ("run_documents__document_id",),
        "runs.workflow": ("workflow_id",),
    },
)
ERASED = "Erased under the rules of retention"


def register_classes() -> None:
    """Say what is kept of runs, and which events and documents those need that have not ended."""
    words = "Evidence of runs (inputs, answers, signals)"
    retention.register(DataClass("runs.evidence", words, find, erase, COLUMNS.at))
    retention.register_in_use("runs", events_in_use)
    register_in_use(documents_in_use)


def events_in_use() -> Q:
    """Return the condition that a run which has not ended needs an event."""
    return Q(run_id__in=retention.keys_of(Run.objects.filter(finished_at__isnull=True)))


def documents_in_use() -> Q:
    """Return the condition that a run which has not ended needs a document."""
    return Q(pk__in=RunDocument.objects.filter(run__finished_at__isnull=True).values("document"))


def find(reach: Reach) -> QuerySet[Run]:
    """Return the ended runs within reach that are not erased, with nothing under way in or around them."""
    ended = Run.objects.filter(finished_at__isnull=False, erased_at__isnull=True)
    ended = ended.exclude(parent__isnull=False, parent__run__finished_at__isnull=True)
    open_actions = Step.objects.filter(action__isnull=False, action__finished_at__isnull=True).values("run")
    undone = Step.objects.filter(undo_action__isnull=False, undo_action__finished_at__isnull=True).values("run")
    return COLUMNS.narrowed(ended.exclude(pk__in=open_actions).exclude(pk__in=undone), reach)


def erase(keys: Sequence[Any], _event: Any) -> None:
    """Blank what they were about, for good; a trigger lets that happen once, and only to what has ended."""
    ended = {"finished_at__isnull": False, "erased_at__isnull": True}
    Run.objects.filter(pk__in=keys, **ended).update(
        erased_at=Now(), input={}, output=None, label=ERASED, problem=""
    )
    Step.objects.filter(run__in=keys).update(
        input={}, answer=None, error={}, held_because="", chosen_because="", routing=None
    )
    Task.objects.filter(step__run__in=keys, closed_at__isnull=False).update(
        input={}, answer=None, failure={}, title=ERASED, subject_label=""
    )
    Item.objects.filter(frame__run__in=keys).update(item=None, value=None)
    Signal.objects.filter(run__in=keys).update(payload={})
