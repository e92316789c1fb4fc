"""When the window of a limit begins: a calendar of the company's own time, pure."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

EVER = datetime(1970, 1, 1, tzinfo=UTC)
# What one call alone may add: nothing before it counts, and nothing is kept of it.
CALL = "call"
ROLLING = "rolling"


def window_start(window: str, now: datetime, time_zone: str = "UTC") -> datetime:
    """Return when the window of a limit that is open at ``now`` (aware) began, in UTC.

    Days and months begin at midnight on the company's clock, also where that day has 23 or 25 hours. A zone
    nobody knows counts as UTC: whatever reads it denies elsewhere, and counting goes on.
    """
    here = now.astimezone(_zone(time_zone))
    if window == "minute":
        return _without(now, minutes=0, seconds=here.second, microseconds=here.microsecond)
    if window == "hour":
        return _without(now, here.minute, here.second, here.microsecond)
    if window in ("day", "month"):
        first = here.day if window == "day" else 1
        return datetime(here.year, here.month, first, tzinfo=here.tzinfo).astimezone(UTC)
    return EVER


def counted_since(window: str, window_seconds: int | None, since: datetime, time_zone: str) -> datetime:
    """Return from when on what was done counts for a call at ``since``."""
    if window == ROLLING:
        return since - timedelta(seconds=window_seconds or 0)
    return since if window == CALL else window_start(window, since, time_zone)


@cache
def known_zones() -> frozenset[str]:
    """Return every IANA name there is here. Read once: each time zone is a file that is opened to find it."""
    return frozenset(available_timezones())


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError):
        return ZoneInfo("UTC")


def _without(now: datetime, minutes: int, seconds: int, microseconds: int) -> datetime:
    return now.astimezone(UTC) - timedelta(minutes=minutes, seconds=seconds, microseconds=microseconds)
