"""The clock rings for a job only when there is something to do, and sooner or later whatever it thinks."""

from __future__ import annotations

import time
from types import SimpleNamespace
from typing import Any

import pytest
from celery.beat import PersistentScheduler
from django.conf import settings
from django.db import OperationalError, connection

from agents.models import EnforcementPoint
from agents.services.heartbeat import Heartbeat
from autonomy import clock
from autonomy.celery import app
from autonomy.clock import Clock, conditions
from workflows.actions import dispatch as actions
from workflows.actions.services.sweeping import IDLE_SECONDS
from workflows.backtests import dispatch as backtests
from workflows.notices import dispatch as notices
from workflows.runs import dispatch as runs
from workflows.triggers import dispatch as triggers

NOTHING = dict.fromkeys(
    (actions.SWEEP, runs.SWEEP, triggers.SCAN, triggers.FIRE, triggers.REACT, backtests.SWEEP, notices.TELL),
    False,
)


@pytest.fixture
def rung(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The jobs that were sent."""
    found: list[str] = []
    monkeypatch.setattr(
        PersistentScheduler, "apply_entry", lambda _, entry, **options: found.append(entry.task)
    )
    return found


@pytest.fixture
def bell() -> Clock:
    return Clock(app, lazy=True)


def asked() -> dict[str, bool]:
    """Ask as the clock does, on the connection of the test."""
    clock.prepare()
    try:
        return clock.worth_a_message()
    finally:
        with connection.cursor() as cursor:
            cursor.execute("DEALLOCATE what_is_due")
            cursor.execute("RESET statement_timeout")


def a_round(bell: Clock) -> None:
    """Let the hour of every job come but for that which comes once an hour."""
    for name, entry in settings.CELERY_BEAT_SCHEDULE.items():
        if entry["schedule"] < 3600:
            bell.apply_entry(SimpleNamespace(name=name, task=entry["task"]))


@pytest.mark.django_db
class TestTheQuestion:
    def test_in_an_idle_portal_nothing_is_worth_a_message(self) -> None:
        Heartbeat("worker").beat()
        assert asked() == NOTHING

    def test_a_process_that_is_silent_is(self) -> None:
        Heartbeat("worker").beat()
        with connection.cursor() as cursor:
            cursor.execute("UPDATE agents_enforcementpoint SET beat_at = beat_at - interval '1 hour'")
        assert EnforcementPoint.objects.count() == 1
        assert asked() == {**NOTHING, actions.SWEEP: True}

    def test_every_job_of_the_clock_is_asked_for_or_rare(self) -> None:
        rare = {e["task"] for e in settings.CELERY_BEAT_SCHEDULE.values() if e["schedule"] > 60}
        assert {e["task"] for e in settings.CELERY_BEAT_SCHEDULE.values()} - rare == set(conditions())

    def test_what_nobody_has_begun_is_looked_for_as_early_as_the_sweeper_does(self) -> None:
        assert f"decided_at < statement_timestamp() - interval '{IDLE_SECONDS} seconds'" in actions.SWEEP_WHEN


class TestTheRounds:
    def test_a_job_is_sent_when_there_is_something_to_do(
        self, bell: Clock, rung: list[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        a_round(bell)
        rung.clear()
        monkeypatch.setattr(bell, "_ask", lambda: {**NOTHING, runs.SWEEP: True})
        a_round(bell)
        assert rung == [runs.SWEEP]

    def test_one_question_is_for_all_jobs_of_a_round(
        self, bell: Clock, rung: list[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        asked: list[int] = []
        monkeypatch.setattr(bell, "_ask", lambda: asked.append(1) or dict(NOTHING))
        for _ in range(3):
            a_round(bell)
        assert len(asked) == 2, "the first round is for all"

    def test_every_job_is_sent_now_and_then_whatever_the_answer_is(
        self, bell: Clock, rung: list[str], monkeypatch: pytest.MonkeyPatch, settings: Any
    ) -> None:
        monkeypatch.setattr(bell, "_ask", lambda: dict(NOTHING))
        a_round(bell)
        assert set(rung) == set(NOTHING), "the first round is for all"
        rung.clear()
        a_round(bell)
        assert rung == []
        now = time.monotonic()
        monkeypatch.setattr(time, "monotonic", lambda: now + settings.SWEEP_ANYWAY_SECONDS)
        rung.clear()
        a_round(bell)
        assert set(rung) == set(NOTHING)

    def test_it_does_not_wake_before_the_hour(self, bell: Clock) -> None:
        assert 3 < bell.adjust(3) < 3.1

    def test_a_job_that_nobody_asks_about_is_always_sent(self, bell: Clock, rung: list[str]) -> None:
        for _ in range(2):
            bell.apply_entry(SimpleNamespace(name="forget", task=triggers.FORGET))
        assert len(rung) == 2

    @pytest.mark.django_db
    def test_while_the_database_does_not_answer_everything_is_sent(
        self, bell: Clock, rung: list[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def away() -> dict[str, bool]:
            raise OperationalError("the connection is lost")

        closed: list[bool] = []
        monkeypatch.setattr(clock, "worth_a_message", away)
        monkeypatch.setattr(connection, "close", lambda: closed.append(True), raising=False)
        a_round(bell)
        rung.clear()
        a_round(bell)
        assert set(rung) == set(NOTHING)
        assert closed
