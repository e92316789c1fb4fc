from __future__ import annotations

import asyncio
import time
from typing import Any

import httpx
import pytest
from django.db import connections
from django.test import Client

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


@pytest.fixture
def reader(live_db: Any, clerk: Any) -> Any:
    """Return a function that reads a path through the front door, signed in as the agent."""
    from autonomy import asgi

    signed_in = Client()
    signed_in.force_login(clerk.user)
    cookies = {name: morsel.value for name, morsel in signed_in.cookies.items()}

    async def read(path: str) -> httpx.Response:
        transport = httpx.ASGITransport(app=asgi.http)
        async with httpx.AsyncClient(transport=transport, base_url="http://testserver") as client:
            return await client.get(path, cookies=cookies, timeout=60)

    return read


def test_a_waiter_hears_of_the_end_at_once(reader: Any, clerk: Any, bob: Any) -> None:
    hold_above(10_000)
    held = ask(clerk, minor=20_000)

    def withdraw() -> None:
        withdraw_action(actor=clerk.user.as_actor(), action_id=held.pk, reason="no longer needed")
        connections.close_all()

    async def story() -> tuple[Any, float]:
        waiting = asyncio.create_task(reader(f"/api/v1/actions/{held.pk}?wait=30"))
        await asyncio.sleep(1.5)
        assert not waiting.done()
        began = time.monotonic()
        await asyncio.to_thread(withdraw)
        response = await waiting
        return response, time.monotonic() - began

    response, seconds = asyncio.run(story())
    assert (response.status_code, response.json()["state"]) == (200, "withdrawn")
    assert seconds < 15


def test_more_waiters_than_threads_leave_the_pool_free(reader: Any, clerk: Any, bob: Any) -> None:
    hold_above(10_000)
    held = ask(clerk, minor=20_000)

    async def story() -> tuple[list[Any], Any]:
        waiting = [asyncio.create_task(reader(f"/api/v1/actions/{held.pk}?wait=4")) for _ in range(40)]
        await asyncio.sleep(1)
        other = await reader("/api/v1/operations")
        assert not all(task.done() for task in waiting)
        return list(await asyncio.gather(*waiting)), other

    answers, other = asyncio.run(story())
    assert other.status_code == 200
    assert {(answer.status_code, answer.json()["state"]) for answer in answers} == {(200, "held")}


@pytest.mark.usefixtures("bob")
def test_a_wait_is_refused_like_any_read(reader: Any, clerk: Any) -> None:
    response = asyncio.run(reader("/api/v1/actions/01a202d2-ca24-7694-a714-79b840343742?wait=5"))
    assert response.status_code == 404
