"""What people did to runs, and which versions of workflows were in force."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from django.db.models import F, Q, Window
from django.db.models.functions import Lead

from audit import evidence
from audit.evidence import Cell, Column, Kind, Scope, Table, event_table
from workflows.runs.models import Intervention, WorkflowVersion

CHUNK = 2_000


def _interventions(scope: Scope) -> Iterator[Sequence[Cell]]:
    found = Intervention.objects.filter(scope.within("at"), scope.of_departments("run__department_id"))
    for one in found.select_related("run__workflow", "step", "by").order_by("at", "pk").iterator(CHUNK):
        yield (
            one.at,
            one.verb,
            one.run.workflow.code,
            one.run.label,
            one.step.name if one.step else "",
            str(one.by),
            one.reason,
            [_words(change) for change in one.changes],
            str(one.run_id),
        )


def _words(change: object) -> str:
    if isinstance(change, dict):
        return ", ".join(f"{name}: {said}" for name, said in sorted(change.items()))
    return str(change)


def _versions(scope: Scope) -> Iterator[Sequence[Cell]]:
    following = Window(Lead("decided_at"), partition_by=[F("workflow")], order_by=F("decided_at").asc())
    approved = WorkflowVersion.objects.filter(state=WorkflowVersion.State.APPROVED, decided_at__isnull=False)
    found = approved.annotate(until=following).filter(decided_at__lt=scope.until)
    in_force = found.filter(Q(until__isnull=True) | Q(until__gt=scope.since))
    versions = in_force.select_related("workflow", "proposed_by", "approved_by").defer("text", "content")
    for one in versions.order_by("workflow__code", "number").iterator(CHUNK):
        yield (
            one.workflow.code,
            one.number,
            one.decided_at,
            one.until,
            str(one.proposed_by),
            str(one.approved_by or ""),
            one.reason,
            one.sha256,
        )


def register_tables() -> None:
    """Add the tables of this room."""
    evidence.register(*TABLES)


TABLES = (
    Table(
        "interventions.runs",
        "What people did to runs",
        "Steps that were skipped, repeated, overridden or given to others; runs paused, cancelled or undone.",
        (
            Column("at", "When", Kind.MOMENT),
            Column("verb", "What"),
            Column("workflow", "Workflow"),
            Column("run", "Run"),
            Column("step", "Step"),
            Column("by", "By whom"),
            Column("reason", "Why"),
            Column("changes", "What it changed"),
            Column("run_id", "Id of the run"),
        ),
        _interventions,
        "Nobody intervened in a run in this period.",
    ),
    Table(
        "policies.workflows",
        "Versions of workflows in force",
        "Every approved version of a workflow that new runs followed in the period, and by which two people.",
        (
            Column("workflow", "Workflow"),
            Column("number", "Version", Kind.NUMBER),
            Column("since", "In force from", Kind.MOMENT),
            Column("until", "Until", Kind.MOMENT),
            Column("proposed_by", "Proposed by"),
            Column("approved_by", "Approved by"),
            Column("reason", "Why"),
            Column("digest", "SHA-256 of the version"),
        ),
        _versions,
        "No workflow was in force in this period.",
        whole_company=True,
    ),
    event_table(
        "incidents.runs",
        "Runs that needed an operator",
        "Runs that waited for an operator and went on, and steps that were not done in time.",
        ("runs.run_parked", "runs.run_resumed", "runs.step_overdue", "runs.step_not_started", "runs.step_held"),
    ),
)
