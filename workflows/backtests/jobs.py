"""Celery's doors to back-tests. A message is a hint: losing or doubling it costs time only."""

from __future__ import annotations

from celery import shared_task

from workflows.backtests import dispatch, services


@shared_task(name=dispatch.COME_ON, ignore_result=True)
def come_on(backtest_id: str) -> None:
    """Count one slice of a back-test."""
    services.come_on(backtest_id=backtest_id)


@shared_task(name=dispatch.SWEEP, ignore_result=True)
def sweep() -> None:
    """Let back-tests come on that nobody counts."""
    services.sweep()
