"""The Celery application. Modules named ``jobs`` hold its tasks: the word task is ours for work items."""

from __future__ import annotations

import os
import signal
from typing import Any

from celery import Celery
from celery.signals import worker_process_init

from autonomy.launch.children import tell_when_parent_dies

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "autonomy.settings")
app = Celery("autonomy")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks(related_name="jobs")


@worker_process_init.connect
def end_with_the_worker(**kwargs: Any) -> None:
    """A pool process whose worker was killed would go on with a task that somebody else takes over."""
    tell_when_parent_dies(signal.SIGKILL)
