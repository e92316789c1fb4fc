"""When a mail is due, and how long to wait before the next attempt. Pure."""

from __future__ import annotations

from datetime import datetime, time, timedelta, tzinfo

from workflows.notices.choices import How

# After the first, second ... attempt that failed; about a day and a half in all, then it is given up.
WAITS = tuple(
    timedelta(seconds=seconds) for seconds in (60, 300, 1800, 2 * 3600, 6 * 3600, 12 * 3600, 12 * 3600)
)
DAILY_AT = time(8, 0)


def due_at(how: str, now: datetime, zone: tzinfo) -> datetime | None:
    """Return when somebody who wants to be told like this is told of what happens now; None: never.

    Once a day is at eight by the clock of the company, also where that day is an hour longer or shorter.
    """
    if how == How.NEVER:
        return None
    if how == How.AT_ONCE:
        return now
    here = now.astimezone(zone)
    today = datetime.combine(here.date(), DAILY_AT, zone)
    return today if now < today else datetime.combine(here.date() + timedelta(days=1), DAILY_AT, zone)


def wait_before(attempts: int) -> timedelta | None:
    """Return how long to wait after so many attempts, all of which failed; None: it is given up."""
    return WAITS[attempts - 1] if attempts <= len(WAITS) else None
