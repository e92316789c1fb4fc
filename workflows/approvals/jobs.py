"""Background jobs: thin doors to the services."""

from __future__ import annotations

from celery import shared_task

from workflows.approvals import services


@shared_task(name="workflows.approvals.jobs.look", ignore_result=True)
def look() -> None:
    """Look whose decisions came too quickly to have been read. Once an hour; nobody is told twice."""
    services.look_for_quick_decisions()
