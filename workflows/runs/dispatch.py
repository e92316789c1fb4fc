"""Hints to workers. A lost one costs time: the sweeper looks at the rows; a doubled one finds nothing.

Ticks are coalesced: while one is on its way no other is sent. It opens the gate before it looks, so that what
was committed behind a closed gate is seen by it, and what is committed later sends a tick of its own.
"""

from __future__ import annotations

import logging
from functools import lru_cache

import redis
from celery import current_app
from django.conf import settings
from redis.backoff import NoBackoff
from redis.retry import Retry

TICK = "workflows.runs.jobs.tick"
SWEEP = "workflows.runs.jobs.sweep"
RELEASE = "workflows.runs.jobs.release"
# When a sweep is worth a message, as a condition that is cheap however much waits and was done. It may be true
# where a duty then finds nothing. What it leaves out is left to the sweep that comes without being asked for: a
# step that is being done although what it waits for has ended. Finding one means to look at all of them.
# (Materialized: else a join in the order of runs may be planned, which reads all of history.)
SWEEP_WHEN = """
   EXISTS (SELECT FROM runs_ready r JOIN runs_step s ON s.id = r.step_id JOIN runs_run u ON u.id = s.run_id
            WHERE r.not_before <= statement_timestamp() AND NOT u.is_paused)
OR EXISTS (SELECT FROM runs_timer t JOIN runs_step s ON s.id = t.step_id JOIN runs_run u ON u.id = s.run_id
            WHERE t.fire_at <= statement_timestamp() AND (s.clock_stopped_at IS NULL OR t.kind = 'wake')
              AND NOT (u.is_paused AND t.kind IN ('wake', 'again')))
OR EXISTS (SELECT FROM runs_run u JOIN runs_step s ON s.id = u.parent_id
            WHERE u.parent_id IS NOT NULL AND u.state IN ('running', 'incident')
              AND s.state NOT IN ('ready', 'running'))
OR EXISTS (WITH s AS MATERIALIZED (SELECT id, run_id FROM runs_step
                                     WHERE state = 'ready' AND held_by_id IS NULL AND NOT is_parked)
           SELECT FROM s JOIN runs_run u ON u.id = s.run_id
            WHERE u.state IN ('running', 'incident') AND NOT u.is_paused
              AND NOT EXISTS (SELECT FROM runs_ready r WHERE r.step_id = s.id))
OR EXISTS (SELECT FROM runs_step s JOIN runs_run u ON u.id = s.run_id
             LEFT JOIN actions_action a ON a.id = s.undo_action_id
            WHERE s.undone = 'running' AND NOT u.is_paused AND (a.id IS NULL OR a.finished_at IS NOT NULL)
              AND NOT EXISTS (SELECT FROM runs_ready r WHERE r.step_id = s.id))
OR EXISTS (SELECT FROM runs_step WHERE state = 'ready' AND held_by_id IS NOT NULL)
OR EXISTS (SELECT FROM tasks_task
            WHERE state = 'open' AND preferred_agent_id IS NOT NULL AND waits_for = '' AND NOT is_paused)
OR EXISTS (SELECT FROM tasks_task
            WHERE state = 'open' AND waits_for = '' AND NOT is_paused AND role_id IS NOT NULL
              AND kind = 'agent_work'
              AND available_at < statement_timestamp() - interval '{unclaimed_seconds} seconds')
OR EXISTS (SELECT FROM tasks_task
            WHERE subject_kind = 'agents.role' AND kind = 'incident' AND state IN ('open', 'claimed'))
"""
GATE = "aos:runs:tick-on-its-way"
# A tick that was lost on its way holds others back no longer than this.
GATE_MILLISECONDS = 500

logger = logging.getLogger(__name__)


@lru_cache(maxsize=1)
def _client() -> redis.Redis:
    # No retries: a hint that fails is worth less than the time to send it again.
    return redis.Redis.from_url(
        settings.REDIS_URL, socket_connect_timeout=0.3, socket_timeout=0.5, retry=Retry(NoBackoff(), 0)
    )


def hint_tick() -> None:
    """Tell the workers that the engine has something to look at; call it after the commit."""
    try:
        if _client().set(GATE, b"1", nx=True, px=GATE_MILLISECONDS):
            current_app.send_task(TICK, expires=60, retry=False)
    except Exception:  # whatever it is: the rows are committed, and whoever committed them waits for an answer
        logger.warning("No worker could be told that a run goes on; the sweeper will find it.", exc_info=True)


def hint_release() -> None:
    """Tell the workers that a system is back, or a stop lifted: what was held need not wait for the clock."""
    try:
        current_app.send_task(RELEASE, expires=60, retry=False)
    except Exception:  # as above
        logger.warning(
            "No worker could be told that a system is back; the sweeper will find it.", exc_info=True
        )


def open_gate() -> None:
    """Let the next hint be sent: whoever calls this looks at everything that was committed before."""
    try:
        _client().delete(GATE)
    except (redis.RedisError, OSError):
        logger.debug("The gate stays as it is; it opens by itself.", exc_info=True)
