"""The only place that names the background jobs. A message is a hint: losing it costs time, never work."""

from __future__ import annotations

import logging
import math
import os
import threading
from collections.abc import Sequence
from functools import cache
from typing import Any
from uuid import UUID

import redis
from celery import current_app
from django.conf import settings

RUN_ACTION = "workflows.actions.jobs.run_action"
RUN_EACH = "workflows.actions.jobs.run_each"
RUN_TOGETHER = "workflows.actions.jobs.run_together"
LOOK_UP = "workflows.actions.jobs.look_up"
RECONCILE = "workflows.actions.jobs.reconcile"
GIVE_TURNS = "workflows.actions.jobs.give_turns"
SWEEP = "workflows.actions.jobs.sweep"
# The sweeper hints again at what still waits: while no worker takes them, old hints must not pile up.
HINT_SECONDS = 15
# What finds the pool of its system full is told of in one message for so long.
GATHER_SECONDS = 0.05
# When a sweep is worth a message, as a condition that is cheap however much there is and was. It may be true
# where a duty then finds nothing, and is true wherever one would do something.
# Authorized is what expires, what nobody has begun, and what waits for its turn.
SWEEP_WHEN = """
   EXISTS (SELECT FROM approvals_approval
            WHERE state = 'pending' AND clock_stopped_at IS NULL AND expires_at <= statement_timestamp())
OR EXISTS (SELECT FROM approvals_approval
            WHERE state = 'pending' AND reminded_at IS NULL AND clock_stopped_at IS NULL
              AND remind_at <= statement_timestamp())
OR EXISTS (SELECT FROM approvals_escalation e
            JOIN approvals_approval q ON q.id = e.approval_id AND q.stage = e.stage
            WHERE e.done_at IS NULL AND e.at <= statement_timestamp()
              AND q.state = 'pending' AND q.clock_stopped_at IS NULL)
OR EXISTS (SELECT FROM approvals_approval WHERE state = 'pending' AND clock_stopped_at IS NOT NULL)
OR EXISTS (SELECT FROM agents_stop WHERE lifted_at IS NULL)
   AND EXISTS (SELECT FROM approvals_approval WHERE state = 'pending' AND clock_stopped_at IS NULL)
OR EXISTS (SELECT FROM approvals_approval q
             JOIN actions_action x ON x.approval_id = q.id
             JOIN agents_agent a ON a.id = x.agent_id
             LEFT JOIN connectors_operation o ON o.id = x.operation_id
             LEFT JOIN connectors_system s ON s.id = o.system_id
             LEFT JOIN connectors_systemhealth h ON h.system_id = o.system_id
            WHERE q.state = 'pending' AND q.clock_stopped_at IS NULL
              AND (a.brake <> 'none' OR NOT s.is_enabled
                   OR h.opened_at > statement_timestamp() - interval '1 hour'))
OR EXISTS (SELECT FROM actions_action
            WHERE state = 'authorized'
              AND (waits_for_id IS NOT NULL OR expires_at <= statement_timestamp()
                   OR decided_at < statement_timestamp() - interval '5 seconds'))
OR EXISTS (SELECT FROM actions_lease WHERE until < statement_timestamp())
OR EXISTS (SELECT FROM tasks_task WHERE state = 'claimed' AND lease_until < statement_timestamp())
OR EXISTS (SELECT FROM agents_agent a
            WHERE a.pause_at IS NOT NULL
              AND (a.pause_at <= statement_timestamp()
                   OR NOT EXISTS (SELECT FROM tasks_task
                                   WHERE state = 'claimed' AND claimed_by_id = a.user_id)))
OR EXISTS (SELECT FROM tasks_task q JOIN tasks_task t ON t.id = q.asked_for_id
            WHERE q.asked_for_id IS NOT NULL AND q.state IN ('open', 'claimed')
              AND (t.state NOT IN ('open', 'claimed')
                   OR q.due_at <= statement_timestamp() AND t.clock_stopped_at IS NULL))
OR EXISTS (SELECT FROM agents_enforcementpoint
            WHERE beat_at < statement_timestamp() - interval '{silent_seconds} seconds')
OR EXISTS (SELECT FROM agents_stop s
            WHERE s.lifted_at IS NULL
              AND NOT EXISTS (SELECT FROM agents_acknowledgement a
                               WHERE a.stop_id = s.id AND a.kind = 'whole' AND a.version >= s.version))
"""

logger = logging.getLogger(__name__)


def hint_run(action_id: UUID | str) -> None:
    """Ask a worker to execute an authorized action soon."""
    _send(RUN_ACTION, action_id)


def hint_run_in_a_moment(action_id: UUID | str) -> None:
    """Ask a worker to execute an authorized action, in one message with those that come within 50 ms.

    For many that wait at once: a message for each would cost more than to ask for it did.
    """
    with _guard:
        _gathered.append(str(action_id))
        if len(_gathered) > 1:
            return
    timer = threading.Timer(GATHER_SECONDS, send_gathered)
    timer.daemon = True
    timer.start()


def send_gathered() -> None:
    """Send what was gathered by now."""
    with _guard:
        found = list(_gathered)
        _gathered.clear()
    if found:
        _send(RUN_EACH, found)


_guard = threading.Lock()
_gathered: list[str] = []


def _forget_after_fork() -> None:
    global _guard
    _guard = threading.Lock()
    _gathered.clear()  # whoever forked tells of them


os.register_at_fork(after_in_child=_forget_after_fork)


def hint_run_together(action_ids: Sequence[UUID | str]) -> None:
    """Ask a worker to execute authorized actions that are quickly done, soon and together."""
    _send(RUN_TOGETHER, [str(action_id) for action_id in action_ids])


def hint_look_up(action_id: UUID | str) -> None:
    """Ask a worker to look up at once what became of a call without an answer."""
    _send(LOOK_UP, action_id)


def hint_reconcile(action_id: UUID | str) -> None:
    """Ask a worker to find out what became of an action whose lease is over."""
    _send(RECONCILE, action_id)


def hint_turns(throttle_id: UUID | str, seconds: float) -> None:
    """Ask a worker to give the turns of a throttle in so many seconds; once, however often that is asked."""
    milliseconds = max(10, math.ceil(seconds * 1000))
    try:
        is_first = _client().set(f"aos:turns:{throttle_id}", "1", nx=True, px=milliseconds)
    except redis.RedisError:
        return  # then there is no broker either, and the sweeper comes by
    if is_first:
        _send(GIVE_TURNS, throttle_id, countdown=milliseconds / 1000, expires=HINT_SECONDS + seconds)


@cache
def _client() -> redis.Redis:
    return redis.Redis.from_url(settings.REDIS_URL, socket_timeout=1, socket_connect_timeout=1)


def _send(job: str, about: UUID | str | list[str], **options: Any) -> None:
    try:
        given = about if isinstance(about, list) else str(about)
        current_app.send_task(job, args=[given], retry=False, **{"expires": HINT_SECONDS, **options})
    except Exception:  # the broker is not needed for the truth, only for speed
        logger.warning("No worker could be told of %s; the sweeper will find it.", about, exc_info=True)
