"""Celery's door to appeals that wait. A message is a hint: losing or doubling it costs time only."""

from __future__ import annotations

from celery import shared_task

from workflows.appeals import dispatch, services


@shared_task(name=dispatch.SWEEP, ignore_result=True)
def sweep() -> None:
    """Remind people of appeals that end soon, and end those that nobody answered."""
    services.sweep_appeals()
