"""The clock of an approval stands still while what it is about is stopped, and goes on by as much later."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime, timedelta
from uuid import UUID

from django.db import transaction
from django.db.models import QuerySet

from agents.decision.calendars import from_data
from audit.services import record_event
from audit.vocabulary import Actor
from workflows.approvals.models import Approval, Escalation
from workflows.approvals.policies import moved
from workflows.tasks.selectors import database_now
from workflows.tasks.services import move_clocks, stand_clocks

CLOCK = Actor.system("sweeper")


@transaction.atomic
def stand_still(*, since: Mapping[UUID, tuple[datetime, str]]) -> int:
    """Let the times of pending approvals stand, each since then and for this reason; return how many."""
    found = _locked(since).filter(clock_stopped_at=None)
    stood = {}
    for approval in found:
        at, why = since[approval.pk]
        approval.clock_stopped_at = max(at, approval.created_at)
        approval.clock_reason = why[:300]
        approval.save(update_fields=["clock_stopped_at", "clock_reason"])
        stood[approval.task_id] = approval.clock_stopped_at
        _record(approval, "approvals.clock_stopped", f"Its clock stands still: {approval.subject_label}", why)
    stand_clocks(stood)
    return len(stood)


@transaction.atomic
def go_on(*, approvals: Collection[UUID]) -> int:
    """Let the times of pending approvals go on, as much later as they stood; return how many."""
    later: dict[UUID, timedelta] = {}
    for approval in _locked(approvals).filter(clock_stopped_at__isnull=False):
        later[approval.task_id] = _move(approval)
        _record(approval, "approvals.clock_started", f"Its clock goes on: {approval.subject_label}", "")
    move_clocks(later)
    return len(later)


def _move(approval: Approval) -> timedelta:
    """Let each of its times go on with as much left as there was, by its own clock; return how much later."""
    now, end = database_now(), approval.expires_at
    stood_since = approval.clock_stopped_at or now
    calendar = from_data(approval.calendar) if approval.calendar else None

    def on(at: datetime, in_working_time: bool) -> datetime:
        return moved(at, stood_since=stood_since, now=now, calendar=calendar if in_working_time else None)

    approval.expires_at = on(end, approval.end_in_working_time)
    if approval.remind_at and not approval.reminded_at:
        approval.remind_at = on(approval.remind_at, approval.reminder_in_working_time)
    approval.clock_stopped_at, approval.clock_reason = None, ""
    approval.save(update_fields=["expires_at", "remind_at", "clock_stopped_at", "clock_reason"])
    # A level of a later stage has no time yet; one of a stage before is over.
    for level in Escalation.objects.filter(approval=approval, stage=approval.stage, done_at=None):
        if level.at is not None:
            level.at = on(level.at, level.in_working_time)
            level.save(update_fields=["at"])
    return approval.expires_at - end


def _locked(keys: Collection[UUID]) -> QuerySet[Approval]:
    pending = Approval.objects.select_for_update(of=("self",), skip_locked=True)
    return pending.filter(pk__in=list(keys), state=Approval.State.PENDING).order_by("pk")


def _record(approval: Approval, verb: str, sentence: str, reason: str) -> None:
    record_event(
        actor=CLOCK,
        verb=verb,
        subject=approval.as_ref(),
        sentence=sentence[:500],
        reason=reason,
        **approval.event_refs(),
    )
