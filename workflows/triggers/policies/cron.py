"""Due times: five cron fields on a wall clock, daylight saving included. Pure.

The fields are read by Celery's own parser, the one that celery beat and django-celery-beat use. What it leaves
open is closed here: names only where they mean something, Sunday also as 7, days of the month or of the week
and never both, since half of all crons take that as "or" and the others as "and".

Wall times that do not exist or exist twice follow RFC 5545 section 3.3.5 for a schedule that names hours: a
time the clocks leap over fires as if they had not yet been changed (02:30 becomes 03:30), and one that comes
twice fires at the first. A schedule with ``*`` for its hours means real time: it leaves no hour out and
repeats the doubled one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from celery.schedules import crontab_parser

from agents.decision.windows import known_zones
from workflows.triggers.choices import CatchUp

# The 29th of February may be eight years away (2096 to 2104).
FARTHEST_DAYS = 8 * 366 + 2
ON_TIME = timedelta(seconds=60)
_MINUTE = timedelta(minutes=1)
_WEEKDAYS = "sun|mon|tue|wed|thu|fri|sat"
_MONTHS = "jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec"
# Name, how many values, the first of them, what may stand there beside digits.
_FIELDS = (
    ("minute", 60, 0, ""),
    ("hour", 24, 0, ""),
    ("day of month", 31, 1, ""),
    ("month", 12, 1, _MONTHS),
    ("day of week", 8, 0, _WEEKDAYS),  # Sunday is 0 and 7
)


@dataclass(frozen=True, slots=True)
class Times:
    """Every minute of a wall clock that five cron fields name. Days of the week: Sunday is 0."""

    minutes: frozenset[int]
    hours: frozenset[int]
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]
    every_hour: bool

    def on(self, day: date) -> bool:
        """Say whether a day of the calendar is named."""
        return day.month in self.months and day.day in self.days and day.isoweekday() % 7 in self.weekdays


@dataclass(frozen=True, slots=True)
class Plan:
    """What the clock does next: skip what is between two due times, fire one, and when it looks again."""

    skipped: tuple[datetime, datetime] | None
    fire: datetime | None
    next: datetime | None


def read_times(cron: str) -> Times:
    """Return what five cron fields mean; raise ValueError with what is wrong, for people."""
    fields = cron.lower().split()
    if len(fields) != len(_FIELDS):
        raise ValueError(
            "Write five fields: minute, hour, day of month, month, day of week, e.g. 0 9 * * mon-fri."
        )
    if fields[2] != "*" and fields[4] != "*":
        raise ValueError(
            "Name days of the month or days of the week, not both: put the other into the condition, "
            "e.g. local.weekday == 1."
        )
    minutes, hours, days, months, weekdays = map(_values, fields, _FIELDS)
    return Times(minutes, hours, days, months, weekdays, every_hour=fields[1] == "*")


@lru_cache
def read_zone(name: str) -> ZoneInfo:
    """Return a time zone by its IANA name; raise ValueError for what is none."""
    if name not in known_zones():
        raise ValueError(f"{name[:60]!r} is no time zone. Use an IANA name, e.g. Europe/Berlin.")
    return ZoneInfo(name)


def due_after(times: Times, zone: ZoneInfo, after: datetime) -> datetime | None:
    """Return the first due time after a moment, None when none comes within eight years."""
    first = after.astimezone(zone).date() - timedelta(days=1)
    for number in range(FARTHEST_DAYS):
        for moment in moments(times, zone, first + timedelta(days=number)):
            if moment > after:
                return moment
    return None


def newest_due(times: Times, zone: ZoneInfo, *, since: datetime, until: datetime, most: int) -> list[datetime]:
    """Return the newest due times of a stretch, both ends included, at most so many, oldest first."""
    found: list[datetime] = []
    for moment in _backwards(times, zone, since, until):
        if len(found) == most:
            break
        found.append(moment)
    return found[::-1]


def planned(times: Times, zone: ZoneInfo, *, at: datetime, now: datetime, catch_up: str, most: int = 1) -> Plan:
    """Return what to do at ``now`` about a schedule whose next due time is ``at``, one firing at a time."""
    if at > now:
        return Plan(None, None, at)
    wanted = newest_due(times, zone, since=at, until=now, most=most if catch_up == CatchUp.ALL else 1)
    if catch_up == CatchUp.NONE:
        wanted = [moment for moment in wanted if now - moment <= ON_TIME]
    fire = wanted[0] if wanted else None
    late = [at, *newest_due(times, zone, since=at, until=(fire - _MINUTE if fire else now), most=1)]
    skipped = None if fire is not None and fire <= at else (at, late[-1])
    return Plan(skipped, fire, due_after(times, zone, fire or now))


@lru_cache(maxsize=1024)
def moments(times: Times, zone: ZoneInfo, day: date) -> tuple[datetime, ...]:
    """Return the due times of one day of the wall clock, in UTC and in order."""
    if not times.on(day):
        return ()
    found: set[datetime] = set()
    for hour in times.hours:
        for minute in times.minutes:
            wall = datetime.combine(day, time(hour, minute), tzinfo=zone)
            found |= set(_real(wall)) if times.every_hour else {wall.astimezone(UTC)}
    return tuple(sorted(found))


def local_facts(moment: datetime, zone: ZoneInfo) -> dict[str, object]:
    """Return a moment as CEL reads it: what the wall clock and the calendar show. Monday is 1."""
    wall = moment.astimezone(zone)
    return {
        "date": f"{wall:%Y-%m-%d}",
        "time": f"{wall:%H:%M}",
        "year": wall.year,
        "month": wall.month,
        "day": wall.day,
        "hour": wall.hour,
        "minute": wall.minute,
        "weekday": wall.isoweekday(),
    }


def _real(wall: datetime) -> Iterator[datetime]:
    """Yield every moment at which a wall clock shows this time: none, one or two."""
    for fold in (0, 1):
        moment = wall.replace(fold=fold).astimezone(UTC)
        if moment.astimezone(wall.tzinfo).replace(tzinfo=None) == wall.replace(tzinfo=None):
            yield moment


def _backwards(times: Times, zone: ZoneInfo, since: datetime, until: datetime) -> Iterator[datetime]:
    day, first = until.astimezone(zone).date(), since.astimezone(zone).date() - timedelta(days=1)
    seen = until + _MINUTE
    while day >= first:
        for moment in reversed(moments(times, zone, day)):
            if since <= moment <= until and moment < seen:
                seen = moment
                yield moment
        day -= timedelta(days=1)


def _values(text: str, field: tuple[str, int, int, str]) -> frozenset[int]:
    name, count, least, words = field
    if not _shape(words).fullmatch(text):
        raise ValueError(f"{text[:40]!r} is no {name}.")
    try:
        found = crontab_parser(count, least).parse(text)
    except ValueError as error:
        raise ValueError(f"{text[:40]!r} is no {name}: {error}") from None
    return frozenset(value % 7 for value in found) if words == _WEEKDAYS else frozenset(found)


@lru_cache
def _shape(words: str) -> re.Pattern[str]:
    """Return what a field may look like: the parser reads past what it does not know."""
    word = rf"(?:[0-9]{{1,2}}|{words})" if words else r"[0-9]{1,2}"
    part = rf"(?:(?:\*|{word}-{word})/[1-9][0-9]?|\*|{word}(?:-{word})?)"
    return re.compile(rf"{part}(?:,{part})*")
