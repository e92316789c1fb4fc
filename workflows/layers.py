"""The channel layer of the live sockets, whose reading ends when it is told to.

Python 3.11's ``asyncio.wait_for``, by which the client sends every command, swallows a cancellation that comes
in the moment in which the command has been sent (https://github.com/python/cpython/issues/86296, mended in
3.12). Channels cancels once and waits: a page that closed its socket in that moment left a reader behind in
the portal, for ever. So what has to end is cancelled until it has ended.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any

from channels_redis.core import RedisChannelLayer

AGAIN_SECONDS = 0.02


async def end_all(jobs: Iterable[asyncio.Future[Any]]) -> None:
    """Cancel these until every one of them has ended; what they raise meanwhile is theirs to report."""
    left = {job for job in jobs if not job.done()}
    while left:
        for job in left:
            job.cancel()
        _, left = await asyncio.wait(left, timeout=AGAIN_SECONDS)


class LiveLayer(RedisChannelLayer):
    """Redis as ever; but whoever stops waiting for a message has stopped."""

    async def receive(self, channel: str) -> dict[str, Any]:
        """Return the next message of a channel. Cancelled, it ends at once and keeps nothing for it."""
        reading = asyncio.ensure_future(super().receive(channel))
        try:
            message: dict[str, Any] = await asyncio.shield(reading)
        except asyncio.CancelledError:
            await end_all([reading])
            self.receive_buffer.pop(channel, None)
            raise
        return message
