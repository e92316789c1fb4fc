"""News over Valkey or Redis: hints that may be lost. The ledger never waits for them and never depends on them.

Two directions. The writer rings the sequencer's doorbell after its commit, so that positions come within
milliseconds without anybody polling fast. The sequencer announces the newest position to whoever shows things
live; a reader then reads what it missed from the ledger.

A server's numbered databases keep keys apart, not channels: whoever listens hears what is published under any
number. The names of our channels therefore carry the number, and two installations on one server hear only
themselves.
"""

from __future__ import annotations

import logging
import time
from functools import lru_cache
from typing import Any

import redis
from django.conf import settings
from redis.backoff import NoBackoff
from redis.connection import parse_url
from redis.retry import Retry

logger = logging.getLogger(__name__)

DOORBELL = "doorbell"
POSITIONS = "positions"

# A writer's process rings no more often than this; the sequencer looks again by itself after every batch.
RING_EVERY_SECONDS = 0.02
# After a failure nobody tries again for this long, so that a dead Valkey costs a writer next to nothing.
REST_AFTER_FAILURE_SECONDS = 2.0


def channel_named(name: str) -> str:
    """Return the channel of a name on this installation: ``aos:<number of the database>:<name>``."""
    return f"aos:{_number_in(settings.REDIS_URL)}:{name}"


@lru_cache(maxsize=8)
def _number_in(address: str) -> int:
    # The client's own reading: of redis, rediss and unix addresses, in the path or as ?db=, 0 if none is given.
    return int(parse_url(address).get("db", 0))


@lru_cache(maxsize=1)
def _client() -> redis.Redis:
    # No retries: a hint that fails is worth less than the time to send it again.
    return redis.Redis.from_url(
        settings.REDIS_URL, socket_connect_timeout=0.3, socket_timeout=0.5, retry=Retry(NoBackoff(), 0)
    )


class _Spacing:
    """Says whether a hint is due now; not thread-exact on purpose, one hint too many does no harm."""

    def __init__(self, every: float) -> None:
        self.every = every
        self.next_at = 0.0

    def is_due(self) -> bool:
        now = time.monotonic()
        if now < self.next_at:
            return False
        self.next_at = now + self.every
        return True

    def rest(self) -> None:
        self.next_at = time.monotonic() + REST_AFTER_FAILURE_SECONDS


_rings = _Spacing(RING_EVERY_SECONDS)


def ring_doorbell() -> None:
    """Wake the sequencer, at most once every 20 ms per process. Never raises."""
    if not _rings.is_due():
        return
    try:
        _client().publish(channel_named(DOORBELL), b"1")
    except (redis.RedisError, OSError):
        _rings.rest()
        logger.debug("The sequencer's doorbell could not be rung.", exc_info=True)


def publish_position(position: int) -> None:
    """Publish the newest position on the channel ``aos:<number>:positions`` (plain publish and subscribe)."""
    _client().publish(channel_named(POSITIONS), str(position))


class Doorbell:
    """The listening end of a channel. While Valkey is away it is deaf, and waiting is plain sleeping."""

    def __init__(self, channel: str = DOORBELL) -> None:
        self._channel = channel
        self._listener: Any = None
        self._next_try = 0.0

    @property
    def is_deaf(self) -> bool:
        """Say whether rings cannot be heard at the moment."""
        return self._listener is None

    def wait(self, seconds: float) -> bool:
        """Wait until somebody rings or ``seconds`` have passed; return whether somebody rang."""
        until = time.monotonic() + seconds
        try:
            if self._listen():
                return bool(self._listener.get_message(ignore_subscribe_messages=True, timeout=seconds))
        except (redis.RedisError, OSError, ValueError):
            self.close()
        time.sleep(max(0.0, until - time.monotonic()))
        return False

    def close(self) -> None:
        """Stop listening; the next wait connects again, not sooner than two seconds from now."""
        listener, self._listener = self._listener, None
        self._next_try = time.monotonic() + REST_AFTER_FAILURE_SECONDS
        if listener is not None:
            listener.close()

    def _listen(self) -> bool:
        if self._listener is None and time.monotonic() >= self._next_try:
            listener = _client().pubsub()
            listener.subscribe(channel_named(self._channel))
            self._listener = listener
        return self._listener is not None
