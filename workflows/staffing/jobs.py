"""Celery's door to the employment of agents. A message is a hint: losing or doubling it costs time only."""

from __future__ import annotations

from celery import shared_task

from workflows.staffing import dispatch, services


@shared_task(name=dispatch.SWEEP, ignore_result=True)
def sweep() -> None:
    """Put back whose record or confirmation asks for it, and ask people for what is due."""
    services.sweep_employment()
