from __future__ import annotations

from celery import current_app
from django.conf import settings

from workflows.actions import dispatch


def test_every_job_that_is_named_is_registered() -> None:
    current_app.loader.import_default_modules()
    named = {dispatch.RUN_ACTION, dispatch.LOOK_UP, dispatch.RECONCILE, dispatch.SWEEP}
    assert named <= set(current_app.tasks)
    assert {entry["task"] for entry in settings.CELERY_BEAT_SCHEDULE.values()} <= set(current_app.tasks)
