"""Holidays as people have them: a list of dates, or a calendar file (RFC 5545). Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import date, timedelta

from agents.decision.calendars import MOST_HOLIDAYS, CalendarError

MOST_CHARACTERS = 256 * 1024
MOST_NAME = 80
LONGEST_DAYS = 62
_DATE = re.compile(r"\d{8}")


def read_holidays(text: str) -> dict[date, str]:
    """Return the days and their names of a list (``2026-12-25 Christmas Day``, one a line) or an .ics file.

    Raises CalendarError that names the line: what cannot be read is never left out in silence.
    """
    if len(text) > MOST_CHARACTERS:
        raise CalendarError(f"It is longer than {MOST_CHARACTERS:,} characters. Keep the next two years only.")
    days = _events(text) if "BEGIN:VCALENDAR" in text.upper() else _lines(text)
    found: dict[date, str] = {}
    for day, name in days:
        found.setdefault(day, name)
        if len(found) > MOST_HOLIDAYS:
            raise CalendarError(f"These are more than {MOST_HOLIDAYS:,} days. Keep the next two years only.")
    return dict(sorted(found.items()))


def holidays_words(days: Mapping[date, str]) -> str:
    """Return holidays as a list, one a line, in order."""
    return "\n".join(f"{day.isoformat()} {name}".strip() for day, name in sorted(days.items()))


def _lines(text: str) -> Iterator[tuple[date, str]]:
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip():
            continue
        day, _, name = line.strip().partition(" ")
        try:
            yield date.fromisoformat(day.rstrip(",;:")), _name(name)
        except ValueError:
            raise CalendarError(
                f"Line {number}: {day[:20]!r} is no date. Begin each line with a date like 2026-12-25."
            ) from None


def _events(text: str) -> Iterator[tuple[date, str]]:
    """RFC 5545: a line that begins with a blank goes on with the one before; DTEND is the day after."""
    event: dict[str, str] | None = None
    for line in re.sub(r"\r?\n[ \t]", "", text).splitlines():
        name, _, value = line.partition(":")
        key = name.partition(";")[0].strip().upper()
        if key == "BEGIN" and value.strip().upper() == "VEVENT":
            event = {}
        elif key == "END" and value.strip().upper() == "VEVENT" and event is not None:
            yield from _days_of(event)
            event = None
        elif event is not None:
            event.setdefault(key, value.strip())


def _days_of(event: Mapping[str, str]) -> Iterator[tuple[date, str]]:
    name = _name(re.sub(r"\\(.)", r"\1", event.get("SUMMARY", "")))
    if "RRULE" in event or "RDATE" in event:
        raise CalendarError(f"{name or 'An event'} repeats. Export single days, or paste a list of dates.")
    first = _day(event.get("DTSTART", ""), name)
    last = _day(event["DTEND"], name) if event.get("DTEND") else first + timedelta(days=1)
    days = max(1, (last - first).days)
    if days > LONGEST_DAYS:
        raise CalendarError(f"{name or 'An event'} lasts {days} days; more than {LONGEST_DAYS} are no holiday.")
    for number in range(days):
        yield first + timedelta(days=number), name


def _day(text: str, name: str) -> date:
    match = _DATE.match(text)
    try:
        if match:
            return date(int(text[:4]), int(text[4:6]), int(text[6:8]))
    except ValueError:
        pass
    raise CalendarError(f"{name or 'An event'} has no day that can be read: {text[:20]!r}.")


def _name(text: str) -> str:
    plain = "".join(char for char in text if char.isprintable()).strip(" ,;:-")
    return plain[:MOST_NAME]
