"""The heartbeat of the portal process: it begins and ends with the server (ASGI lifespan)."""

from __future__ import annotations

import asyncio
from typing import Any

from agents.models import EnforcementPoint
from agents.services.heartbeat import Heartbeat
from autonomy.memory import settle


async def lifespan(scope: Any, receive: Any, send: Any) -> None:
    """Settle before the first request; beat from the start of the server to its end."""
    heart = Heartbeat(EnforcementPoint.Kind.PORTAL)
    while True:
        message = await receive()
        if message["type"] == "lifespan.startup":
            settle()
            heart.start()
            await send({"type": "lifespan.startup.complete"})
        else:
            await asyncio.to_thread(heart.stop)
            await send({"type": "lifespan.shutdown.complete"})
            return
