"""Celery's door to what is told. A message is a hint: losing or doubling it costs time only."""

from __future__ import annotations

from celery import shared_task

from workflows.notices import dispatch, services


@shared_task(name=dispatch.TELL, ignore_result=True)
def tell() -> None:
    """Find whom to tell and send what is due."""
    services.tell()
