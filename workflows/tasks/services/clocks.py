"""The clock of a task: whoever owns it may let its times stand still, and go on by as much later."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from uuid import UUID

from django.db import connection

_STAND = """
UPDATE tasks_task t SET clock_stopped_at = new.since
  FROM unnest(%s::uuid[], %s::timestamptz[]) AS new (id, since)
 WHERE t.id = new.id AND t.state IN ('open', 'claimed')
"""
# What is offered already is not offered later because of it.
_MOVE = """
UPDATE tasks_task t
   SET clock_stopped_at = NULL, due_at = t.due_at + moved.by, claimed_at = t.claimed_at + moved.by,
       available_at = greatest(t.available_at, least(t.available_at + moved.by, clock_timestamp()))
  FROM unnest(%s::uuid[], %s::interval[]) AS moved (id, by)
 WHERE t.id = moved.id AND t.state IN ('open', 'claimed')
"""
# Whoever asked waits for the answers as long as ever. A question is locked before the task that asks.
_MOVE_QUESTIONS = """
UPDATE tasks_task q SET due_at = q.due_at + least(moved.by, clock_timestamp() - q.created_at)
  FROM unnest(%s::uuid[], %s::interval[]) AS moved (id, by)
 WHERE q.asked_for_id = moved.id AND q.state IN ('open', 'claimed')
"""


def stand_clocks(since: Mapping[UUID, datetime]) -> None:
    """Let the times of waiting tasks stand still, each since then; their owner is locked."""
    _run(_STAND, since)


def move_clocks(by: Mapping[UUID, timedelta]) -> None:
    """Let the times of waiting tasks go on, each so much later, and those of what was asked for them."""
    _run(_MOVE_QUESTIONS, by)
    _run(_MOVE, by)


def _run(statement: str, rows: Mapping[UUID, datetime] | Mapping[UUID, timedelta]) -> None:
    if not rows:
        return
    found = sorted(rows.items())  # in the order of ids, as everybody locks them
    with connection.cursor() as cursor:
        cursor.execute(statement, [[key for key, _ in found], [value for _, value in found]])
