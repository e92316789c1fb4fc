"""The only place that names the background jobs. A message is a hint: losing it costs time, never work."""

from __future__ import annotations

import logging
from uuid import UUID

from celery import current_app

RUN_ACTION = "workflows.actions.jobs.run_action"
LOOK_UP = "workflows.actions.jobs.look_up"
RECONCILE = "workflows.actions.jobs.reconcile"
SWEEP = "workflows.actions.jobs.sweep"
# The sweeper hints again at what still waits: while no worker takes them, old hints must not pile up.
HINT_SECONDS = 15

logger = logging.getLogger(__name__)


def hint_run(action_id: UUID | str) -> None:
    """Ask a worker to execute an authorized action soon."""
    _send(RUN_ACTION, action_id)


def hint_look_up(action_id: UUID | str) -> None:
    """Ask a worker to look up at once what became of a call without an answer."""
    _send(LOOK_UP, action_id)


def hint_reconcile(action_id: UUID | str) -> None:
    """Ask a worker to find out what became of an action whose lease is over."""
    _send(RECONCILE, action_id)


def _send(job: str, action_id: UUID | str) -> None:
    try:
        current_app.send_task(job, args=[str(action_id)], retry=False, expires=HINT_SECONDS)
    except Exception:  # the broker is not needed for the truth, only for speed
        logger.warning(
            "No worker could be told of action %s; the sweeper will find it.", action_id, exc_info=True
        )
