"""Wake agents that wait for work. A wake-up is a hint; whoever waits claims again."""

from __future__ import annotations

import logging
from functools import cache
from uuid import UUID

import redis
from django.conf import settings

from audit.broadcast import channel_named

logger = logging.getLogger(__name__)


def channel_of(role_id: UUID | str) -> str:
    """Return the Redis channel that tells when there may be work for the agents of a role."""
    return channel_named(f"work:{role_id}")


def channel_of_task(task_id: UUID | str) -> str:
    """Return the Redis channel that tells when a question of a task was answered."""
    return channel_named(f"task:{task_id}")


def tell_answered(task_id: UUID | str) -> None:
    """Publish that a question of a task is closed; call it after the commit. Losing it only costs time."""
    try:
        _client().publish(channel_of_task(task_id), "1")
    except redis.RedisError:
        logger.warning("Whoever holds task %s could not be told that there is an answer.", task_id)


def tell_work(role_id: UUID | str) -> None:
    """Publish that a task may be taken; call it after the commit. Losing it only costs a waiter time."""
    try:
        _client().publish(channel_of(role_id), "1")
    except redis.RedisError:
        logger.warning("The agents of role %s could not be told that there is work.", role_id)


@cache
def _client() -> redis.Redis:
    return redis.Redis.from_url(settings.REDIS_URL, socket_timeout=1, socket_connect_timeout=1)
