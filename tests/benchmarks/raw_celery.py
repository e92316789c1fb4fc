"""Celery alone, as it comes: a task that does nothing, on the Valkey of the measurement. A baseline."""

from __future__ import annotations

import os

from celery import Celery

app = Celery("raw", broker=os.environ.get("RAW_BROKER", ""))
app.conf.task_ignore_result = True


@app.task(name="nothing")
def nothing() -> None:
    """Do nothing."""
