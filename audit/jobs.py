"""Background jobs of the ledger: thin doors to its services."""

from __future__ import annotations

from celery import shared_task

from audit import services


# The first time there may be years of it.
@shared_task(name="audit.jobs.erase_expired", ignore_result=True, time_limit=3600, soft_time_limit=3500)
def erase_expired() -> None:
    """Erase what the rules of retention let go. Once a day; killed in the middle, it goes on the next time."""
    services.erase_expired_and_tell()
