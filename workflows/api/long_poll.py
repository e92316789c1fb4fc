"""Wait for an action without holding a thread or a database connection.

Every look is a whole request of its own through the ordinary pool, so that a token or a right withdrawn
meanwhile ends the wait; between two looks there is nothing but a coroutine that listens.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any
from urllib.parse import parse_qs

import redis.asyncio as redis
from django.conf import settings
from redis.exceptions import RedisError

from workflows.actions.broadcast import channel_of
from workflows.api.actions import MOST_WAIT

Message = dict[str, Any]
Heard = Callable[[float], Awaitable[None]]
POLL_SECONDS = 2.0
_ACTION = re.compile(r"/api/v1/actions/([0-9a-fA-F-]{36})")


async def wait_for_action(app: Any, scope: Any, receive: Any, send: Any) -> None:
    """Answer ``GET /api/v1/actions/{id}?wait=N`` through ``app`` when it is final, at most N seconds later.

    Anything but an action that is still open is answered as it comes. A wake-up over Redis is a hint; without
    Redis it looks every other second.
    """
    seconds, action = _wanted(scope)
    if not seconds or scope["method"] != "GET" or action is None:
        await app(scope, receive, send)
        return
    deadline = asyncio.get_running_loop().time() + seconds
    gone = asyncio.create_task(_disconnected(receive))
    try:
        async with _bell(action) as heard:
            answer = await _look(app, scope)
            while _is_open(answer) and not gone.done():
                left = deadline - asyncio.get_running_loop().time()
                if left <= 0:
                    break
                await heard(min(left, POLL_SECONDS))
                answer = await _look(app, scope)
    finally:
        gone.cancel()
    for message in answer:
        await send(message)


def _wanted(scope: Any) -> tuple[int, str | None]:
    asked = parse_qs(scope["query_string"].decode("latin-1")).get("wait", [""])[-1]
    found = _ACTION.match(scope["path"])
    seconds = int(asked) if asked.isascii() and asked.isdigit() and len(asked) < 6 else 0
    return min(seconds, MOST_WAIT), found[1] if found else None


async def _look(app: Any, scope: Any) -> list[Message]:
    """Make one whole request and return the messages of its answer."""
    answer: list[Message] = []

    async def nothing_more() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def keep(message: Message) -> None:
        answer.append(message)

    await app({**scope}, nothing_more, keep)
    return answer


def _is_open(answer: list[Message]) -> bool:
    status = next((message["status"] for message in answer if message["type"] == "http.response.start"), 500)
    body = b"".join(message.get("body", b"") for message in answer if message["type"] == "http.response.body")
    return bool(status == 200 and json.loads(body).get("is_final") is False)


async def _disconnected(receive: Any) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


@contextlib.asynccontextmanager
async def _bell(action_id: str) -> AsyncIterator[Heard]:
    """Yield a coroutine function that returns when the action changed or the given seconds are over."""
    address = settings.REDIS_URL
    async with redis.Redis.from_url(address, socket_connect_timeout=1) as client, client.pubsub() as bell:

        async def heard(seconds: float) -> None:
            try:
                await bell.get_message(ignore_subscribe_messages=True, timeout=seconds)
            except (RedisError, RuntimeError):
                await asyncio.sleep(seconds)

        with contextlib.suppress(RedisError):
            await bell.subscribe(channel_of(action_id.lower()))
        yield heard
