"""The exporter: a process of its own that sends checkpoints and events out. It never sees the signing key.

One thread a place: what hangs or fails delays no other. How far each got is in the database, so that a new
process goes on there.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable
from typing import Protocol

from django.db import DatabaseError, InterfaceError, connection

from audit import broadcast
from audit.egress.addresses import Address
from audit.egress.failures import NotTaken
from audit.services import outlets
from audit.services.sequencing import LOCK_ROOM
from audit.services.streams import newest

logger = logging.getLogger(__name__)

LOCK_EXPORT = 11
# Looking costs one tiny query: soon after something came, then ever more rarely. A told position wakes it.
SHORTEST_WAIT_SECONDS = 0.25
LONGEST_WAIT_SECONDS = 2.0
LONGEST_DEAF_WAIT_SECONDS = 1.0
STANDBY_WAIT_SECONDS = 2.0
# After a failure: doubled each time.
RETRY_SECONDS = (1.0, 30.0)
# What has not come back for so long is stuck, and events not sealed for so long wait for a key.
STUCK_SECONDS = 45.0
UNSEALED_SECONDS = 30.0
# What is under way when it is ended gets so long; it is sent again by the next process if it was cut off.
END_SECONDS = 2.0
ENDED = "Its thread ended, and the log of the exporter says why. Restart the exporter."
UNSEALED = (
    "Events wait to be sealed, and only what is sealed is sent. Look into the log of the sequencer: its key"
    " (LEDGER_KEY_FILE) is missing, or it refuses to sign."
)

RESTORED = (
    "The ledger had {most} sealed events while this process ran, and has {sealed} now: the database was"
    " restored to an older state. Nothing is sent until it has more again, or the exporter is restarted."
)


class Place(Protocol):
    """A sink or a stream."""

    address: Address

    def goal(self, sealed: int, numbered: int) -> int:
        """Return how far it can get now."""

    @property
    def waits_for_seals(self) -> bool:
        """Say whether events that are not sealed keep it waiting."""

    def first(self) -> int:
        """Return where one begins that is new."""

    def advance(self, reached: int, goal: int) -> int:
        """Send something of what is beyond ``reached``; return how far it got. Raise NotTaken."""


class Worker(threading.Thread):
    """Sends to one place until it has everything, and waits for more."""

    def __init__(self, place: Place, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__(name=place.address.name, daemon=True)
        self.place = place
        self.busy_since: float | None = None
        self._clock = clock
        self._reached: int | None = None
        self._goal = 0
        self._next_at = 0.0
        self._pause = RETRY_SECONDS[0]
        self._stopping = False
        self._changed = threading.Condition()

    def offer(self, goal: int) -> None:
        """Say up to where there is something to send."""
        with self._changed:
            self._goal = goal
            self._changed.notify_all()

    def stop(self) -> None:
        """Begin nothing new."""
        with self._changed:
            self._stopping = True
            self._changed.notify_all()

    def run(self) -> None:
        """Work until ``stop`` is called."""
        try:
            while self._await_turn():
                self._turn()
        finally:
            connection.close()

    def _await_turn(self) -> bool:
        with self._changed:
            while not self._stopping:
                due = self._due_in()
                if due is not None and due <= 0:
                    return True
                self._changed.wait(due)
        return False

    def _due_in(self) -> float | None:
        if self._reached is not None and self._goal <= self._reached:
            return None
        return self._next_at - self._clock()

    def _turn(self) -> None:
        """Send once. The database's own failures are not the place's; they are only waited out."""
        began = self.busy_since = self._clock()
        try:
            if self._reached is None:
                self._reached = outlets.begin(self.name, self.place.address.kind, self.place.first())
            elif self._attempt(self._reached):
                self._pause, self._next_at = RETRY_SECONDS[0], began + self.place.address.every
            else:
                self._retry_later()
        except (DatabaseError, InterfaceError) as error:
            logger.warning("%s waits for the database: %s", self.name, str(error).strip().splitlines()[:1])
            connection.close()
            self._retry_later()
        finally:
            self.busy_since = None

    def _attempt(self, reached: int) -> bool:
        """Send something, and say whether it was taken."""
        try:
            reached = self.place.advance(reached, self._goal)
        except (DatabaseError, InterfaceError):
            raise
        except NotTaken as refusal:
            outlets.failed(self.name, str(refusal))
            return False
        except Exception:
            # Whatever it was, the other places go on, and this one is tried again.
            logger.exception("%s failed in a way that nobody foresaw.", self.name)
            outlets.failed(
                self.name, "It failed in a way that nobody foresaw; the log of the exporter says more."
            )
            return False
        outlets.succeeded(self.name, reached)
        self._reached = reached
        return True

    def _retry_later(self) -> None:
        self._next_at = self._clock() + self._pause
        self._pause = min(self._pause * 2, RETRY_SECONDS[1])


class Exporter:
    """Sends until told to stop; lives through restarts of PostgreSQL and Valkey. One works, others stand by."""

    def __init__(self, places: Iterable[Place], *, longest_wait: float = LONGEST_WAIT_SECONDS) -> None:
        self.workers = [Worker(place) for place in places]
        self.longest_wait = longest_wait
        self.stopping = False
        self._is_active = False
        self._wait = SHORTEST_WAIT_SECONDS
        self._seen = (-1, -1)
        self._most_sealed = 0
        self._unsealed_since: float | None = None
        self._bell = broadcast.Doorbell(broadcast.POSITIONS)

    def stop(self) -> None:
        """End what is under way, if it ends soon, and return from ``run``."""
        self.stopping = True

    def run(self) -> None:
        """Work until ``stop`` is called."""
        try:
            while not self.stopping:
                try:
                    self._step()
                except (DatabaseError, InterfaceError) as error:
                    logger.warning(
                        "PostgreSQL is away (%s); trying again.", str(error).strip().splitlines()[:1]
                    )
                    self._is_active = False
                    connection.close()
                    time.sleep(LONGEST_DEAF_WAIT_SECONDS)
        finally:
            for worker in self.workers:
                worker.stop()
            until = time.monotonic() + END_SECONDS
            for worker in self.workers:
                if worker.is_alive():
                    worker.join(max(0.0, until - time.monotonic()))
            self._bell.close()
            connection.close()

    def _step(self) -> None:
        if not self._is_active and not self._become_active():
            time.sleep(STANDBY_WAIT_SECONDS)
            return
        seen = newest()
        if seen != self._seen:
            self._seen, self._wait = seen, SHORTEST_WAIT_SECONDS
            self._offer(*seen)
        self._notice_restored(seen[0])
        self._notice_stuck()
        self._notice_unsealed(*seen)
        longest = min(self.longest_wait, LONGEST_DEAF_WAIT_SECONDS) if self._bell.is_deaf else self.longest_wait
        if self._bell.wait(self._wait):
            # The seal comes a moment after the number that was told.
            self._wait = SHORTEST_WAIT_SECONDS
            time.sleep(SHORTEST_WAIT_SECONDS)
        else:
            self._wait = min(self._wait * 2, longest)

    def _become_active(self) -> bool:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_try_advisory_lock(%s, %s)", [LOCK_ROOM, LOCK_EXPORT])
            self._is_active = bool(cursor.fetchone()[0])
        if self._is_active:
            outlets.retire([worker.name for worker in self.workers])
            self._seen = (-1, -1)
            for worker in self.workers:
                if worker.ident is None:
                    worker.start()
        return self._is_active

    def _offer(self, sealed: int, numbered: int) -> None:
        for worker in self.workers:
            worker.offer(worker.place.goal(sealed, numbered))

    def _notice_stuck(self) -> None:
        for worker in self.workers:
            since = worker.busy_since
            if worker.ident is not None and not worker.is_alive():
                outlets.failed(worker.name, ENDED)
            elif since is not None and time.monotonic() - since > STUCK_SECONDS:
                outlets.failed(worker.name, f"It has not come back for {STUCK_SECONDS:.0f} s.")

    def _notice_restored(self, sealed: int) -> None:
        self._most_sealed = max(self._most_sealed, sealed)
        if sealed < self._most_sealed:
            for worker in self.workers:
                outlets.failed(worker.name, RESTORED.format(most=self._most_sealed, sealed=sealed))

    def _notice_unsealed(self, sealed: int, numbered: int) -> None:
        if sealed >= numbered:
            self._unsealed_since = None
            return
        now = time.monotonic()
        self._unsealed_since = self._unsealed_since or now
        if now - self._unsealed_since > UNSEALED_SECONDS:
            for worker in self.workers:
                if worker.place.waits_for_seals:
                    outlets.failed(worker.name, UNSEALED)
