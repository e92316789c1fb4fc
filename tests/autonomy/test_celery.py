"""What a worker keeps from one job to the next."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from celery.fixups.django import DjangoWorkerFixup
from celery.signals import task_failure, task_postrun, task_prerun
from django.db import DatabaseError, connection

from autonomy.celery import app
from workflows.runs.jobs import tick as job


@pytest.mark.django_db
class TestTheConnectionOfAWorker:
    def test_celery_leaves_it_alone(self) -> None:
        assert DjangoWorkerFixup(app).db_reuse_max

    def test_it_is_kept_from_one_job_to_the_next(self) -> None:
        def two_jobs() -> bool:
            first = _backend()
            _next_job()
            return _backend() == first

        assert _elsewhere(two_jobs)

    def test_one_that_the_server_has_ended_is_not_kept(self) -> None:
        def after_its_end() -> int:
            with pytest.raises(DatabaseError), connection.cursor() as cursor:
                cursor.execute("SELECT pg_terminate_backend(pg_backend_pid())")
            _next_job()
            return _backend()

        assert _elsewhere(after_its_end)

    def test_one_that_was_ended_while_nothing_was_asked_of_it_is_not_kept(self) -> None:
        def after_its_end(ended: Callable[[int], None]) -> bool:
            first = _backend()
            ended(first)
            _next_job()
            return _backend() != first

        def end(process: int) -> None:
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_terminate_backend(%s, 5000)", [process])

        with ThreadPoolExecutor(1) as other:
            assert _elsewhere(after_its_end, lambda process: other.submit(end, process).result())
            other.submit(lambda: connection.close()).result()

    def test_a_job_that_failed_leaves_none(self) -> None:
        def failed() -> bool:
            first = _backend()
            task_failure.send(sender=job)
            return _backend() != first

        assert _elsewhere(failed)


def _next_job() -> None:
    for signal in (task_postrun, task_prerun):
        signal.send(sender=job, task=job)


def _backend() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        return int(cursor.fetchone()[0])


def _elsewhere(work: Callable[..., Any], *arguments: Any) -> Any:
    """Do it in a thread: connections belong to threads, and that of the test is in a transaction."""

    def closed_in_the_end() -> Any:
        try:
            return work(*arguments)
        finally:
            connection.close()

    with ThreadPoolExecutor(1) as thread:
        return thread.submit(closed_in_the_end).result()
