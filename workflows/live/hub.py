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
from workflows.live.person import SIGNED_OUT, TRY_AGAIN, Person, Question
from workflows.live.pool import THREADS, Pool
from workflows.live.waiting import end_all

logger = logging.getLogger(__name__)

READ_AT_ONCE = 250
# So many of the newest events are kept at hand as text; a page that is further behind reads them by itself.
KEPT = 4_000
LOOK_SECONDS = 2.0
DEAF_LOOK_SECONDS = 0.5
AGAIN_SECONDS = 1.0
# What happens within it goes in one frame: each frame costs every page the same, however much is in it.
READ_EVERY_SECONDS = 0.05
WATCH_SECONDS = 1.0
# A page that is left for another comes back at once: what listens stays for so long.
LINGER_SECONDS = 5.0


class Hub:
    """Everybody who looks, in one event loop."""

    def __init__(self) -> None:
        self.people: dict[Any, Person] = {}
        self.pool = Pool()
        # What takes long is asked one after the other: a thread for rights, and one for what waits, so that
        # nobody's first row waits for somebody else's counts.
        self.slow, self.counting = Pool(1), Pool(1)
        self.texts: dict[int, dict[str, str]] = {}
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

    async def join(
        self, session: str | None, *, with_rows: bool, language: str = "", after: int | None = None
    ) -> Outbox | int:
        """Return what a new socket is to be sent, or the code by which it is to be closed.

        ``language``: what its browser asks for, for whoever chose none. ``after``: where its page stands.
        """
        self._sockets += 1
        if self._leaving is not None:
            self._leaving.cancel()
        if self._ready is None or (self._ready.done() and self._ready.exception()):
            self._ready = asyncio.create_task(self._begin())
        user = await self.pool.run(looks.signed_in, session)
        await asyncio.shield(self._ready)
        if user is None or session is None:
            return SIGNED_OUT
        outbox = Outbox(session, with_rows, after if with_rows else None)
        person = self.people.get(user.pk)
        if person is None:
            person = self.people[user.pk] = Person(self, user.pk)
            self._start(self._tended(person))
        person.language = user.language or language or settings.LANGUAGE_CODE
        person.add(outbox)
        self.rung.set()
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
        await self.slow.end()
        await self.counting.end()

    def _left(self) -> None:
        if not self._sockets:
            _ending.add(task := asyncio.ensure_future(self.end()))
            task.add_done_callback(_ending.discard)

    async def _begin(self) -> None:
        self.position = self.oldest = await self.pool.run(looks.newest)
        self._start(self._listen())
        self._start(self._read())
        self._start(self._watch())

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
                outbox.close(TRY_AGAIN)

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
        """Read what happened, once for all, and tell it to everybody who may see it."""
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
            is_behind = await self._tell_people()
            await asyncio.sleep(READ_EVERY_SECONDS)
            if len(told) < READ_AT_ONCE and not is_behind:
                with contextlib.suppress(TimeoutError):
                    patience = DEAF_LOOK_SECONDS if self.is_deaf else LOOK_SECONDS
                    await asyncio.wait_for(self.rung.wait(), patience)

    async def _tell_people(self) -> bool:
        """Read for everybody who is behind; say whether somebody is still."""
        asked = [(person, asks) for person in self.people.values() if (asks := person.question())]
        parts = [asked[first::THREADS] for first in range(THREADS)]
        await asyncio.gather(*(self._tell(part) for part in parts if part))
        is_late = await self._tell_late()
        for person in self.people.values():
            person.tell_position()
            if self.stirred_at > person.stirred_at:
                person.woken.set()
        return is_late or any(asks.upto < self.position for _, asks in asked)

    async def _tell_late(self) -> bool:
        """Read for pages that are behind their person; say whether one is still."""
        asked = [(person, *late) for person in self.people.values() for late in person.late_questions()]
        if asked:
            try:
                seen = await self.pool.run(looks.seen_by, [(it.sight, it.after, it.upto) for _, _, it in asked])
            except Exception:
                logger.exception("What some pages missed could not be read: they come again.")
                for _, outbox, _ in asked:
                    outbox.close(TRY_AGAIN)
                return False
            for (person, outbox, asks), positions in zip(asked, seen, strict=True):
                person.take_late(outbox, asks, positions)
        return any(one.behind is not None for person in self.people.values() for one in person.outboxes)

    async def _tell(self, asked: list[tuple[Person, Question]]) -> None:
        try:
            seen = await self.pool.run(
                looks.seen_by, [(asks.sight, asks.after, asks.upto) for _, asks in asked]
            )
        except Exception:
            logger.exception("The live stream could not be read for some people: they come again.")
            for person, _ in asked:
                person.close(TRY_AGAIN)
            return
        for (person, asks), positions in zip(asked, seen, strict=True):
            person.take(asks, positions)

    async def _watch(self) -> None:
        """See whether somebody's rights or sessions have changed: for all of them at once."""
        while True:
            await asyncio.sleep(WATCH_SECONDS)
            asked = {key: person.sessions() for key, person in self.people.items()}
            try:
                marks = await self.pool.run(looks.marks_of, asked) if asked else {}
            except Exception:
                logger.exception("The rights of those who look could not be asked: they come again.")
                for person in list(self.people.values()):
                    person.close(TRY_AGAIN)
                continue
            for key, sessions in asked.items():
                if key in self.people:
                    self.people[key].marked(sessions, *marks.get(key, ("", set())))

    def _keep(self, told: list[looks.Told]) -> None:
        for one in told:
            self._kept.append(one.position)
            if one.texts:
                self.texts[one.position] = one.texts
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
