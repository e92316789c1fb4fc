"""The sequencer: one process that numbers events as they are committed, tells of it, and seals them."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from django.db import DatabaseError, InterfaceError, OperationalError, connection, transaction

from audit import broadcast, registry, selectors
from audit.services.sealing import Sealer
from audit.services.sealing_turns import Sealing
from audit.services.sequencing import LOCK_PROCESS, LOCK_ROOM, sequence_pending

logger = logging.getLogger(__name__)

ANNOUNCE_EVERY_SECONDS = 0.1
# Asking an idle database costs one tiny query, from 50 ms after the last event to once in two seconds. Whoever
# writes an event rings, so that only a ring that was lost waits for it.
SHORTEST_WAIT_SECONDS = 0.05
LONGEST_WAIT_SECONDS = 2.0
LONGEST_DEAF_WAIT_SECONDS = 0.25
# After a batch, what comes in this time is numbered together: each by itself would cost a transaction.
GATHER_SECONDS = 0.015
STANDBY_WAIT_SECONDS = 0.5
RECONNECT_SECONDS = (0.1, 2.0)
# Payloads of a month to come find its partition there long before: it is looked after daily.
PARTITIONS_SECONDS = 24 * 3600.0
PARTITIONS_AGAIN_SECONDS = 3600.0


class Announcer:
    """Tells positions at a bearable rate: the first at once, then the newest every ``every`` seconds."""

    def __init__(
        self,
        tell: Callable[[int], None],
        *,
        every: float = ANNOUNCE_EVERY_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._tell = tell
        self._every = every
        self._clock = clock
        self._next_at = 0.0
        self._untold: int | None = None

    def offer(self, position: int) -> None:
        """Note a newer position, and tell it if the last telling is long enough ago."""
        self._untold = position
        self.flush()

    def flush(self) -> None:
        """Tell the newest position if there is one to tell and its time has come."""
        if self._untold is None or self._clock() < self._next_at:
            return
        position, self._untold = self._untold, None
        self._tell(position)
        self._next_at = self._clock() + self._every

    def due_in(self) -> float | None:
        """Return the seconds until something has to be told, None when nothing waits."""
        return None if self._untold is None else max(0.0, self._next_at - self._clock())


class Sequencer:
    """Numbers events until told to stop. It survives the loss of PostgreSQL and of Valkey.

    A session-level advisory lock lets one process work while others stand by. It ends with its connection, so a
    killed sequencer is replaced within about half a second; two that both believe they hold it are still kept
    apart by the lock inside each batch.
    """

    def __init__(
        self, *, batch: int = 1000, longest_wait: float = LONGEST_WAIT_SECONDS, sealer: Sealer | None = None
    ) -> None:
        self.batch = batch
        self._sealing = Sealing(sealer)
        self.longest_wait = longest_wait
        self.stopping = False
        self._is_active = False
        self._wait = SHORTEST_WAIT_SECONDS
        self._reconnect = RECONNECT_SECONDS[0]
        self._doorbell = broadcast.Doorbell()
        self._announcer = Announcer(registry.tell_sequenced)
        self._partitions_at = 0.0

    def stop(self) -> None:
        """Finish the batch at hand and return from ``run``."""
        self.stopping = True

    def run(self) -> None:
        """Work until ``stop`` is called."""
        try:
            while not self.stopping:
                try:
                    self._step()
                    self._reconnect = RECONNECT_SECONDS[0]
                except (OperationalError, InterfaceError) as error:
                    self._lose_connection(error)
        finally:
            self._doorbell.close()
            connection.close()

    def _step(self) -> None:
        if not self._is_active and not self._become_active():
            time.sleep(STANDBY_WAIT_SECONDS)
            return
        if time.monotonic() >= self._partitions_at:
            self._make_partitions()
        if (count := self._number()) > 0:
            self._announcer.offer(selectors.newest_position())
            self._sealing.expect()
            self._sealing.take_turn()
            self._wait = SHORTEST_WAIT_SECONDS
            if count < self.batch:
                time.sleep(GATHER_SECONDS)
            return
        self._announcer.flush()
        self._sealing.take_turn()
        due = _earlier(self._announcer.due_in(), self._sealing.due_in())
        rang = self._doorbell.wait(self._wait if due is None else min(due, self._wait))
        longest = (
            min(self.longest_wait, LONGEST_DEAF_WAIT_SECONDS) if self._doorbell.is_deaf else self.longest_wait
        )
        self._wait = SHORTEST_WAIT_SECONDS if rang else min(self._wait * 2, longest)

    def _become_active(self) -> bool:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_try_advisory_lock(%s, %s)", [LOCK_ROOM, LOCK_PROCESS])
            self._is_active = bool(cursor.fetchone()[0])
        if self._is_active:
            logger.info("Numbering events.")
            self._partitions_at = 0.0
            self._sealing.begin()
            # The one before may have been killed between its commit and its announcement.
            if position := selectors.newest_position():
                self._announcer.offer(position)
        return self._is_active

    def _number(self) -> int:
        return sequence_pending(limit=self.batch) if selectors.anything_pending() else 0

    def _make_partitions(self) -> None:
        """See that the payloads of the months to come have their place; it never keeps a writer waiting."""
        self._partitions_at = time.monotonic() + PARTITIONS_SECONDS
        try:
            with transaction.atomic(), connection.cursor() as cursor:
                cursor.execute("SET LOCAL lock_timeout = '500ms'")
                cursor.execute("SELECT audit_make_partitions(now())")
        except DatabaseError as error:
            if not connection.is_usable():
                raise
            self._partitions_at = time.monotonic() + PARTITIONS_AGAIN_SECONDS
            logger.warning("The partitions of the next months are not made yet: %s", error)

    def _lose_connection(self, error: Exception) -> None:
        logger.warning("PostgreSQL is away (%s); trying again.", str(error).strip().splitlines()[:1])
        self._is_active = False
        self._sealing.forget()
        connection.close()
        time.sleep(self._reconnect)
        self._reconnect = min(self._reconnect * 2, RECONNECT_SECONDS[1])


def _earlier(one: float | None, other: float | None) -> float | None:
    return min((given for given in (one, other) if given is not None), default=None)
