"""I9 to I11: what must hold of tasks (``audit.registry.Invariant``)."""

from __future__ import annotations

from audit.registry import Invariant

INVARIANTS = {
    "I9": Invariant(
        "A claim is somebody's, has a number of its own in the ledger, and an agent's lapses.",
        """
        SELECT t.id::text, 'is claimed, and its epoch is ' || t.epoch::text
          FROM tasks_task t WHERE t.state = 'claimed' AND (t.epoch < 1 OR t.claimed_by_id IS NULL)
        UNION ALL
        SELECT t.id::text, 'has epoch ' || t.epoch::text || ' after ' || e.claims::text || ' claims'
          FROM tasks_task t
          JOIN (SELECT subject_id, count(*) AS claims FROM audit_event
                 WHERE verb = 'tasks.task_claimed' GROUP BY subject_id) e ON e.subject_id = t.id::text
         WHERE t.epoch < e.claims
        UNION ALL
        SELECT t.id::text, 'is claimed by an agent for ever'
          FROM tasks_task t JOIN agents_user u ON u.id = t.claimed_by_id
         WHERE t.state = 'claimed' AND t.lease_until IS NULL AND u.kind = 'agent'
        """,
    ),
    "I10": Invariant(
        "A task is closed once, and the ledger says how.",
        """
        SELECT t.id::text, t.state || ', and told so ' || count(e.id)::text || ' times'
          FROM tasks_task t
          LEFT JOIN audit_event e ON e.subject_kind = 'tasks.task' AND e.subject_id = t.id::text
               AND e.verb IN ('tasks.task_completed', 'tasks.task_failed', 'tasks.task_cancelled',
                              'tasks.task_expired')
         WHERE t.closed_at IS NOT NULL
         GROUP BY t.id, t.state HAVING count(e.id) <> 1
        UNION ALL
        SELECT t.id::text, 'is ' || t.state || ', and the ledger says it is closed'
          FROM tasks_task t
         WHERE t.state IN ('open', 'claimed')
           AND EXISTS (SELECT 1 FROM audit_event e
                        WHERE e.subject_kind = 'tasks.task' AND e.subject_id = t.id::text
                          AND e.verb IN ('tasks.task_completed', 'tasks.task_failed', 'tasks.task_cancelled',
                                         'tasks.task_expired'))
        """,
    ),
    "I11": Invariant(
        "A task that waits is somebody's: it has a role, a group or a person that may take it.",
        """
        SELECT t.id::text, 'waits, and nobody may take it'
          FROM tasks_task t
         WHERE t.state IN ('open', 'claimed') AND t.role_id IS NULL AND t.claimed_by_id IS NULL
           AND NOT EXISTS (SELECT 1 FROM tasks_task_candidate_groups g WHERE g.task_id = t.id)
           AND NOT EXISTS (SELECT 1 FROM tasks_task_candidate_users u WHERE u.task_id = t.id)
        """,
    ),
}
