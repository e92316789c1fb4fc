"""The one reader of a process: hears how far the ledger has come, reads what happened once, wakes the people.

However many sockets there are, it costs one subscription, one read of what is new, and for each person one
small question whose it is, in a bounded number of threads. A hint that is lost costs two seconds at most.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import deque
from typing import Any

import redis.asyncio as redis
from django.conf import settings
from redis.exceptions import RedisError

from audit.broadcast import POSITIONS, channel_named
from workflows.live import looks
from workflows.live.outbox import Outbox
from workflows.live.person import SIGNED_OUT, Person
from workflows.live.pool import Pool
from workflows.live.waiting import end_all

logger = logging.getLogger(__name__)

READ_AT_ONCE = 250
# So many of the newest events are kept at hand as text; a page that is further behind reads them by itself.
KEPT = 4_000
LOOK_SECONDS = 2.0
DEAF_LOOK_SECONDS = 0.5
AGAIN_SECONDS = 1.0
READ_EVERY_SECONDS = 0.02
# A page that is left for another comes back at once: what listens stays for so long.
LINGER_SECONDS = 5.0


class Hub:
    """Everybody who looks, in one event loop."""

    def __init__(self) -> None:
        self.people: dict[Any, Person] = {}
        self.pool = Pool()
        self.texts: dict[int, str] = {}
        self.position = self.oldest = 0
        # The newest position by which what waits for somebody may have changed.
        self.stirred_at = 0
        self.rung = asyncio.Event()
        self.is_deaf = True
        self._kept: deque[int] = deque()
        self._jobs: set[asyncio.Task[None]] = set()
        self._ready: asyncio.Task[None] | None = None
        self._sockets = 0
        self._leaving: asyncio.TimerHandle | None = None

    async def join(self, session: str | None, *, with_rows: bool) -> Outbox | int:
        """Return what a new socket is to be sent, or the code by which it is to be closed."""
        self._sockets += 1
        if self._leaving is not None:
            self._leaving.cancel()
        if self._ready is None:
            self._ready = asyncio.create_task(self._begin())
        user = await self.pool.run(looks.signed_in, session)
        await asyncio.shield(self._ready)
        if user is None or session is None:
            return SIGNED_OUT
        outbox = Outbox(session, with_rows)
        person = self.people.get(user.pk)
        if person is None:
            person = self.people[user.pk] = Person(self, user.pk)
            self._start(self._tended(person))
        person.add(outbox)
        return outbox

    async def leave(self, outbox: Outbox | None) -> None:
        """Forget a socket; when none is left, stop listening after a while."""
        self._sockets -= 1
        for person in self.people.values():
            if outbox in person.outboxes:
                person.outboxes.discard(outbox)
                person.woken.set()
        if not self._sockets and LINGER_SECONDS:
            self._leaving = asyncio.get_running_loop().call_later(LINGER_SECONDS, self._left)
        elif not self._sockets:
            await self.end()

    async def end(self) -> None:
        """Stop everything; what the threads opened is closed."""
        if _hubs.get(asyncio.get_running_loop()) is self:
            del _hubs[asyncio.get_running_loop()]
        await end_all([*self._jobs, *([self._ready] if self._ready else [])])
        await self.pool.end()

    def _left(self) -> None:
        if not self._sockets:
            _ending.add(task := asyncio.ensure_future(self.end()))
            task.add_done_callback(_ending.discard)

    async def _begin(self) -> None:
        self.position = self.oldest = await self.pool.run(looks.newest)
        self._start(self._listen())
        self._start(self._read())

    def _start(self, work: Any) -> None:
        job = asyncio.create_task(work)
        self._jobs.add(job)
        job.add_done_callback(self._jobs.discard)

    async def _tended(self, person: Person) -> None:
        await person.tend()
        # Who came back in the moment in which the last page left is tended anew.
        if self.people.get(person.user_id) is person:
            del self.people[person.user_id]
            for outbox in person.outboxes:
                outbox.close(1013)

    async def _listen(self) -> None:
        """Hear the sequencer tell a position. While Valkey is away, the ledger is looked at more often."""
        while True:
            with contextlib.suppress(RedisError, OSError, RuntimeError):
                address = settings.REDIS_URL
                async with redis.Redis.from_url(address, socket_connect_timeout=1) as it, it.pubsub() as bell:
                    await bell.subscribe(channel_named(POSITIONS))
                    self.is_deaf = False
                    while True:
                        if await bell.get_message(ignore_subscribe_messages=True, timeout=30.0):
                            self.rung.set()
            self.is_deaf = True
            self.rung.set()
            await asyncio.sleep(AGAIN_SECONDS)

    async def _read(self) -> None:
        """Read what happened, once for all; wake everybody when there is something."""
        while True:
            self.rung.clear()
            try:
                told = await self.pool.run(looks.told_after, self.position, READ_AT_ONCE)
            except Exception:
                logger.exception("The live stream could not read the ledger; it tries again.")
                await asyncio.sleep(AGAIN_SECONDS)
                continue
            if told:
                self._keep(told)
                for person in self.people.values():
                    person.woken.set()
            if len(told) == READ_AT_ONCE:
                continue
            await asyncio.sleep(READ_EVERY_SECONDS)
            with contextlib.suppress(TimeoutError):
                patience = DEAF_LOOK_SECONDS if self.is_deaf else LOOK_SECONDS
                await asyncio.wait_for(self.rung.wait(), patience)

    def _keep(self, told: list[looks.Told]) -> None:
        for one in told:
            self._kept.append(one.position)
            if one.text:
                self.texts[one.position] = one.text
            if one.stirs:
                self.stirred_at = one.position
        self.position = told[-1].position
        while len(self._kept) > KEPT:
            self.oldest = self._kept.popleft()
            self.texts.pop(self.oldest, None)


_hubs: dict[asyncio.AbstractEventLoop, Hub] = {}
_ending: set[asyncio.Future[None]] = set()


def hub_of_process() -> Hub:
    """Return the one hub of this event loop."""
    loop = asyncio.get_running_loop()
    if loop not in _hubs:
        _hubs[loop] = Hub()
    return _hubs[loop]
