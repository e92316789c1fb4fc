"""What waits for people does not run down while a stop keeps it from being done."""

from __future__ import annotations

from datetime import datetime
from functools import reduce
from operator import or_
from uuid import UUID

from django.db.models import Q, QuerySet

from agents.models import Stop
from workflows.actions.models import Action
from workflows.actions.selectors import hit_by
from workflows.approvals import services as approvals
from workflows.approvals.models import Approval

BATCH = 500


def stand_stopped() -> int:
    """Let the clocks of approvals stand whose action is stopped, since then; return how many."""
    since: dict[UUID, tuple[datetime, str]] = {}
    going = _held().filter(approval__clock_stopped_at=None)
    for stop in Stop.objects.filter(lifted_at=None).order_by("raised_at"):
        hit = going.filter(hit_by(stop), approval__expires_at__gt=stop.raised_at).order_by(
            "approval__expires_at"
        )
        why = f"{stop.raised_by} stopped {stop.scope_label or stop.scope_kind}: {stop.reason}"
        for key in hit.values_list("approval", flat=True)[:BATCH]:
            since.setdefault(key, (stop.raised_at, why))
    return approvals.stand_still(since=since) if since else 0


def let_go_on() -> int:
    """Let the clocks go on of approvals whose action no stop hits any more; return how many."""
    standing = _held().filter(approval__clock_stopped_at__isnull=False).order_by("approval")
    if not standing.exists():
        return 0
    hit = reduce(or_, map(hit_by, Stop.objects.filter(lifted_at=None)), Q(pk__in=[]))
    found = list(standing.exclude(hit).values_list("approval", flat=True)[:BATCH])
    return approvals.go_on(approvals=found) if found else 0


def _held() -> QuerySet[Action]:
    return Action.objects.filter(approval__state=Approval.State.PENDING)
