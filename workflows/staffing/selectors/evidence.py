"""An agent's record, counted from what it asked for and what came of it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from statistics import median

from django.db.models import Count, Q

from agents.decision.employment import Evidence
from agents.models import Agent
from audit.reading import first_id
from workflows.actions.choices import State
from workflows.actions.models import Action
from workflows.approvals.models import Approval
from workflows.runs.choices import Undone
from workflows.runs.models import Step

LIMITS = ("limit_reached", "duplicate")
RULES = ("denied_by_rule",)
# Of more than so many decisions the newest say how long people took.
MOST_TIMES = 10_000
_ALLOWED = (State.AUTHORIZED, State.DISPATCHED, State.CONFIRMED, State.FAILED, State.IN_DOUBT)
# Nobody knew at first what became of it: it is so still, or a person found out.
_DOUBT = Q(state=State.IN_DOUBT) | Q(code="resolved_by_person")


def evidence_of(agent: Agent, since: datetime, until: datetime) -> Evidence:
    """Return the numbers of what an agent asked for in a time, with a handful of queries."""
    asked = Action.objects.filter(
        agent=agent, pk__gte=first_id(since), requested_at__gte=since, requested_at__lt=until
    ).order_by()
    counts = asked.aggregate(
        asked=Count("pk"),
        allowed=Count("pk", filter=Q(state__in=_ALLOWED)),
        held=Count("pk", filter=Q(approval__isnull=False)),
        approved=Count("pk", filter=Q(approval__state=Approval.State.APPROVED)),
        rejected=Count("pk", filter=Q(state=State.REJECTED)),
        denied=Count("pk", filter=Q(state=State.DENIED)),
        limits=Count("pk", filter=Q(state=State.DENIED, code__in=LIMITS)),
        failed=Count("pk", filter=Q(state=State.FAILED)),
        in_doubt=Count("pk", filter=_DOUBT),
    )
    return Evidence(
        since=since.isoformat(timespec="seconds"),
        days=max((until - since).days, 0),
        reversed=_reversed(agent, since),
        median_seconds=_median_seconds(agent, since, until),
        **counts,
    )


def breach_counts(agent: Agent, since: datetime) -> Mapping[str, int]:
    """Return how much of what may put an agent back ended since a moment, by the name of the term."""
    ended = Action.objects.filter(agent=agent).order_by()
    counts: dict[str, int] = ended.aggregate(
        denials=Count("pk", filter=Q(state=State.DENIED, code__in=RULES, finished_at__gte=since)),
        limits=Count("pk", filter=Q(state=State.DENIED, code__in=LIMITS, finished_at__gte=since)),
        doubts=Count("pk", filter=_DOUBT & Q(dispatched_at__gte=since)),
    )
    return {**counts, "reversals": _reversed(agent, since)}


def _reversed(agent: Agent, since: datetime) -> int:
    return Step.objects.filter(action__agent=agent, undone=Undone.DONE, finished_at__gte=since).count()


def _median_seconds(agent: Agent, since: datetime, until: datetime) -> int | None:
    decided = Action.objects.filter(
        agent=agent,
        pk__gte=first_id(since),
        requested_at__gte=since,
        requested_at__lt=until,
        approval__state__in=[Approval.State.APPROVED, Approval.State.REJECTED],
        approval__decided_at__isnull=False,
    ).order_by("-pk")
    times = decided.values_list("approval__created_at", "approval__decided_at")[:MOST_TIMES]
    spans: list[timedelta] = [end - begin for begin, end in times if end is not None]
    return round(median(span.total_seconds() for span in spans)) if spans else None
