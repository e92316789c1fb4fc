"""Celery's doors to what starts runs by itself. A message is a hint: losing or doubling it costs time only."""

from __future__ import annotations

from celery import shared_task

from workflows.triggers import dispatch, services


@shared_task(name=dispatch.SCAN, ignore_result=True)
def scan() -> None:
    """Take in what lies in the watched folders."""
    services.take_in_all()


@shared_task(name=dispatch.FIRE, ignore_result=True)
def fire() -> None:
    """Fire the schedules that are due."""
    services.fire_due()
