"""What waits for people does not run down while a stop keeps it from being done."""

from __future__ import annotations

from typing import Any

from django.db import connection

from workflows.approvals import services as approvals

BATCH = 500
# A stop that lets agents read lets a held reading pass; one that has everything approved lets people decide.
_HIT = """
  s.lifted_at IS NULL AND (s.stage = 'stop' OR s.stage = 'look' AND o.effect IS DISTINCT FROM 'read')
  AND (s.scope_kind = 'everything'
    OR (s.scope_kind = 'agent' AND s.scope_id = g.id::text)
    OR (s.scope_kind = 'role' AND s.scope_id = g.role_id::text)
    OR (s.scope_kind = 'system' AND s.scope_id = o.system_id::text)
    OR (s.scope_kind = 'operation' AND s.scope_id = a.operation_code)
    OR (s.scope_kind = 'workflow' AND s.scope_id = a."references" ->> 'workflow_id')
    OR (s.scope_kind = 'department' AND s.scope_id IN (
          WITH RECURSIVE above (id) AS (
              SELECT g.department_id
              UNION
              SELECT d.parent_id FROM above JOIN agents_department d ON d.id = above.id)
          SELECT id::text FROM above)))
"""
_HELD = """
  FROM approvals_approval q
  JOIN actions_action a ON a.approval_id = q.id
  JOIN agents_agent g ON g.id = a.agent_id
  LEFT JOIN connectors_operation o ON o.id = a.operation_id
"""
_STOPPED = f"""
SELECT DISTINCT ON (q.expires_at, q.id) q.id, s.raised_at,
       s.raised_by || ' stopped ' || coalesce(nullif(s.scope_label, ''), s.scope_kind) || ': ' || s.reason
{_HELD}
  JOIN agents_stop s ON {_HIT}
 WHERE q.state = 'pending' AND q.clock_stopped_at IS NULL AND q.expires_at > s.raised_at
 ORDER BY q.expires_at, q.id, s.raised_at
 LIMIT {BATCH}
"""
_FREE = f"""
SELECT q.id {_HELD}
 WHERE q.state = 'pending' AND q.clock_stopped_at IS NOT NULL
   AND NOT EXISTS (SELECT FROM agents_stop s WHERE {_HIT})
 ORDER BY q.id LIMIT {BATCH}
"""


def stand_stopped() -> int:
    """Let the clocks of approvals stand whose action is stopped, since then; return how many."""
    found = _rows(_STOPPED)
    return approvals.stand_still(since={key: (at, why) for key, at, why in found}) if found else 0


def let_go_on() -> int:
    """Let the clocks go on of approvals whose action no stop hits any more; return how many."""
    found = _rows(_FREE)
    return approvals.go_on(approvals=[key for (key,) in found]) if found else 0


def _rows(statement: str) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(statement)
        return list(cursor.fetchall())
