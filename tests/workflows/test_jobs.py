from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import redis
from celery import current_app
from django.conf import settings

from workflows.actions import dispatch
from workflows.runs import dispatch as runs_dispatch


def test_every_job_that_is_named_is_registered() -> None:
    current_app.loader.import_default_modules()
    named = {dispatch.RUN_ACTION, dispatch.LOOK_UP, dispatch.RECONCILE, dispatch.SWEEP}
    assert named <= set(current_app.tasks)
    assert {entry["task"] for entry in settings.CELERY_BEAT_SCHEDULE.values()} <= set(current_app.tasks)


@pytest.mark.parametrize("hint", [runs_dispatch.hint_tick, lambda: dispatch.hint_run("an-id")])
def test_a_broker_that_is_away_costs_whoever_hints_neither_an_error_nor_time(
    monkeypatch: pytest.MonkeyPatch, hint: Callable[[], None]
) -> None:
    sent: list[dict[str, Any]] = []

    def away(*args: Any, **options: Any) -> None:
        sent.append(options)
        raise redis.ConnectionError("Error 111 connecting")

    monkeypatch.setattr(current_app, "send_task", away)
    runs_dispatch.open_gate()
    hint()
    assert [options["retry"] for options in sent] == [False]
    assert all(options["expires"] <= 60 for options in sent), "old hints pile up while no worker takes them"
