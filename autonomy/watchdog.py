"""A worker that no longer takes what waits for it ends itself, and whoever looks after it starts another.

After a broken connection to Redis a consumer may live on and take nothing any more (celery#8030, #8091).
Nothing says so, but that messages wait and none was taken for longer than any job may last.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

logger = logging.getLogger(__name__)

LOOK_SECONDS = 10.0


@dataclass
class Watchdog:
    """Looks every few seconds whether messages wait and nobody has taken one for ``patience`` seconds.

    ``waiting`` returns how many wait; it may raise when the broker is away, and then nobody is to blame.
    ``patience`` is longer than the time limit of a job: a pool that is busy takes nothing either.
    """

    waiting: Callable[[], int]
    patience: float
    clock: Callable[[], float] = time.monotonic
    _taken_at: float = field(default=0.0)

    def __post_init__(self) -> None:
        self._taken_at = self.clock()

    def taken(self) -> None:
        """Note that a message was taken."""
        self._taken_at = self.clock()

    def is_stuck(self) -> bool:
        """Say whether something waits that should have been taken long ago."""
        try:
            waits = self.waiting() > 0
        except Exception:  # noqa: BLE001 - whatever it is: without a broker there is nothing to take
            waits = False
        if not waits:
            self.taken()
        return self.clock() - self._taken_at > self.patience

    def start(self) -> None:
        """Look from a thread of its own, and end this process when it is stuck."""
        threading.Thread(target=self._watch, name="watchdog", daemon=True).start()

    def _watch(self) -> None:
        while not self.is_stuck():
            time.sleep(LOOK_SECONDS)
        logger.critical("Messages wait and this worker took none for %.0f s: it ends itself.", self.patience)
        os._exit(1)
