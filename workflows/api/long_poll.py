"""Wait for an action without holding a thread or a database connection."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import redis.asyncio as redis
from asgiref.sync import sync_to_async
from django.conf import settings
from django.db import connections
from django.http import HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt
from redis.exceptions import RedisError

from workflows.actions.broadcast import channel_of
from workflows.api.actions import MOST_WAIT, ActionDetail

Heard = Callable[[float], Awaitable[None]]
POLL_SECONDS = 2.0
_ask = ActionDetail.as_view()


@csrf_exempt
async def action_detail(request: HttpRequest, action_id: Any) -> HttpResponse:
    """Read an action; with ``?wait=N`` answer when it is final, at the latest after N seconds.

    Each look asks the whole question again, so that a token or a right withdrawn meanwhile ends the wait. A
    wake-up over Redis is a hint; without Redis it polls.
    """
    seconds = _seconds(request.GET.get("wait", ""))
    if not seconds or request.method != "GET":
        return await sync_to_async(_look)(request, action_id)
    deadline = asyncio.get_running_loop().time() + seconds
    async with _bell(action_id) as heard:
        while True:
            response = await sync_to_async(_look_and_let_go)(request, action_id)
            left = deadline - asyncio.get_running_loop().time()
            if left <= 0 or response.status_code != 200 or response.data["is_final"]:
                return response
            await heard(min(left, POLL_SECONDS))


# What drf-spectacular and the permission matrix read from a view.
action_detail.cls = ActionDetail  # type: ignore[attr-defined]
action_detail.initkwargs = {}  # type: ignore[attr-defined]


def _seconds(text: str) -> int:
    return min(int(text), MOST_WAIT) if text.isascii() and text.isdigit() and len(text) < 6 else 0


def _look(request: HttpRequest, action_id: Any) -> Any:
    return _ask(request, action_id=action_id).render()


def _look_and_let_go(request: HttpRequest, action_id: Any) -> Any:
    """Look once and give the database connection back: a waiter holds none."""
    try:
        return _look(request, action_id)
    finally:
        if not connections["default"].in_atomic_block:
            connections.close_all()


@contextlib.asynccontextmanager
async def _bell(action_id: Any) -> AsyncIterator[Heard]:
    """Yield a coroutine function that returns when the action changed or the given seconds are over."""
    async with (
        redis.Redis.from_url(settings.REDIS_URL, socket_connect_timeout=1) as client,
        client.pubsub() as bell,
    ):

        async def heard(seconds: float) -> None:
            try:
                await bell.get_message(ignore_subscribe_messages=True, timeout=seconds)
            except RedisError:
                await asyncio.sleep(seconds)

        with contextlib.suppress(RedisError):
            await bell.subscribe(channel_of(action_id))
        yield heard
