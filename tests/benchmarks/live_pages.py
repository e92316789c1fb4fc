"""Pages that follow the ledger, as the browser does: a socket, and an ordinary request for what was missed."""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import time
from collections import Counter
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import httpx
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

PAGES_OF_A_SESSION = 5


@lru_cache(maxsize=512)
def _read(text: str | bytes) -> dict[str, Any]:
    """Read a frame; the same one comes to every page of a person."""
    found: dict[str, Any] = json.loads(text)
    return found


@dataclass
class Page:
    """One page of one person: which rows it has, when each came first, and what came twice over one socket."""

    user: str
    cookie: str
    position: int
    seen: dict[int, float] = field(default_factory=dict)
    doubled: int = 0
    drops: int = 0
    asked: int = 0
    is_open: asyncio.Event = field(default_factory=asyncio.Event)
    drop: asyncio.Event = field(default_factory=asyncio.Event)

    async def follow(self, address: str, http: httpx.AsyncClient) -> None:
        """Keep a socket open and the rows whole, until cancelled."""
        url = f"{address.replace('http', 'ws', 1)}/ws/live/?rows=1&after="
        headers = {"Cookie": self.cookie, "Origin": address}
        while True:
            with contextlib.suppress(ConnectionClosed, OSError, httpx.HTTPError):
                async with connect(
                    f"{url}{self.position}", additional_headers=headers, proxy=None, max_size=None
                ) as socket:
                    await self._listen(socket, http)
            self.is_open.clear()
            await asyncio.sleep(0.25 + random.random() / 4)

    async def _listen(self, socket: Any, http: httpx.AsyncClient) -> None:
        over_this: Counter[int] = Counter()
        dropping = asyncio.create_task(self._dropped(socket))
        try:
            async for text in socket:
                at, frame = time.time(), _read(text)
                if frame["kind"] != "news":
                    continue
                self.is_open.set()
                rows = frame.get("rows")
                if rows is None or frame["after"] > self.position:
                    await self._fill(frame["upto"] if rows is None else frame["after"], http)
                for row in rows or ():
                    over_this[row["position"]] += 1
                    self.doubled += over_this[row["position"]] == 2
                    self.seen.setdefault(row["position"], at)
                self.position = max(self.position, frame["upto"])
        finally:
            dropping.cancel()

    async def _dropped(self, socket: Any) -> None:
        """Lose the connection when told to, without a word, as a network does."""
        await self.drop.wait()
        self.drop.clear()
        self.drops += 1
        socket.transport.abort()

    async def _fill(self, upto: int, http: httpx.AsyncClient) -> None:
        while self.position < upto:
            answer = await http.get(
                "/activity/rows/", params={"after": self.position}, headers={"Cookie": self.cookie}
            )
            answer.raise_for_status()
            found = answer.json()
            self.asked += 1
            for row in found["rows"]:
                self.seen.setdefault(row["position"], time.time())
            self.position = max(self.position, found["upto"])


async def opened(pages: list[Page], address: str, http: httpx.AsyncClient) -> list[asyncio.Task[None]]:
    """Open all pages, a few at a time; return when each was told where the ledger stands."""
    jobs = []
    for number, page in enumerate(pages):
        jobs.append(asyncio.create_task(page.follow(address, http)))
        if number % 10 == 9:
            await asyncio.sleep(0.1)
    for page in pages:
        await asyncio.wait_for(page.is_open.wait(), 120)
    return jobs


async def settled(pages: list[Page], upto: int, patience: float) -> float:
    """Wait until every page is whole up to a position; return the seconds it took."""
    began = time.monotonic()
    while any(page.position < upto for page in pages):
        if time.monotonic() - began > patience:
            break
        await asyncio.sleep(0.05)
    return time.monotonic() - began
