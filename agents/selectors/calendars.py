"""When people work: the calendar that counts for a department, and for the company."""

from __future__ import annotations

from agents.decision.calendars import WEEKDAYS, CalendarError, WorkCalendar, read_hours
from agents.decision.holidays import read_holidays
from agents.models import Calendar, Department


def work_calendar(calendar: Calendar) -> WorkCalendar:
    """Return a calendar as the pure functions read it; raises CalendarError."""
    return WorkCalendar(
        calendar.time_zone,
        tuple(read_hours(getattr(calendar, weekday)) for weekday in WEEKDAYS),
        frozenset(read_holidays(calendar.holidays)),
        calendar.name,
    )


def calendar_of(department: Department | None) -> WorkCalendar | None:
    """Return when a department works: its own calendar, that of the nearest above it, or the company's.

    None where there is none that can be read: then time passes at any hour.
    """
    seen = set()
    while department is not None and department.pk not in seen:
        if department.calendar is not None:
            return _read(department.calendar)
        seen.add(department.pk)
        department = department.parent
    company = Calendar.objects.filter(is_default=True).first()
    return _read(company) if company else None


def _read(calendar: Calendar) -> WorkCalendar | None:
    try:
        return work_calendar(calendar)
    except CalendarError:
        return None
