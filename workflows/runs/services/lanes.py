"""Departments take turns: where a ready row stands in line.

Every department has a line of its own within a priority. A row's ``turn`` is a time: now, or ``STRIDE`` after
the last of its line that still waits, whichever is later (Zhang's virtual clock, SIGCOMM 1990, with the waiting
rows as its memory). Whoever floods a thousand rows stands in line for a thousand strides; one row of another
department comes in among the first. Nobody locks anything for that: two that come at the same time may get the
same turn.
"""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from django.db import connection

STRIDE = "1 minute"

GIVEN = "unnest(%s::uuid[], %s::int[], %s::uuid[]) AS given (id, priority, lane)"
PUT = f"""
WITH made AS (
    SELECT id, lane, priority, row_number() OVER (PARTITION BY lane, priority ORDER BY id) - 1 AS place
      FROM {GIVEN}
), line AS (
    SELECT lane, priority, greatest(
               clock_timestamp(),
               (SELECT max(turn) FROM runs_ready r WHERE r.lane = m.lane AND r.priority = m.priority)
               + interval '{STRIDE}') AS next
      FROM (SELECT DISTINCT lane, priority FROM made) m
)
INSERT INTO runs_ready (step_id, priority, lane, turn, not_before)
SELECT id, priority, lane, next + place * interval '{STRIDE}', clock_timestamp()
  FROM made JOIN line USING (lane, priority)
ON CONFLICT (step_id) DO NOTHING
"""


PUT_STEPS = PUT.replace(
    GIVEN,
    """(SELECT s.id, coalesce(s.priority, u.priority) AS priority,
                  coalesce(u.department_id, '00000000-0000-0000-0000-000000000000') AS lane
             FROM runs_step s JOIN runs_run u ON u.id = s.run_id WHERE s.id = ANY(%s)) AS given""",
)


def put_in_line(steps: Sequence[UUID]) -> None:
    """Give steps a turn, by the priority and the department of each; one that has a turn keeps it."""
    with connection.cursor() as cursor:
        cursor.execute(PUT_STEPS, [list(steps)])
