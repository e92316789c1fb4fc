"""Working time: hours of the week and holidays in one time zone. Pure: the clock is given.

A length of working time is real time, also on the day a clock is put forward or back.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from agents.decision.windows import known_zones

WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
HORIZON_DAYS = 800
MOST_HOLIDAYS = 1000
DAY_MINUTES = 24 * 60
_SPAN = re.compile(r"(\d{1,2}):(\d{2})\s*[-–]\s*(\d{1,2}):(\d{2})")  # people paste an en dash
Span = tuple[int, int]


class CalendarError(ValueError):
    """What was given is no calendar, or no working time is in sight; the message says what to do."""


@dataclass(frozen=True, slots=True)
class WorkCalendar:
    """``hours``: for Monday to Sunday, from and until in minutes of the day, in order and apart."""

    time_zone: str
    hours: tuple[tuple[Span, ...], ...]
    holidays: frozenset[date] = frozenset()
    name: str = ""

    def __post_init__(self) -> None:
        if self.time_zone not in known_zones():
            raise CalendarError(f"{self.time_zone!r} is no time zone. Write an IANA name, e.g. Europe/Berlin.")
        if len(self.hours) != 7 or not any(self.hours):
            raise CalendarError("Nobody ever works. Give at least one day of the week its hours.")
        for spans in self.hours:
            _require_in_order(spans)


def add_working(start: datetime, duration: timedelta, calendar: WorkCalendar) -> datetime:
    """Return the earliest moment (UTC) by which so much working time has passed since ``start`` (aware).

    Raises CalendarError when that is more than HORIZON_DAYS away.
    """
    left, start = duration, start.astimezone(UTC)
    if left <= timedelta(0):
        return start
    for begins, ends in _spans_from(start, calendar, HORIZON_DAYS):
        if left <= ends - begins:
            return begins + left
        left -= ends - begins
    raise CalendarError(f"There is not that much working time in the next {HORIZON_DAYS} days.")


def working_between(start: datetime, end: datetime, calendar: WorkCalendar) -> timedelta:
    """Return how much working time lies between two aware moments; none when the end is before the start."""
    start, end, found = start.astimezone(UTC), end.astimezone(UTC), timedelta(0)
    for begins, ends in _spans_from(start, calendar, max(0, (end - start).days + 2)):
        if begins >= end:
            break
        found += min(ends, end) - begins
    return found


def _spans_from(start: datetime, calendar: WorkCalendar, days: int) -> Iterator[tuple[datetime, datetime]]:
    """Yield working spans in UTC, from ``start`` on, over so many days."""
    zone = ZoneInfo(calendar.time_zone)
    # A day earlier: a span that ends at midnight ends on the next day.
    first, passed = start.astimezone(zone).date() - timedelta(days=1), start
    for day in (first + timedelta(days=number) for number in range(days + 2)):
        if day in calendar.holidays:
            continue
        for since, until in calendar.hours[day.weekday()]:
            begins, ends = max(_moment(day, since, zone), passed), _moment(day, until, zone)
            if begins < ends:  # an hour that a clock skips is no time
                passed = ends
                yield begins, ends


def _moment(day: date, minutes: int, zone: ZoneInfo) -> datetime:
    days, rest = divmod(minutes, DAY_MINUTES)
    at = time(rest // 60, rest % 60)
    return datetime.combine(day + timedelta(days=days), at, zone).astimezone(UTC)


def read_hours(text: str) -> tuple[Span, ...]:
    """Read the hours of one day, ``09:00-12:00, 13:00-17:30``; empty: nobody works. Raises CalendarError."""
    found = []
    for part in filter(None, (part.strip() for part in text.split(","))):
        match = _SPAN.fullmatch(part)
        if match is None:
            raise CalendarError(f"{part[:40]!r} are no hours. Write them like 09:00-17:30, commas between.")
        hour, minute, last_hour, last_minute = map(int, match.groups())
        if minute > 59 or last_minute > 59:
            raise CalendarError(f"{part[:40]!r} is no time of day.")
        found.append((hour * 60 + minute, last_hour * 60 + last_minute))
    _require_in_order(found)
    return tuple(found)


def hours_words(spans: Iterable[Span]) -> str:
    """Return hours as ``read_hours`` reads them."""
    return ", ".join(
        f"{since // 60:02}:{since % 60:02}-{until // 60:02}:{until % 60:02}" for since, until in spans
    )


def _require_in_order(spans: Sequence[Span]) -> None:
    passed = 0
    for since, until in spans:
        if not passed <= since < until <= DAY_MINUTES:
            raise CalendarError(
                "Hours run from 00:00 to 24:00, each from an earlier to a later time, none twice and in order."
            )
        passed = until


def as_data(calendar: WorkCalendar, since: date) -> dict[str, Any]:
    """Return a calendar as JSON, with the holidays from a day on."""
    days = sorted(day for day in calendar.holidays if day >= since)
    return {
        "name": calendar.name,
        "time_zone": calendar.time_zone,
        "hours": [hours_words(spans) for spans in calendar.hours],
        "holidays": [day.isoformat() for day in days],
    }


def from_data(data: Mapping[str, Any]) -> WorkCalendar:
    """Return the calendar that ``as_data`` wrote."""
    return WorkCalendar(
        str(data["time_zone"]),
        tuple(read_hours(text) for text in data["hours"]),
        frozenset(map(date.fromisoformat, data.get("holidays", ()))),
        str(data.get("name", "")),
    )
