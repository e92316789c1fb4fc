"""Hints to workers. A lost one costs time: the sweeper looks at the rows; a doubled one finds nothing."""

from __future__ import annotations

import logging

from celery import current_app
from kombu.exceptions import OperationalError

TICK = "workflows.runs.jobs.tick"
SWEEP = "workflows.runs.jobs.sweep"

logger = logging.getLogger(__name__)


def hint_tick() -> None:
    """Tell the workers that the engine has something to look at; call it after the commit."""
    try:
        current_app.send_task(TICK, expires=60)
    except (OperationalError, OSError):
        logger.warning("No worker could be told that a run goes on; the sweeper will find it.")
