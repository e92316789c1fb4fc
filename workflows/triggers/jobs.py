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


@shared_task(name=dispatch.REACT, ignore_result=True)
def react() -> None:
    """Let what is new in the ledger start runs."""
    services.react()


@shared_task(name=dispatch.FORGET, ignore_result=True)
def forget() -> None:
    """Delete what is old from the logs of triggers."""
    services.forget_old()
