"""I13 to I21 and I23: what must hold of runs (``audit.registry.Invariant``).

What is open is read by the partial indexes of what is open; only what is said of finished work reads history.
"""

from __future__ import annotations

from audit.registry import Invariant

# What moves a step without anybody: a deadline only speaks about one.
_MOVING_TIMERS = "('wake', 'again', 'give_up')"

INVARIANTS = {
    "I13": Invariant(
        "Every step that could go on has a turn, work that waits for somebody, a time to come, or an operator.",
        f"""
        SELECT s.id::text, s.node || ' is ' || s.state || ', and nothing will move it'
          FROM runs_step s JOIN runs_run r ON r.id = s.run_id
         WHERE s.state IN ('ready', 'running') AND NOT s.is_parked AND r.state IN ('running', 'incident')
           AND s.undoes_id IS NULL
           AND NOT EXISTS (SELECT 1 FROM runs_ready q WHERE q.step_id = s.id)
           AND NOT (s.state = 'ready' AND s.held_by_id IS NOT NULL)
           AND NOT EXISTS (SELECT 1 FROM runs_timer t WHERE t.step_id = s.id AND t.kind IN {_MOVING_TIMERS})
           AND NOT (s.state = 'running' AND (
                    EXISTS (SELECT 1 FROM tasks_task t WHERE t.id = s.task_id AND t.closed_at IS NULL)
                 OR EXISTS (SELECT 1 FROM actions_action a WHERE a.id = s.action_id AND a.finished_at IS NULL)
                 OR EXISTS (SELECT 1 FROM runs_subscription w WHERE w.step_id = s.id)
                 OR EXISTS (SELECT 1 FROM runs_run c WHERE c.parent_id = s.id AND c.finished_at IS NULL)))
        """,
    ),
    "I14": Invariant(
        "A run that goes on has something to go on with, and one that waits for an operator says so to them.",
        """
        SELECT r.id::text, 'is ' || r.state || ', and none of its steps is open'
          FROM runs_run r
         WHERE r.state IN ('running', 'incident') AND NOT r.is_compensating
           AND NOT EXISTS (SELECT 1 FROM runs_step s
                            WHERE s.run_id = r.id AND (s.is_parked OR s.state IN ('ready', 'running')))
        UNION ALL
        SELECT r.id::text, 'waits for an operator, and no incident is open'
          FROM runs_run r
         WHERE r.state = 'incident'
           AND NOT EXISTS (SELECT 1 FROM tasks_task t
                            WHERE t.kind = 'incident' AND t.subject_kind = 'runs.run'
                              AND t.subject_id = r.id::text AND t.closed_at IS NULL)
        UNION ALL
        SELECT r.id::text, 'waits for an operator, and none of its steps does'
          FROM runs_run r
         WHERE r.state = 'incident'
           AND NOT EXISTS (SELECT 1 FROM runs_step s WHERE s.run_id = r.id AND s.is_parked)
        UNION ALL
        SELECT s.id::text, 'is parked, and its run is ' || r.state
          FROM runs_step s JOIN runs_run r ON r.id = s.run_id
         WHERE s.is_parked AND r.state <> 'incident'
        """,
    ),
    "I15": Invariant(
        "Nothing is open in a run that is over: no step, no frame, no work.",
        """
        SELECT s.id::text, s.node || ' is ' || s.state || ' in a run that is ' || r.state
          FROM runs_step s JOIN runs_run r ON r.id = s.run_id
         WHERE s.state IN ('ready', 'running') AND r.finished_at IS NOT NULL
        UNION ALL
        SELECT f.id::text, f.node || ' is not closed in a run that is ' || r.state
          FROM runs_frame f JOIN runs_run r ON r.id = f.run_id
         WHERE NOT f.is_closed AND r.finished_at IS NOT NULL
        UNION ALL
        SELECT t.id::text, 'is ' || t.state || ' for a run that is ' || r.state
          FROM tasks_task t
          JOIN runs_run r ON r.id = CASE WHEN t.subject_kind = 'runs.run' THEN t.subject_id::uuid END
         WHERE t.state IN ('open', 'claimed') AND r.finished_at IS NOT NULL
        """,
    ),
    "I16": Invariant(
        "A run begins once and ends once, and the ledger says both.",
        """
        SELECT r.id::text, 'is ' || r.state || '; told to have begun ' || b.n::text || ' and ended '
               || e.n::text || ' times'
          FROM runs_run r
          CROSS JOIN LATERAL (SELECT count(*) AS n FROM audit_event v
                               WHERE v.run_id = r.id::text AND v.verb = 'runs.run_started') b
          CROSS JOIN LATERAL (SELECT count(*) AS n FROM audit_event v
                               WHERE v.run_id = r.id::text AND v.subject_kind = 'runs.run'
                                 AND v.verb IN ('runs.run_finished', 'runs.run_cancelled')) e
         WHERE b.n <> 1 OR e.n <> CASE WHEN r.finished_at IS NULL THEN 0 ELSE 1 END
        UNION ALL
        SELECT r.id::text, 'is done, and ' || count(s.id)::text || ' of its ends are'
          FROM runs_run r
          LEFT JOIN runs_step s ON s.run_id = r.id AND s.kind = 'end' AND s.state = 'done'
         WHERE r.state = 'done' AND NOT r.is_compensating
         GROUP BY r.id HAVING count(s.id) <> 1
        """,
    ),
    "I17": Invariant(
        "Turns and timers are only of open steps (what the next look clears away may be a minute old).",
        """
        SELECT q.step_id::text, 'has a turn, and is ' || s.state
          FROM runs_ready q JOIN runs_step s ON s.id = q.step_id JOIN runs_run r ON r.id = s.run_id
         WHERE s.state NOT IN ('ready', 'running') AND s.undone <> 'running' AND NOT r.is_paused
           AND q.not_before < clock_timestamp() - interval '1 minute'
        UNION ALL
        SELECT t.step_id::text, 'has a timer (' || t.kind || '), and is ' || s.state
          FROM runs_timer t JOIN runs_step s ON s.id = t.step_id
         WHERE s.state NOT IN ('ready', 'running') AND t.fire_at < clock_timestamp() - interval '1 minute'
        """,
    ),
    "I18": Invariant(
        "What a frame counts is what became of its branches or items.",
        """
        SELECT f.id::text, f.node || ' counts ' || f.arrived::text || ' arrived, ' || f.failed::text
               || ' failed, ' || f.dead::text || ' dead of ' || f.size::text || '; there are '
               || i.arrived::text || ', ' || i.failed::text || ', ' || i.dead::text || ' of ' || i.n::text
          FROM runs_frame f
          CROSS JOIN LATERAL (
               SELECT count(*) AS n, count(*) FILTER (WHERE how IN ('arrived', 'absorbed')) AS arrived,
                      count(*) FILTER (WHERE how = 'failed') AS failed,
                      count(*) FILTER (WHERE how = 'dead') AS dead
                 FROM runs_item WHERE frame_id = f.id) i
         WHERE (f.size, f.arrived, f.failed, f.dead) <> (i.n, i.arrived, i.failed, i.dead)
        """,
    ),
    "I19": Invariant(
        "No step is done twice in one generation, and only the newest generation goes on.",
        """
        SELECT min(s.id::text), s.node || ' stands there ' || count(*)::text || ' times as generation '
               || s.generation::text
          FROM runs_step s
         GROUP BY s.run_id, s.node, s.frame_id, s.index, s.generation HAVING count(*) > 1
        UNION ALL
        SELECT s.id::text, s.node || ' is ' || s.state || ' beside a newer generation'
          FROM runs_step s
         WHERE s.state IN ('ready', 'running')
           AND EXISTS (SELECT 1 FROM runs_step n
                        WHERE n.run_id = s.run_id AND n.node = s.node AND n.index = s.index
                          AND n.frame_id IS NOT DISTINCT FROM s.frame_id AND n.generation > s.generation)
        """,
    ),
    "I20": Invariant(
        "A step that an operation did has exactly one confirmed action.",
        """
        SELECT s.id::text, s.node || ' is done, and its action is ' || a.state
          FROM runs_step s JOIN actions_action a ON a.id = s.action_id
         WHERE s.state = 'done' AND s.kind = 'operation' AND a.state <> 'confirmed'
           AND NOT EXISTS (SELECT 1 FROM audit_event e
                            WHERE e.run_id = s.run_id::text AND e.verb = 'runs.step_overridden')
        UNION ALL
        SELECT split_part(k.key, ':', 2), 'was done ' || count(*)::text || ' times'
          FROM actions_idempotencykey k JOIN actions_action a ON a.id = k.action_id
         WHERE k.key LIKE 'step:%%' AND a.state = 'confirmed'
         GROUP BY split_part(k.key, ':', 2) HAVING count(*) > 1
        """,
    ),
    "I21": Invariant(
        "What a step is agrees with what became of its task.",
        """
        SELECT s.id::text, s.node || ' is done, and its task is ' || t.state
          FROM runs_step s JOIN tasks_task t ON t.id = s.task_id
         WHERE s.state = 'done' AND t.state NOT IN ('done', 'cancelled')
           AND NOT EXISTS (SELECT 1 FROM runs_intervention i WHERE i.step_id = s.id AND i.verb = 'override')
        UNION ALL
        SELECT s.id::text, s.node || ' is ' || s.state || ', and its task is still ' || t.state
          FROM tasks_task t JOIN runs_step s ON s.task_id = t.id
         WHERE t.state IN ('open', 'claimed') AND s.state NOT IN ('ready', 'running')
        """,
    ),
    "I23": Invariant(
        "What is being undone has an action under way or a turn; what was undone has a confirmed action.",
        """
        SELECT s.id::text, s.node || ' is being undone, and nothing will move that'
          FROM runs_step s
         WHERE s.undone = 'running'
           AND NOT EXISTS (SELECT 1 FROM runs_ready q WHERE q.step_id = s.id)
           AND NOT EXISTS (SELECT 1 FROM actions_action a
                            WHERE a.id = s.undo_action_id AND a.finished_at IS NULL)
        UNION ALL
        SELECT s.id::text, s.node || ' undoes what is not being undone'
          FROM runs_step s JOIN runs_step t ON t.id = s.undoes_id
         WHERE t.undone <> 'running'
        UNION ALL
        SELECT s.id::text, s.node || ' was undone, and no action did it'
          FROM runs_step s LEFT JOIN actions_action a ON a.id = s.undo_action_id
         WHERE s.undone = 'done' AND a.state IS DISTINCT FROM 'confirmed'
        UNION ALL
        SELECT r.id::text, 'is being undone as a whole, and nothing in it is'
          FROM runs_run r
         WHERE r.is_compensating AND r.state = 'running'
           AND NOT EXISTS (SELECT 1 FROM runs_step s WHERE s.run_id = r.id AND s.undone = 'running')
        """,
    ),
}
