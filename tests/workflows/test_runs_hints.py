"""Hints to workers: one is on its way at a time, and none is needed for the truth."""

from __future__ import annotations

from typing import Any

import pytest
import redis
from celery import current_app
from django.conf import settings

from agents.services import stops
from tests.workflows.test_runs import WHY, begun, workflow
from workflows.runs import dispatch, jobs, services
from workflows.tasks import broadcast

__all__ = ["workflow"]


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    found: list[str] = []
    monkeypatch.setattr(current_app, "send_task", lambda name, **options: found.append(name))
    dispatch.open_gate()
    return found


def test_one_tick_is_on_its_way_at_a_time(sent: list[str]) -> None:
    for _ in range(5):
        dispatch.hint_tick()
    assert sent == [dispatch.TICK]


def test_what_is_committed_after_a_tick_began_sends_the_next(
    sent: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    dispatch.hint_tick()
    # Another process commits while the tick looks.
    monkeypatch.setattr(services, "tick", lambda: dispatch.hint_tick() or 1)
    jobs.tick()
    assert sent == [dispatch.TICK] * 2


def test_a_tick_that_left_something_sends_the_next(sent: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(services, "tick", lambda: services.MOST_LOOKS)
    jobs.tick()
    assert sent == [dispatch.TICK]


def test_the_gate_opens_by_itself_and_with_a_flushed_server(sent: list[str]) -> None:
    dispatch.hint_tick()
    with redis.Redis.from_url(settings.REDIS_URL) as server:
        assert 0 < server.pttl(dispatch.GATE) <= dispatch.GATE_MILLISECONDS
        server.flushdb()
    dispatch.hint_tick()
    assert sent == [dispatch.TICK] * 2


def test_without_a_server_nothing_is_raised(sent: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    def away() -> Any:
        raise redis.ConnectionError("away")

    monkeypatch.setattr(dispatch, "_client", away)
    dispatch.hint_tick()
    dispatch.open_gate()
    assert sent == []


@pytest.mark.django_db
def test_whoever_waited_for_a_stop_to_be_lifted_is_woken_at_its_commit(
    sent: list[str], alice: Any, clerk: Any, workflow: Any, monkeypatch: pytest.MonkeyPatch,
    django_capture_on_commit_callbacks: Any,
) -> None:  # fmt: skip
    woken: list[Any] = []
    monkeypatch.setattr(broadcast, "tell_work", woken.append)
    begun(alice)
    stop = stops.raise_stop(actor=alice.as_actor(), scope_kind="everything", reason=WHY)
    sent.clear()
    dispatch.open_gate()
    with django_capture_on_commit_callbacks(execute=True):
        stops.set_stage(actor=alice.as_actor(), stop=stop, stage="held", reason=WHY)
    assert (sent, woken) == ([dispatch.RELEASE, dispatch.TICK], [clerk.role_id])
    dispatch.open_gate()
    with django_capture_on_commit_callbacks(execute=True):
        stops.lift_stop(actor=alice.as_actor(), stop=stop, reason=WHY)
    assert (sent, woken) == ([dispatch.RELEASE, dispatch.TICK] * 2, [clerk.role_id] * 2)
