"""The live socket: what is new for one page of one signed-in person. Nothing can be done over it."""

from __future__ import annotations

import asyncio
import contextlib
import re
from typing import Any

from channels.generic.websocket import AsyncWebsocketConsumer
from django.http import HttpRequest
from django.utils.translation import get_language_from_request

from workflows.live.hub import Hub, hub_of_process
from workflows.live.outbox import Outbox
from workflows.live.person import TRY_AGAIN
from workflows.live.waiting import end_all

ONLY_LISTENS = 4400
# The page may go away at any moment; there is nobody left to tell then.
GONE = (RuntimeError, OSError)
# A page with a feed says so in the address: it is brought rows, those after a position first if it names one.
# The others are told that there is news.
WITH_ROWS = re.compile(rb"rows=1(?:&after=(\d{1,18}))?")


class LiveConsumer(AsyncWebsocketConsumer):
    """One page's socket: passes on what the reader of this process has for its person."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.hub: Hub | None = None
        self.outbox: Outbox | None = None
        self.telling: asyncio.Task[None] | None = None

    async def connect(self) -> None:
        # Accepted first: a page can read the code of a closed socket, not the reason of a refused one.
        await self.accept()
        self.telling = asyncio.create_task(self.tell())

    async def disconnect(self, code: int) -> None:
        if self.telling is not None:
            await end_all([self.telling])
        if self.hub is not None:
            await self.hub.leave(self.outbox)

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None, **more: Any) -> None:
        """Nothing is ever said to the portal over this socket."""
        await self.close(code=ONLY_LISTENS)

    async def tell(self) -> None:
        """Send what there is to send until the stream is over."""
        with contextlib.suppress(*GONE):
            try:
                await self.send_all()
            except Exception:
                await self.close(code=TRY_AGAIN)
                raise

    async def send_all(self) -> None:
        self.hub = hub_of_process()
        asked = WITH_ROWS.fullmatch(self.scope.get("query_string", b""))
        after = int(asked[1]) if asked and asked[1] else None
        key, language = self.scope["session"].session_key, _language(self.scope)
        joined = await self.hub.join(key, with_rows=asked is not None, language=language, after=after)
        if isinstance(joined, int):
            await self.close(code=joined)
            return
        self.outbox = joined
        while True:
            said = await joined.next()
            if isinstance(said, int):
                await self.close(code=said)
                return
            await self.send(text_data=said)


def _language(scope: dict[str, Any]) -> str:
    """Return the language that the browser of a socket asks for."""
    request = HttpRequest()
    headers = dict(scope.get("headers", []))
    request.META["HTTP_ACCEPT_LANGUAGE"] = headers.get(b"accept-language", b"").decode("latin-1")
    return get_language_from_request(request)
