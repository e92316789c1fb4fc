"""The Celery application. Modules named ``jobs`` hold its tasks: the word task is ours for work items."""

from __future__ import annotations

import atexit
import gc
import os
import signal
from typing import TYPE_CHECKING, Any, cast

import redis
from celery import Celery, Task
from celery.signals import (
    beat_init,
    task_failure,
    task_postrun,
    task_prerun,
    task_received,
    worker_process_init,
    worker_process_shutdown,
    worker_ready,
)
from django.db import close_old_connections, connections

from audit.cause import begin_cause, end_cause
from autonomy.launch.children import tell_when_parent_dies
from autonomy.watchdog import Watchdog

if TYPE_CHECKING:
    from agents.services.heartbeat import Heartbeat

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "autonomy.settings")
app = Celery("autonomy")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks(related_name="jobs")


@worker_process_init.connect
def end_with_the_worker(**kwargs: Any) -> None:
    """A pool process whose worker was killed would go on with a task that somebody else takes over."""
    tell_when_parent_dies(signal.SIGKILL)


@task_prerun.connect
@task_postrun.connect
def keep_what_can_be_used(task: Task[..., Any], **kwargs: Any) -> None:
    """Drop a connection to the database that is broken or old, and keep any other for the next job.

    Celery would open one for each job, which costs more than most jobs do (``CELERY_DB_REUSE_MAX``).
    """
    if not task.request.is_eager:
        close_old_connections()


@task_prerun.connect
def begin_as_one(task_id: str, task: Task[..., Any], **kwargs: Any) -> None:
    """Let the ledger find everything that a job leads to by the job's id; what runs inside a request is its."""
    if not task.request.is_eager:
        begin_cause(task_id)


@task_postrun.connect
def end_as_one(task: Task[..., Any], **kwargs: Any) -> None:
    """What comes after a job is not of it."""
    if not task.request.is_eager:
        end_cause()


@task_failure.connect
def keep_nothing_after_a_failure(sender: Task[..., Any], **kwargs: Any) -> None:
    """What a job was doing when it failed, or ran out of time, is not left in a connection for the next one."""
    if not sender.request.is_eager:
        connections.close_all()


# The heartbeat of this process, begun after the fork: each pool process is one that executes.
_hearts: list[Heartbeat] = []


@worker_process_init.connect
def leave_what_was_imported(**kwargs: Any) -> None:
    """What is there when a pool process begins stays: to look for garbage in it again and again delays jobs."""
    gc.freeze()


@worker_process_init.connect
def beat_as_worker(**kwargs: Any) -> None:
    """Say every few seconds that this pool process lives and which stops it has seen."""
    _beat("worker")


@beat_init.connect
def beat_as_clock(**kwargs: Any) -> None:
    """The same for the process that rings the hours."""
    _beat("clock")
    atexit.register(end_beating)


@worker_process_shutdown.connect
def end_beating(**kwargs: Any) -> None:
    """Say that this process ends."""
    while _hearts:
        _hearts.pop().stop()


def waiting_messages() -> int:
    """Return how many messages wait in the queue of the workers; raises redis.RedisError without a broker."""
    with redis.Redis.from_url(app.conf.broker_url, socket_timeout=5, socket_connect_timeout=5) as client:
        return int(cast("int", client.llen(app.conf.task_default_queue)))


@worker_ready.connect
def watch_the_consumer(**kwargs: Any) -> None:
    """From now on a worker that takes nothing any more ends itself."""
    watchdog = Watchdog(waiting_messages, patience=app.conf.task_time_limit + 30)
    task_received.connect(lambda **_: watchdog.taken(), weak=False)
    watchdog.start()


def _beat(kind: str) -> None:
    from agents.services.heartbeat import Heartbeat  # noqa: PLC0415 - the apps are loaded only now

    heart = Heartbeat(kind)
    _hearts[:] = [heart]
    heart.start()
