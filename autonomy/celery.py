"""The Celery application. Modules named ``jobs`` hold its tasks: the word task is ours for work items."""

from __future__ import annotations

import atexit
import os
import signal
from typing import TYPE_CHECKING, Any

from celery import Celery
from celery.signals import beat_init, worker_process_init, worker_process_shutdown

from autonomy.launch.children import tell_when_parent_dies

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


# The heartbeat of this process, begun after the fork: each pool process is one that executes.
_hearts: list[Heartbeat] = []


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


def _beat(kind: str) -> None:
    from agents.services.heartbeat import Heartbeat  # noqa: PLC0415 - the apps are loaded only now

    heart = Heartbeat(kind)
    _hearts[:] = [heart]
    heart.start()
