"""What waits for people does not run down while it could not be done: a stop, a brake, a pause, an outage."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import reduce
from operator import or_
from uuid import UUID

from django.db.models import Q, QuerySet

from agents.models import Agent, Stop
from connectors.models import System
from workflows.actions import registry
from workflows.actions.models import Action
from workflows.actions.selectors import hit_by
from workflows.approvals import services as approvals
from workflows.approvals.models import Approval
from workflows.tasks.selectors import database_now

BATCH = 500
# A system that nobody has called for so long may well answer again: its clocks do not stand for ever.
LEFT_ALONE = timedelta(hours=1)


PAUSED = "the run it is part of is paused"


@dataclass(frozen=True, slots=True)
class Hindrance:
    """Which actions could not be done, since when, and why in words."""

    hit: Q
    since: datetime
    why: str


def stand_stopped() -> int:
    """Let the clocks of approvals stand whose action could not be done, since then; return how many."""
    going = _held().filter(approval__clock_stopped_at=None)
    if not going.exists():
        return 0
    since: dict[UUID, tuple[datetime, str]] = {}
    for one in hindrances():
        hit = going.filter(one.hit, approval__expires_at__gt=one.since).order_by("approval__expires_at")
        for key in hit.values_list("approval", flat=True)[:BATCH]:
            since.setdefault(key, (one.since, one.why))
    return approvals.stand_still(since=since) if since else 0


def stand_while_paused(run_id: UUID) -> int:
    """Let the clocks stand of what people are asked for a run, in the transaction that pauses it."""
    held = _held().filter(references__run_id=str(run_id), approval__clock_stopped_at=None)
    now, keys = database_now(), list(held.values_list("approval", flat=True)[:BATCH])
    return approvals.stand_still(since=dict.fromkeys(keys, (now, PAUSED))) if keys else 0


def let_go_on() -> int:
    """Let the clocks go on of approvals whose action nothing hinders any more; return how many."""
    standing = _held().filter(approval__clock_stopped_at__isnull=False).order_by("approval")
    if not standing.exists():
        return 0
    hit = reduce(or_, (one.hit for one in hindrances()), Q(pk__in=[]))
    found = list(standing.exclude(hit).values_list("approval", flat=True)[:BATCH])
    return approvals.go_on(approvals=found) if found else 0


def hindrances() -> Iterator[Hindrance]:
    """Yield everything that keeps actions from being done now: stops, brakes, paused runs, outages."""
    for stop in Stop.objects.filter(lifted_at=None).order_by("raised_at"):
        why = f"{stop.raised_by} stopped {stop.scope_label or stop.scope_kind}: {stop.reason}"
        yield Hindrance(hit_by(stop), stop.raised_at, why)
    now = database_now()
    held = _held().values("agent")
    for agent in Agent.objects.filter(pk__in=held).exclude(brake=Agent.Brake.NONE):
        why = f"{agent.name} is {agent.get_brake_display().lower()}"
        yield Hindrance(Q(agent=agent), now, why)
    yield Hindrance(registry.waiting(), now, PAUSED)
    systems = System.objects.filter(
        Q(is_enabled=False) | Q(health__opened_at__gt=now - LEFT_ALONE),
        pk__in=_held().values("operation__system"),
    )
    for system in systems.select_related("health"):
        why, since = f"{system.name} is switched off", now
        if system.is_enabled:
            why, since = f"{system.name} does not answer", system.health.opened_at or now
        yield Hindrance(Q(operation__system=system), since, why)


def _held() -> QuerySet[Action]:
    return Action.objects.filter(approval__state=Approval.State.PENDING)
