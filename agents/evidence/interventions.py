"""Where people stopped agents, how long it took to arrive, and what was only an exercise."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from django.db.models import Count, Q

from agents.evidence.scope import CHUNK
from agents.models import Acknowledgement, Stop
from audit.evidence import Cell, Column, Kind, Scope, Table, event_table

BRAKES = (
    "agents.agent_paused",
    "agents.agent_suspended",
    "agents.agent_demoted",
    "agents.brake_lifted",
    "agents.tokens_revoked",
    "agents.client_secret_revoked",
    "agents.stop_eased",
    "agents.stop_tightened",
)
_WHOLE, _PROCESS = Acknowledgement.Kind.WHOLE, Acknowledgement.Kind.PROCESS


def stops_of(scope: Scope, *, exercises: bool) -> Iterator[Sequence[Cell]]:
    """Yield the stops that were raised, in force or lifted in a period; exercises apart from the rest."""
    found = Stop.objects.filter(
        Q(lifted_at__isnull=True) | Q(lifted_at__gte=scope.since),
        _of(scope),
        raised_at__lt=scope.until,
        is_exercise=exercises,
    )
    answered = Count("acknowledgements", filter=Q(acknowledgements__kind=_PROCESS))
    for stop in found.annotate(answered=answered).order_by("raised_at", "pk").iterator(CHUNK):
        whole = stop.acknowledgements.filter(kind=_WHOLE).values_list("at", flat=True).first()
        asked = stop.tightened_at or stop.raised_at
        yield (
            stop.raised_at,
            stop.get_scope_kind_display(),
            stop.scope_label,
            stop.raised_by,
            stop.reason,
            whole,
            (whole - asked).total_seconds() if whole else None,
            stop.answered,
            stop.lifted_at,
            stop.lifted_by,
            stop.lift_reason,
            (stop.lifted_at - stop.raised_at).total_seconds() if stop.lifted_at else None,
            str(stop.pk),
        )


def _of(scope: Scope) -> Q:
    if scope.departments is None or scope.agents is None:
        return Q()
    theirs = Q(scope_id__in=sorted(scope.departments | scope.agents))
    return theirs | ~Q(scope_kind__in=[Stop.ScopeKind.DEPARTMENT, Stop.ScopeKind.AGENT])


_COLUMNS = (
    Column("raised_at", "Raised", Kind.MOMENT),
    Column("scope", "Of what"),
    Column("label", "Which"),
    Column("raised_by", "By whom"),
    Column("reason", "Why"),
    Column("arrived_at", "Arrived everywhere", Kind.MOMENT),
    Column("arrived_after", "After", Kind.SECONDS),
    Column("answered", "Processes that answered", Kind.NUMBER),
    Column("lifted_at", "Lifted", Kind.MOMENT),
    Column("lifted_by", "Lifted by"),
    Column("lift_reason", "Why lifted"),
    Column("lasted", "Lasted", Kind.SECONDS),
    Column("id", "Id"),
)

TABLES = (
    Table(
        "interventions.stops",
        "Stops",
        "What people stopped in earnest, how long it took until every process had proved it, who lifted it.",
        _COLUMNS,
        lambda scope: stops_of(scope, exercises=False),
        "Nothing was stopped in this period.",
    ),
    event_table(
        "interventions.brakes",
        "Brakes and revocations",
        "Agents that were paused, suspended, put back or resumed, access that was taken, and stages of stops.",
        BRAKES,
        empty="No agent was braked in this period.",
    ),
    Table(
        "drills.stops",
        "Stop drills",
        "Stops that whoever raised them marked as an exercise. They stop as any other does.",
        _COLUMNS,
        lambda scope: stops_of(scope, exercises=True),
        "No stop was raised as an exercise in this period.",
    ),
    event_table(
        "incidents.workforce",
        "Processes lost and budgets spent",
        "Processes of the portal that did not answer any more, and agents that had spent what they may.",
        ("agents.process_lost", "agents.budget_spent"),
    ),
)
