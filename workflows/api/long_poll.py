"""Wait for an action or for work without holding a thread or a database connection.

Every look is a whole request of its own through the ordinary pool, so that a token or a right withdrawn
meanwhile ends the wait; between two looks there is nothing but a coroutine that listens.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs

import redis.asyncio as redis
from django.conf import settings
from redis.exceptions import RedisError

from workflows.actions.broadcast import channel_of
from workflows.api.actions import MOST_WAIT
from workflows.api.tasks import WAKE_HEADER
from workflows.tasks.broadcast import channel_of_task

Message = dict[str, Any]
Heard = Callable[[float], Awaitable[None]]
POLL_SECONDS = 2.0
MOST_BODY = 64 * 1024
_ACTION = re.compile(r"/api/v1/actions/([0-9a-fA-F-]{36})/?$")
_APPEAL = re.compile(r"/api/v1/actions/([0-9a-fA-F-]{36})/appeal/?$")
_TASK = re.compile(r"/api/v1/tasks/([0-9a-fA-F-]{36})/?$")
_CLAIM = re.compile(r"/api/v1/tasks/claim/?$")
_WAKE = WAKE_HEADER.lower().encode()


@dataclass(frozen=True)
class Wait:
    """How many seconds to wait, which answer is not one yet, and the channel that tells of news, if known."""

    seconds: int
    is_open: Callable[[dict[str, Any]], bool]
    channel: str = ""


async def wait_for_answer(app: Any, scope: Any, receive: Any, send: Any) -> None:
    """Answer a request that wants to wait through ``app`` when there is something to say, or its time is over.

    ``GET /api/v1/actions/{id}?wait=N`` waits for the end of the action, ``.../appeal?wait=N`` for what people
    say, ``GET /api/v1/tasks/{id}?wait=N`` for the answers to the questions of a task, ``POST
    /api/v1/tasks/claim?wait=N`` for work. Anything else is answered as it comes. A wake-up over Redis is a
    hint; without Redis it looks every other second.
    """
    wait = _wanted(scope)
    if wait is None:
        await app(scope, receive, send)
        return
    body, is_whole = await _read(receive)
    if not is_whole:
        await app(scope, _again(body, receive), send)
        return
    deadline = asyncio.get_running_loop().time() + wait.seconds
    gone = asyncio.create_task(_disconnected(receive))
    try:
        answer = await _answer(app, scope, body, wait, deadline, gone)
    finally:
        gone.cancel()
    for message in answer:
        await send(message)


async def _answer(
    app: Any, scope: Any, body: list[Message], wait: Wait, deadline: float, gone: asyncio.Task[None]
) -> list[Message]:
    """Look, and look again at every sign of news, until there is an answer or nobody waits any more."""
    answer: list[Message] = []
    if not wait.channel:
        # The first answer tells whose work it is; what came before the bell hung is found by looking again.
        answer, channel = _taken_out(await _look(app, scope, body))
        if not _is_open(answer, wait) or not channel:
            return answer
        wait = Wait(wait.seconds, wait.is_open, channel)
    async with _bell(wait.channel) as heard:
        while not gone.done():
            answer, _ = _taken_out(await _look(app, scope, body))
            left = deadline - asyncio.get_running_loop().time()
            if left <= 0 or not _is_open(answer, wait):
                break
            await heard(min(left, POLL_SECONDS))
    return answer


def _wanted(scope: Any) -> Wait | None:
    asked = parse_qs(scope["query_string"].decode("latin-1")).get("wait", [""])[-1]
    seconds = min(int(asked), MOST_WAIT) if asked.isascii() and asked.isdigit() and len(asked) < 6 else 0
    if not seconds:
        return None
    if scope["method"] == "GET" and (action := _ACTION.match(scope["path"])):
        return Wait(seconds, lambda told: told.get("is_final") is False, channel_of(action[1].lower()))
    if scope["method"] == "GET" and (contested := _APPEAL.match(scope["path"])):
        return Wait(seconds, lambda told: told.get("is_open") is True, channel_of(contested[1].lower()))
    if scope["method"] == "GET" and (task := _TASK.match(scope["path"])):
        return Wait(seconds, _is_asking, channel_of_task(task[1].lower()))
    if scope["method"] == "POST" and _CLAIM.match(scope["path"]):
        return Wait(seconds, lambda told: told.get("tasks") == [])
    return None


def _is_asking(told: dict[str, Any]) -> bool:
    """Say whether whoever holds a task still waits for an answer."""
    states = {question.get("state") for question in told.get("answers", ())}
    return told.get("state") == "claimed" and bool(states & {"open", "claimed"})


async def _read(receive: Any) -> tuple[list[Message], bool]:
    """Read a body that is as small as those of waiting requests are; say whether that was all of it."""
    messages: list[Message] = []
    size = 0
    while size <= MOST_BODY:
        message = await receive()
        messages.append(message)
        size += len(message.get("body", b""))
        if message["type"] != "http.request" or not message.get("more_body", False):
            return messages, message["type"] == "http.request"
    return messages, False


def _again(messages: list[Message], then: Any) -> Any:
    """Return a ``receive`` that gives messages that were read already, and then goes on with another."""
    left = iter(messages)

    async def receive() -> Message:
        for message in left:
            return message
        return await then()

    return receive


async def _nothing_more() -> Message:
    return {"type": "http.request", "body": b"", "more_body": False}


async def _look(app: Any, scope: Any, body: list[Message]) -> list[Message]:
    """Make one whole request and return the messages of its answer."""
    answer: list[Message] = []

    async def keep(message: Message) -> None:
        answer.append(message)

    await app({**scope}, _again(body, _nothing_more), keep)
    return answer


def _is_open(answer: list[Message], wait: Wait) -> bool:
    status = next((message["status"] for message in answer if message["type"] == "http.response.start"), 500)
    body = b"".join(message.get("body", b"") for message in answer if message["type"] == "http.response.body")
    return bool(status == 200 and wait.is_open(json.loads(body)))


def _taken_out(answer: list[Message]) -> tuple[list[Message], str]:
    """Return an answer without the channel it names, and that channel."""
    channel, cleaned = "", []
    for message in answer:
        if message["type"] == "http.response.start":
            kept = [header for header in message["headers"] if header[0].lower() != _WAKE]
            channel = next(
                (value.decode("latin-1") for name, value in message["headers"] if name.lower() == _WAKE), ""
            )
            message = {**message, "headers": kept}
        cleaned.append(message)
    return cleaned, channel


async def _disconnected(receive: Any) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


@contextlib.asynccontextmanager
async def _bell(channel: str) -> AsyncIterator[Heard]:
    """Yield a coroutine function that returns when there is news on a channel or the given seconds are over."""
    address = settings.REDIS_URL
    async with redis.Redis.from_url(address, socket_connect_timeout=1) as client, client.pubsub() as bell:

        async def heard(seconds: float) -> None:
            try:
                await bell.get_message(ignore_subscribe_messages=True, timeout=seconds)
            except (RedisError, RuntimeError):
                await asyncio.sleep(seconds)

        with contextlib.suppress(RedisError):
            await bell.subscribe(channel)
        yield heard
