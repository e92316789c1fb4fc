"""Times that stood still: what was left of them is left again when they go on. Pure."""

from __future__ import annotations

from datetime import datetime, timedelta

from agents.decision.calendars import CalendarError, WorkCalendar, add_working, working_between


def moment_after(start: datetime, seconds: float, calendar: WorkCalendar | None) -> datetime:
    """Return when so much time has passed: working time with a calendar, else any. Far ends are any time."""
    if calendar is not None:
        try:
            return add_working(start, timedelta(seconds=seconds), calendar)
        except CalendarError:
            pass
    return start + timedelta(seconds=seconds)


def moved(at: datetime, *, stood_since: datetime, now: datetime, calendar: WorkCalendar | None) -> datetime:
    """Return a time that stood from then until now: as much is left of it as was; never sooner than before."""
    if calendar is None:
        return at + max(timedelta(0), now - stood_since)
    left = working_between(stood_since, at, calendar)
    return max(at, moment_after(now, left.total_seconds(), calendar))
