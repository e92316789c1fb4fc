"""How long somebody may take to send or fetch a file: a thread waits for each of them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

# Messages of ASGI; uvicorn and a2wsgi each have types of their own for them.
Receive = Callable[[], Awaitable[Any]]
Send = Callable[[Any], Awaitable[None]]
FILE_SECONDS = 300.0


def within(seconds: float, receive: Receive, send: Send) -> tuple[Receive, Send]:
    """Return ``receive`` and ``send`` of one request that are over after so many seconds.

    Past that the body has ended, which its reader finds too short, and what is sent is dropped, so that the
    thread that serves the request comes free whatever the other side does.
    """
    deadline = asyncio.get_running_loop().time() + seconds
    over = False

    async def receive_in_time() -> Any:
        try:
            async with asyncio.timeout_at(deadline):
                return await receive()
        except TimeoutError:
            return {"type": "http.disconnect"}

    async def send_in_time(message: Any) -> None:
        nonlocal over
        if over:
            return
        try:
            async with asyncio.timeout_at(deadline):
                await send(message)
        except TimeoutError:
            over = True

    return receive_in_time, send_in_time
