"""I22 and I27: what must hold of the ledger itself (``audit.registry.Invariant``)."""

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
    # That every tile and root is that of its leaves, the verifier works out; here the newest are compared.
    "I27": Invariant(
        "What is sealed has no gap, is numbered, and no checkpoint or tile says otherwise.",
        """
        SELECT max(index)::text, count(*)::text || ' leaves up to ' || max(index)::text
          FROM audit_leaf HAVING count(*) <> max(index) + 1 OR min(index) <> 0
        UNION ALL
        SELECT l.index::text, 'is sealed and not numbered'
          FROM (SELECT max(index) AS index FROM audit_leaf) l
         WHERE l.index + 1 > (SELECT coalesce(max(position), 0) FROM audit_position)
        UNION ALL
        SELECT c.tree_size::text, 'was signed for, and fewer events are sealed'
          FROM audit_checkpoint c
         WHERE c.tree_size > (SELECT coalesce(max(index) + 1, 0) FROM audit_leaf)
        UNION ALL
        SELECT 'tile ' || t.index::text, 'does not have the hashes of its leaves'
          FROM (SELECT index, hashes FROM audit_tile WHERE level = 0 ORDER BY index DESC LIMIT 16) t
         WHERE t.hashes IS DISTINCT FROM (
                   SELECT string_agg(l.leaf_hash, '' ORDER BY l.index) FROM audit_leaf l
                    WHERE l.index >= t.index * 256 AND l.index < (t.index + 1) * 256)
        UNION ALL
        SELECT 'tile ' || f.index::text, 'is missing'
          FROM (SELECT generate_series(greatest(0, n.full - 16), n.full - 1) AS index
                  FROM (SELECT (SELECT coalesce(max(index) + 1, 0) FROM audit_leaf) / 256 AS full) n) f
         WHERE NOT EXISTS (SELECT 1 FROM audit_tile t WHERE t.level = 0 AND t.index = f.index)
        """,
    ),
}
