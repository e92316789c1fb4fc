"""Adding to a counter: the one statement that takes its row lock, and never passes a ceiling."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.db import connection

from agents.services.measures.shares import Share

# Above this nothing is added to any counter: the largest number that one can hold is never reached.
FULL = 9 * 10**18
# Takes the row lock and adds in one statement; no row comes back when the ceiling (inclusive) would be passed.
ADD = """
INSERT INTO agents_measurecounter AS counter (measure_id, key, window_start, reserved, settled)
SELECT %(measure)s, %(key)s, %(start)s, %(amount)s, 0
ON CONFLICT (measure_id, key, window_start) DO UPDATE SET reserved = counter.reserved + excluded.reserved
 WHERE counter.settled::numeric + counter.reserved + excluded.reserved <= %(most)s::bigint
RETURNING clock_timestamp()
"""
SETTLE = """
UPDATE agents_measurecounter SET reserved = reserved - %s, settled = settled + %s
 WHERE measure_id = %s AND key = %s AND window_start = %s
"""


def add(share: Share, ceiling: int | None) -> datetime | None:
    """Add to the counter, which stays locked; return the time, or None when the ceiling would be passed."""
    row = added(ADD, share, ceiling)
    return row[0] if row else None


def added(statement: str, share: Share, ceiling: int | None, **more: Any) -> tuple[Any, ...] | None:
    """Run a statement that adds; return what it returns, or None when the ceiling would be passed."""
    most = FULL if ceiling is None else min(ceiling, FULL)
    if share.amount > most:
        return None
    with connection.cursor() as cursor:
        cursor.execute(
            statement,
            {
                "measure": share.definition.measure_id,
                "key": share.key,
                "start": share.window_start,
                "amount": share.amount,
                "most": most,
                **more,
            },
        )
        row: tuple[Any, ...] | None = cursor.fetchone()
    return row
