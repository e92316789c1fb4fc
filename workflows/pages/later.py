"""The times of an approval in plain words: when it ends, and who is asked next, counted as its clock counts."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from django.conf import settings

from agents.decision.calendars import from_data, working_between
from agents.decision.speech import count_of
from workflows.approvals.models import Approval
from workflows.tasks.selectors import database_now


@dataclass(frozen=True, slots=True)
class Later:
    """One next level as a person reads it."""

    whom: str
    stands_for: str
    when: str
    done_at: datetime | None
    passed_over: str


def later_of(approval: Approval) -> list[Later]:
    """Return the next levels of the stage that is on, in their order."""
    of_stage = approval.escalations.filter(stage=approval.stage)
    rows = of_stage.select_related("group", "person", "stands_for").order_by("at", "level", "id")
    return [
        Later(
            row.whom,
            str(row.stands_for),
            when_words(approval, row.at, working=row.in_working_time),
            row.done_at,
            row.passed_over,
        )
        for row in rows
        if row.at is not None
    ]


def when_words(approval: Approval, at: datetime, *, working: bool) -> str:
    """Return a time as people say it: ``Monday 30 Nov 2026, 09:30 CET, in 2 working hours``."""
    calendar = from_data(approval.calendar) if working and approval.calendar else None
    zone = ZoneInfo(calendar.time_zone if calendar else settings.TIME_ZONE)
    moment = f"{at.astimezone(zone):%A %-d %b %Y, %H:%M %Z}"
    if calendar is None or approval.state != Approval.State.PENDING:
        return moment
    now = approval.clock_stopped_at or database_now()
    minutes = round(working_between(now, at, calendar).total_seconds() / 60)
    if minutes < 1:
        return moment
    left = (
        count_of(minutes, "working minute") if minutes < 90 else count_of(round(minutes / 60), "working hour")
    )
    return f"{moment}, in {left}"
