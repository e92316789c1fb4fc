from __future__ import annotations

import ast
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
import redis
from celery import current_app
from django.conf import settings

from workflows.actions import dispatch, jobs
from workflows.runs import dispatch as runs_dispatch


def test_every_job_that_is_named_is_registered() -> None:
    current_app.loader.import_default_modules()
    named = {dispatch.RUN_ACTION, dispatch.RUN_EACH, dispatch.LOOK_UP, dispatch.RECONCILE, dispatch.SWEEP}
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


def test_what_finds_a_full_pool_is_told_of_together_and_nothing_is_left_out(
    hints: list[tuple[str, str]],
) -> None:
    def many(start: int) -> None:
        for number in range(start, start + 50):
            dispatch.hint_run_in_a_moment(str(number))

    threads = [threading.Thread(target=many, args=(start,)) for start in range(0, 200, 50)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    deadline = time.monotonic() + 10
    while dispatch._gathered and time.monotonic() < deadline:
        time.sleep(0.01)
    time.sleep(0.05)
    told = [ast.literal_eval(about) for job, about in hints if job == dispatch.RUN_EACH]
    assert sorted(int(key) for some in told for key in some) == list(range(200))
    assert len(told) < 50


def test_each_of_them_is_then_asked_for_by_itself(hints: list[tuple[str, str]]) -> None:
    jobs.run_each(["a", "b"])
    assert hints == [(dispatch.RUN_ACTION, "a"), (dispatch.RUN_ACTION, "b")]
