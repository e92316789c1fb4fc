"""Giving events their position: one writer, one batch per transaction, dense and in commit order."""

from __future__ import annotations

from django.db import connection, transaction

# Two-part advisory lock keys of the ledger: (this room, this purpose). "audt" in ASCII.
LOCK_ROOM = 0x61756474
LOCK_BATCH = 1
LOCK_PROCESS = 2

# Pending ids follow insertion. Whatever was committed before another transaction began is visible here and has
# the smaller id, so cause comes before effect; the lock above makes positions commit in their own order.
_NUMBER_ONE_BATCH = """
WITH taken AS (
    DELETE FROM audit_pendingevent
     WHERE id IN (SELECT id FROM audit_pendingevent ORDER BY id LIMIT %s)
    RETURNING id, event_id
), newest AS (
    SELECT coalesce(max(position), 0) AS position FROM audit_position
)
INSERT INTO audit_position (position, event_id)
SELECT newest.position + row_number() OVER (ORDER BY taken.id), taken.event_id
  FROM taken CROSS JOIN newest
 WHERE NOT EXISTS (SELECT 1 FROM audit_position p WHERE p.event_id = taken.event_id)
"""


def sequence_pending(limit: int = 1000) -> int:
    """Number up to ``limit`` waiting events in one committed batch; return how many were numbered.

    Safe to call from several processes: a transaction-level advisory lock lets one batch happen at a time. The
    lock is a statement of its own, so that the batch sees everything committed before the lock was granted.
    """
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s, %s)", [LOCK_ROOM, LOCK_BATCH])
        cursor.execute(_NUMBER_ONE_BATCH, [limit])
        return cursor.rowcount
