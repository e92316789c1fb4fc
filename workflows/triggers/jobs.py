"""Celery's door to the watched folders."""

from __future__ import annotations

from celery import shared_task

from workflows.triggers import dispatch, services


@shared_task(name=dispatch.SCAN, ignore_result=True)
def scan() -> None:
    """Take in what lies in the watched folders."""
    services.take_in_all()
