"""The times of an approval: worked out when it is asked, and at the beginning of each later stage."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any

from django.conf import settings

from agents.decision.calendars import WorkCalendar, as_data, from_data
from agents.models import Agent
from agents.selectors import calendar_of
from workflows.approvals.models import Approval, Stage
from workflows.approvals.policies import (
    Level,
    Planned,
    Span,
    Start,
    Voice,
    end_of,
    levels_of,
    refused_after,
)
from workflows.tasks.selectors import database_now
from workflows.tasks.services import end_sooner

WALL, WORKING = "wall", "working"


class Times:
    """Every time of a new approval, worked out once: its end, its reminder, and its levels.

    The end is that of all stages; of a later one only the lengths are known before it begins.
    """

    def __init__(
        self, agent: Agent | None, voices: Collection[Voice], expires_at: datetime, *, remind: tuple[int, str]
    ) -> None:
        self.agent, self.remind = agent, remind
        ordinary = settings.DEFAULT_APPROVER_GROUP
        self.voices = [Voice(one.group or ordinary, one.levels, one.clock, one.stage) for one in voices]
        self.start = Start(database_now(), self._calendar())
        clock, seconds = settings.APPROVAL_CLOCK, (expires_at - self.start.at).total_seconds()
        ends = [(self.start.moment(seconds, clock), clock)]
        sooner = end_of(self.refused_after(1), moment=self.start.moment)
        self.end, self.end_clock = min([*ends, *([sooner] if sooner else [])])

    @property
    def company(self) -> Voice:
        """What is said where no rule says anything."""
        seconds, group = settings.APPROVAL_ESCALATE_SECONDS, settings.APPROVAL_ESCALATE_GROUP
        levels = (Level(seconds, to=group),) if seconds > 0 and group else ()
        return Voice("", levels, settings.APPROVAL_CLOCK)

    def refused_after(self, stage: int) -> tuple[int, int]:
        """Return after how many seconds of a stage, of any and of working time, it is refused; 0: not so."""
        return refused_after(self._voices_at(stage), company=self.company)

    @cached_property
    def levels(self) -> dict[int, tuple[Planned, ...]]:
        """Who may vote later in place of which group, by stage; those of later stages have no time yet."""
        found = {
            stage: levels_of(self._voices_at(stage), company=self.company)
            for stage in sorted({one.stage for one in self.voices} - {1})
        }
        first = levels_of(self._voices_at(1), company=self.company, moment=self.start.moment, end=self.end)
        return {1: first, **found}

    @cached_property
    def columns(self) -> dict[str, Any]:
        """The columns of the approval that hold its times."""
        at, clock = self._reminder()
        calendar = self.start.calendar
        yesterday = self.start.at.date() - timedelta(days=1)  # there may be a day behind
        return {
            "remind_at": at,
            "remind_seconds": self.remind[0],
            "reminder_in_working_time": clock == WORKING,
            "end_in_working_time": self.end_clock == WORKING,
            "calendar": as_data(calendar, yesterday) if calendar else {},
        }

    def _calendar(self) -> WorkCalendar | None:
        """When the people of this case work, if anything of it, at whichever stage, counts by that."""
        clocks = {one.clock for one in self.voices if one.levels}
        if WORKING not in clocks | {self.remind[1], settings.APPROVAL_CLOCK}:
            return None
        return calendar_of(self.agent.department if self.agent else None)

    def _reminder(self) -> tuple[datetime | None, str]:
        return reminder(self.start, self.remind, (self.end, self.end_clock))

    def _voices_at(self, stage: int) -> list[Voice]:
        return [one for one in self.voices if one.stage == stage]


def reminder(start: Start, said: tuple[int, str], end: tuple[datetime, str]) -> tuple[datetime | None, str]:
    """Return when people are reminded: as a rule says, else after the company's share of the time."""
    return start.reminder(said, end=end, share=settings.APPROVAL_REMIND_SHARE)


def begin_times(approval: Approval, stage: Stage, since: datetime) -> None:
    """Let the times of a stage that begins now count from then: its levels and the reminder; an end that it
    sets may only bring that of the whole approval forward. Levels of stages before are over."""
    start = Start(since, from_data(approval.calendar) if approval.calendar else None)
    end = approval.expires_at, _clock(approval.end_in_working_time)
    sooner = end_of((stage.refuse_seconds, stage.refuse_working_seconds), moment=start.moment)
    if sooner and sooner[0] < end[0]:
        end = sooner
        end_sooner(task_id=approval.task_id, due_at=end[0])
    said = approval.remind_seconds, _clock(approval.reminder_in_working_time)
    at, clock = reminder(start, said, end)
    approval.expires_at, approval.end_in_working_time = end[0], end[1] == WORKING
    approval.remind_at, approval.reminded_at = at, None
    approval.reminder_in_working_time = clock == WORKING
    approval.save(
        update_fields=[
            *("stage", "expires_at", "end_in_working_time"),
            *("remind_at", "reminded_at", "reminder_in_working_time"),
        ]
    )
    for row in approval.escalations.filter(stage=stage.number, done_at=None):
        at, clock = Span(row.seconds, row.working_seconds).over(start.moment)
        if at < approval.expires_at:
            row.at, row.in_working_time = at, clock == WORKING
            row.save(update_fields=["at", "in_working_time"])


def _clock(is_working: bool) -> str:
    return WORKING if is_working else WALL
