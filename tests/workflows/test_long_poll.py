from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.db import connection, connections
from django.test import AsyncClient

from tests.workflows.conftest import ask, hold_above
from workflows.actions.services import withdraw_action
from workflows.routing import long_poll_paths

pytestmark = pytest.mark.usefixtures("hints")


def matches(target: str) -> bool:
    return any(pattern.match(target) for pattern in long_poll_paths)


def test_only_a_read_that_wants_to_wait_leaves_the_worker_pools() -> None:
    action = "/api/v1/actions/01a202d2-ca24-7694-a714-79b840343742"
    assert matches(f"{action}?wait=20")
    assert matches(f"{action}?x=1&wait=20")
    for other in (action, f"{action}?", f"{action}?wait=", f"{action}?nowait=2", f"{action}/withdraw?wait=2"):
        assert not matches(other), other
    assert not matches("/api/v1/actions?wait=2")


@pytest.mark.usefixtures("live_db")
def test_a_waiter_hears_of_the_end_at_once_and_holds_no_connection(clerk: Any, bob: Any) -> None:
    hold_above(10_000)
    held = ask(clerk, minor=20_000)
    client = AsyncClient()
    client.force_login(clerk.user)
    path = f"/api/v1/actions/{held.pk}"
    others = (
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )

    def count() -> int:
        with connection.cursor() as cursor:
            cursor.execute(others)
            return int(cursor.fetchone()[0])

    def withdraw() -> None:
        withdraw_action(actor=clerk.user.as_actor(), action_id=held.pk, reason="no longer needed")
        connections.close_all()

    async def story() -> tuple[Any, float, int]:
        waiting = asyncio.create_task(client.get(f"{path}?wait=20"))
        await asyncio.sleep(1.0)
        open_meanwhile = await sync_to_async(count)()
        began = time.monotonic()
        await sync_to_async(withdraw)()
        response = await waiting
        return response, time.monotonic() - began, open_meanwhile

    connections.close_all()
    response, seconds, open_meanwhile = asyncio.run(story())
    assert (response.status_code, response.json()["state"]) == (200, "withdrawn")
    assert seconds < 5
    assert open_meanwhile == 0


@pytest.mark.usefixtures("live_db")
def test_a_wait_ends_when_its_time_is_over(clerk: Any, bob: Any) -> None:
    hold_above(10_000)
    held = ask(clerk, minor=20_000)
    client = AsyncClient()
    client.force_login(clerk.user)
    began = time.monotonic()
    response = asyncio.run(client.get(f"/api/v1/actions/{held.pk}?wait=1"))
    assert (response.status_code, response.json()["state"]) == (200, "held")
    assert 1 <= time.monotonic() - began < 10
