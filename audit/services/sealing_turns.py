"""When the sealer has its turn, and what is told of how it goes. What stops sealing never stops numbering."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from django.db import DatabaseError, Error, IntegrityError, connection
from django.utils import timezone

from audit import notes
from audit.models import Outlet
from audit.seals import SEALER
from audit.services.outside import StillLooking
from audit.services.sealing import Forked, Sealer
from audit.services.stored_tree import sealed_size

logger = logging.getLogger(__name__)

# Numbering comes first: what is sealed at once is little, and a checkpoint not more often than this.
SEAL_EVERY_SECONDS = 0.25
SEAL_AT_ONCE = 1024
# After a refusal (a fork, a missing key, a full disk) it is tried again this often; nobody has to restart it.
SEAL_AGAIN_SECONDS = 10.0
LOOK_AGAIN_SECONDS = 0.1
# That all is well is written down this often while there is something to seal.
TELL_EVERY_SECONDS = 10.0

NO_KEY = (
    "No signing key is given: LEDGER_KEY_FILE is not set where the sequencer runs. Make a key with"
    " manage.py ledger_key new, and start the sequencer with LEDGER_KEY_FILE."
)


class Sealing:
    """Gives the sealer its turn soon after events were numbered, and not after each of them."""

    def __init__(self, sealer: Sealer | None, clock: Callable[[], float] = time.monotonic) -> None:
        self._sealer = sealer
        self._clock = clock
        self._is_expected = False
        self._next_at = 0.0
        self._refusal = ""
        self._tell_at = 0.0

    def begin(self) -> None:
        """This process is the one that works now: look at what is there."""
        self.forget()
        self._next_at = self._tell_at = 0.0
        self.expect()
        if self._sealer is None:
            self._tell(NO_KEY)

    def forget(self) -> None:
        """The connection was lost: before it goes on, the tree is read and compared with what was signed."""
        if self._sealer is not None:
            self._sealer.forget()

    def expect(self) -> None:
        """There is something to seal."""
        self._is_expected = self._sealer is not None

    def due_in(self) -> float | None:
        """Return the seconds until the next turn, None when there is nothing to seal."""
        return max(0.0, self._next_at - self._clock()) if self._is_expected else None

    def take_turn(self) -> None:
        """Seal a batch if it is time. What stops it is said once, and looked at again later."""
        if self._sealer is None or not self._is_expected or self._clock() < self._next_at:
            return
        began = self._clock()
        try:
            count = self._sealer.seal(SEAL_AT_ONCE)
        except StillLooking:
            self._next_at = self._clock() + LOOK_AGAIN_SECONDS
        except IntegrityError:
            # Another sealer was quicker. What it sealed is read before the next.
            self._next_at = began + SEAL_EVERY_SECONDS
        except Exception as error:
            if isinstance(error, Error) and not connection.is_usable():
                raise
            self._stop(error)
        else:
            self._go_on(count, began)

    def _go_on(self, count: int, began: float) -> None:
        self._is_expected = count > 0
        self._next_at = began if count == SEAL_AT_ONCE else began + SEAL_EVERY_SECONDS
        if self._refusal:
            logger.warning("The ledger is sealed again.")
        if self._refusal or (count and began >= self._tell_at) or not self._tell_at:
            self._tell("")
            self._tell_at = began + TELL_EVERY_SECONDS
        self._refusal = ""

    def _stop(self, error: Exception) -> None:
        said = _words(error)
        self._next_at = self._clock() + SEAL_AGAIN_SECONDS
        if said == self._refusal:
            return
        self._refusal = said
        is_foreseen = isinstance(error, Forked | notes.UnusableKey | OSError | DatabaseError)
        logger.error("THE LEDGER IS NOT SEALED ANY MORE. %s", said, exc_info=not is_foreseen)
        self._tell(said)

    def _tell(self, problem: str) -> None:
        """Write down for the page of the seals how sealing goes, if the database takes it."""
        try:
            tell_outlet(problem)
        except DatabaseError as error:
            if not connection.is_usable():
                raise
            logger.warning("How sealing goes could not be written down: %s", error)


def tell_outlet(problem: str) -> None:
    """Keep in the row of the sealer how it goes: nothing wrong, or what, and since when."""
    row, _ = Outlet.objects.get_or_create(name=SEALER, defaults={"kind": SEALER})
    row.reached = sealed_size()
    row.last_error = problem[:500]
    if problem:
        row.failing_since = row.failing_since or timezone.now()
    else:
        row.failing_since, row.last_ok_at = None, timezone.now()
    row.save()


def _words(error: Exception) -> str:
    if isinstance(error, Forked | notes.UnusableKey):
        return str(error)
    if isinstance(error, OSError):
        return f"What was signed last could not be written down beside the key: {error.strerror or error}."
    said = str(error).strip().splitlines()[:1]
    return f"Sealing failed: {type(error).__name__}: {' '.join(said)}"
