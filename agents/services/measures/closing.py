"""Settle or release after the effect: what an action reserved counts as done, or is given back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from django.db import connection, transaction

from agents.models import Measure, MeasureCounter, Reservation
from agents.services.measures.adding import SETTLE

# What is under way ends with the call, whatever came of it. Of failures in a row only a failure stays.
_CLOSE = """
UPDATE agents_reservation AS held
   SET closed_at = clock_timestamp(),
       state = CASE WHEN measure.unit = 'running' THEN 'released'
                    WHEN (measure.unit = 'failures') = (%(came_to)s = 'failed') AND %(came_to)s <> 'nothing'
                    THEN 'settled' ELSE 'released' END
  FROM agents_measure AS measure
 WHERE measure.id = held.measure_id AND held.action_id = ANY(%(actions)s) AND held.state = 'reserved'
RETURNING held.measure_id, held.key, held.window_start, held.amount, held.state, measure.unit, held.action_id
"""
_RECOUNT = "UPDATE agents_reservation SET amount = %s WHERE action_id = %s AND measure_id = %s"
# Under the counter's lock: what failed before this success is no row any more.
_ANEW = """
UPDATE agents_measurecounter SET settled = 0 WHERE measure_id = %s AND key = %s AND window_start = %s
"""
_FORGIVEN = """
UPDATE agents_reservation SET state = 'released'
 WHERE measure_id = %s AND key = %s AND window_start = %s AND state = 'settled'
"""
_RELEASE = """
UPDATE agents_measurecounter SET reserved = reserved - %s
 WHERE measure_id = %s AND key = %s AND window_start = %s
"""
_DONE, _FAILED, _NOTHING = "done", "failed", "nothing"


def settle(*, action_id: str, records: int | None = None) -> int:
    """Count what the action reserved as done; returns how many reservations changed. Twice changes nothing.

    ``records``: how many its system says were touched; limits of records count these, also above a ceiling.
    A success also ends a row of failures.
    """
    return settle_all(action_ids=[action_id], records={} if records is None else {action_id: records})


def settle_all(*, action_ids: Sequence[str], records: Mapping[str, int] | None = None) -> int:
    """Do that for several actions."""
    return _close(action_ids, _DONE, records or {})


def release(*, action_id: str) -> int:
    """Give back what the action reserved; what is settled stays. Twice changes nothing."""
    return _close([action_id], _NOTHING)


def fail(*, action_id: str) -> int:
    """Give back what the action reserved, because it failed: only limits of failures in a row count it."""
    return _close([action_id], _FAILED)


def begin_anew(*, measure_id: UUID, key: str | None = None) -> int:
    """End the rows of failures of a limit, under one key or all; return how many are no longer counted."""
    counters = MeasureCounter.objects.select_for_update().filter(measure_id=measure_id, settled__gt=0)
    found = list((counters if key is None else counters.filter(key=key)).order_by("key", "window_start"))
    with connection.cursor() as cursor:
        for row in found:
            _count_anew(cursor, (measure_id, row.key, row.window_start))
    return sum(row.settled for row in found)


def _close(action_ids: Sequence[str], came_to: str, records: Mapping[str, int] | None = None) -> int:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(_CLOSE, {"came_to": came_to, "actions": list(action_ids)})
        # The same order as in reserve, so that no two actions ever wait for each other in a circle.
        rows = sorted(cursor.fetchall(), key=lambda row: (str(row[0]), row[1], row[2]))
        for *place, amount, state, unit, action_id in rows:
            if state == Reservation.State.SETTLED:
                counted = amount
                if unit == Measure.Unit.RECORDS and (told := (records or {}).get(action_id)) is not None:
                    counted = told
                    cursor.execute(_RECOUNT, [counted, action_id, place[0]])
                cursor.execute(SETTLE, [amount, counted, *place])
            else:
                cursor.execute(_RELEASE, [amount, *place])
            if unit == Measure.Unit.FAILURES and came_to == _DONE:
                _count_anew(cursor, place)
        return len(rows)


def _count_anew(cursor: Any, place: Sequence[Any]) -> None:
    cursor.execute(_ANEW, place)
    cursor.execute(_FORGIVEN, place)
