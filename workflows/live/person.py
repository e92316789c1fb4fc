"""One person who looks, at however many pages: asked for once, told to each."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from typing import TYPE_CHECKING, Any

from workflows.live import looks
from workflows.live.outbox import Outbox, news

if TYPE_CHECKING:
    from workflows.live.hub import Hub

logger = logging.getLogger(__name__)

SIGNED_OUT = 4401
RIGHTS_CHANGED = 4403
TRY_AGAIN = 1013

# How old the rights may be by which something new is read, and how often they are asked while nothing is.
RIGHTS_SECONDS = 1.5
CHECK_SECONDS = 3.0
READ_EVERY_SECONDS = 0.1
# How far the ledger has come is told to those who see nothing of it, and to pages without a feed, this often.
POSITION_EVERY_SECONDS = 1.0
COUNTS_EVERY_SECONDS = 1.0
# Time alone changes a little of what waits, and leaves its events elsewhere: then it is counted this often.
COUNTS_ANYWAY_SECONDS = 10.0
MOST_AT_ONCE = 250


class Person:
    """Reads for one person what is new, with their rights of that moment, and tells it to their sockets."""

    def __init__(self, hub: Hub, user_id: Any) -> None:
        self.hub, self.user_id = hub, user_id
        self.outboxes: set[Outbox] = set()
        self.standing: looks.Standing | None = None
        self.woken = asyncio.Event()
        # Up to where it is read; since where by rights that may have grown meanwhile; what was told since then.
        self.position = self.since = hub.position
        self.told: set[int] = set()
        self.told_upto = self.position
        self.counts = ""
        self.stirred_at = -1
        self.asked_at = self.read_at = self.counted_at = self.placed_at = -COUNTS_ANYWAY_SECONDS

    def add(self, outbox: Outbox) -> None:
        """Tell a new page from where on it is told, and what waits."""
        self.outboxes.add(outbox)
        outbox.put(news(self.told_upto, self.told_upto, []), self.told_upto)
        if self.counts:
            outbox.put(self.counts)
        self.woken.set()

    def close(self, code: int, sessions: frozenset[str] | None = None) -> None:
        """End the streams, or those of some sessions."""
        for outbox in list(self.outboxes):
            if sessions is None or outbox.session in sessions:
                outbox.close(code)
                self.outboxes.discard(outbox)

    async def tend(self) -> None:
        """Go on as long as there are pages. Whose rights cannot be asked any more is told to come again."""
        try:
            while self.outboxes:
                await self._turn()
                self.woken.clear()
                if self.outboxes and not self._is_behind():
                    with contextlib.suppress(TimeoutError):
                        await asyncio.wait_for(self.woken.wait(), self._patience())
        except Exception:
            logger.exception("The live stream of one person ended.")
            self.close(TRY_AGAIN)

    async def _turn(self) -> None:
        now = time.monotonic()
        if now - self.asked_at >= (RIGHTS_SECONDS if self._is_behind() else CHECK_SECONDS):
            await self._ask_rights()
        if self.outboxes and self._is_behind():
            await asyncio.sleep(max(0.0, self.read_at + READ_EVERY_SECONDS - time.monotonic()))
            self.read_at = time.monotonic()
            await self._read()
        if self.outboxes and self._counts_are_due():
            await self._count()
        self._tell_position()

    def _is_behind(self) -> bool:
        return self.position < self.hub.position

    def _patience(self) -> float:
        """Return how long nothing has to be done unless something happens."""
        dues = [self.asked_at + CHECK_SECONDS]
        if self.told_upto < self.position or any(box.told_upto < self.position for box in self.outboxes):
            dues.append(self.placed_at + POSITION_EVERY_SECONDS)
        if self.hub.stirred_at > self.stirred_at:
            dues.append(self.counted_at + COUNTS_EVERY_SECONDS)
        return max(0.01, min(dues) - time.monotonic())

    async def _ask_rights(self) -> None:
        self.asked_at = time.monotonic()
        before, asked_upto = self.standing, self.position
        sessions = frozenset(outbox.session for outbox in self.outboxes)
        now = await self.hub.pool.run(looks.standing_of, self.user_id, sessions)
        if now is None:
            self.close(SIGNED_OUT, sessions)
            return
        self.close(SIGNED_OUT, sessions - now.sessions)
        if before is not None and before.granted - now.granted:
            self.close(RIGHTS_CHANGED)
            return
        self.standing = now
        if before is None or before.rights != now.rights:
            self.counted_at = -COUNTS_ANYWAY_SECONDS
        if before is not None and before.sight != now.sight:
            # What they may see since a moment ago was perhaps read past: it is read again, and told once.
            self.position = max(self.since, self.hub.oldest)
        else:
            self.told = {position for position in self.told if position > asked_upto}
        self.since = asked_upto

    async def _read(self) -> None:
        standing = self.standing
        after, upto = self.position, min(self.hub.position, self.position + MOST_AT_ONCE)
        if standing is None or standing.sight is None:
            self.position = self.hub.position
            return
        if after < self.hub.oldest:
            self.position = self.hub.position
            self._tell(self.position, None)
            return
        seen = await self.hub.pool.run(standing.sight.positions, after, upto)
        fresh = [position for position in seen if position not in self.told]
        self.told.update(fresh)
        self.position = upto
        texts = [text for position in fresh if (text := self.hub.texts.get(position, ""))]
        if texts:
            self._tell(upto, texts, after=min(after, self.told_upto))

    def _tell(self, upto: int, texts: list[str] | None, *, after: int | None = None) -> None:
        """Tell rows to the pages that show them."""
        frame = news(self.told_upto if after is None else after, upto, texts)
        self.told_upto = max(self.told_upto, upto)
        for outbox in self.outboxes:
            if outbox.with_rows:
                outbox.put(frame, self.told_upto)

    def _tell_position(self) -> None:
        """Tell how far the ledger has come to whoever was not told rows up to there."""
        now = time.monotonic()
        if now - self.placed_at < POSITION_EVERY_SECONDS:
            return
        self.placed_at = now
        for outbox in self.outboxes:
            if outbox.told_upto < self.position:
                outbox.put(news(outbox.told_upto, self.position, [], with_rows=outbox.with_rows), self.position)
        self.told_upto = max(self.told_upto, self.position)

    def _counts_are_due(self) -> bool:
        since = time.monotonic() - self.counted_at
        if not self.counts or self.hub.stirred_at > self.stirred_at:
            return since >= COUNTS_EVERY_SECONDS
        return since >= COUNTS_ANYWAY_SECONDS

    async def _count(self) -> None:
        self.counted_at, self.stirred_at = time.monotonic(), self.hub.stirred_at
        if self.standing is None:
            return
        counts = await self.hub.pool.run(looks.counts_frame, self.standing.user)
        if counts != self.counts:
            self.counts = counts
            for outbox in self.outboxes:
                outbox.put(counts)
