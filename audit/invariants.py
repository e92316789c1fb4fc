"""I22: what must hold of the ledger itself (``audit.registry.Invariant``)."""

from __future__ import annotations

from audit.registry import Invariant

INVARIANTS = {
    "I22": Invariant(
        "Every event has its position or waits for it, and positions have no gap.",
        """
        SELECT e.id::text, 'has no position and does not wait for one'
          FROM audit_event e
         WHERE NOT EXISTS (SELECT 1 FROM audit_position p WHERE p.event_id = e.id)
           AND NOT EXISTS (SELECT 1 FROM audit_pendingevent q WHERE q.event_id = e.id)
        UNION ALL
        SELECT max(position)::text, count(*)::text || ' events have a position up to ' || max(position)::text
          FROM audit_position HAVING count(*) <> max(position)
        """,
    ),
}
