"""Wake who waits for an action. A wake-up is a hint; the waiter reads the row again."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from functools import cache
from uuid import UUID

import redis
from django.conf import settings

from audit.broadcast import channel_named

logger = logging.getLogger(__name__)


def channel_of(action_id: UUID | str) -> str:
    """Return the Redis channel that tells when an action changed."""
    return channel_named(f"action:{action_id}")


def tell_changed(action_id: UUID | str, state: str) -> None:
    """Publish that an action changed; call it after the commit. Losing it only costs a waiter time."""
    tell_all_changed([(action_id, state)])


def tell_all_changed(changed: Sequence[tuple[UUID | str, str]]) -> None:
    """Publish the same of several actions, in one go."""
    try:
        with _client().pipeline(transaction=False) as server:
            for action_id, state in changed:
                server.publish(channel_of(action_id), state)
            server.execute()
    except redis.RedisError:
        logger.warning("Nobody could be told what became of %s actions.", len(changed))


@cache
def _client() -> redis.Redis:
    return redis.Redis.from_url(settings.REDIS_URL, socket_timeout=1, socket_connect_timeout=1)
