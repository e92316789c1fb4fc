"""Hints to workers that a back-test has to come on. Losing one costs time only."""

from __future__ import annotations

import logging
from uuid import UUID

from celery import current_app

COME_ON = "workflows.backtests.jobs.come_on"
SWEEP = "workflows.backtests.jobs.sweep"
SILENT_SECONDS = 15
SWEEP_WHEN = f"""
EXISTS (SELECT FROM backtests_backtest
         WHERE state = 'running' AND moved_at < statement_timestamp() - interval '{SILENT_SECONDS} seconds')
"""

logger = logging.getLogger(__name__)


def hint_come_on(backtest_id: UUID) -> None:
    """Ask a worker to count on; without a broker the sweep does it."""
    try:
        current_app.send_task(COME_ON, args=[str(backtest_id)], retry=False, expires=SILENT_SECONDS)
    except Exception:  # noqa: BLE001 - the broker is not needed for the truth, only for speed
        logger.warning("Nobody could be told that the back-test %s comes on.", backtest_id)
