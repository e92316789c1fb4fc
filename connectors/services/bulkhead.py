"""A slow system fills its own small pool and nothing else: no web thread, no other system, no stop."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from django.db import connections

from audit.vocabulary import Refusal, RefusalKind
from connectors.models import System

Result = TypeVar("Result")
WAITING_PER_RUNNING = 2


class Bulkhead:
    """At most ``size`` calls at once in this process, and twice as many waiting; more is refused at once."""

    def __init__(self, code: str, size: int) -> None:
        self.size = size
        self._code = code
        self._places = threading.BoundedSemaphore(size * (1 + WAITING_PER_RUNNING))
        self._pool = ThreadPoolExecutor(max_workers=size, thread_name_prefix=f"system-{code}")

    def submit(self, work: Callable[[], Result]) -> Future[Result]:
        """Run ``work`` in the pool, or raise Refusal ``system_busy`` without waiting."""
        if not self._places.acquire(blocking=False):
            raise Refusal(
                "system_busy",
                f"{self._code} already has as many calls waiting as it may. It stays queued for the workers.",
                kind=RefusalKind.UNAVAILABLE,
                next_step="Wait; the portal tries again by itself.",
            )
        try:
            future = self._pool.submit(_without_connections, work)
        except BaseException:
            self._places.release()
            raise
        future.add_done_callback(lambda _: self._places.release())
        return future

    def retire(self) -> None:
        """Take no more work; what runs, ends."""
        self._pool.shutdown(wait=False)


_bulkheads: dict[str, Bulkhead] = {}
_guard = threading.Lock()


def run_bounded(system: System, fn: Callable[[], Result]) -> Future[Result]:
    """Run ``fn`` in the bounded pool of a system; ``max_concurrent`` counts per process.

    Raises Refusal ``system_busy`` (UNAVAILABLE) when the pool and its queue are full: answer 202 and leave it
    to the workers. ``fn`` runs in another thread with database connections of its own, closed when it ends.
    """
    return _bulkhead_of(system).submit(fn)


def _bulkhead_of(system: System) -> Bulkhead:
    key = str(system.pk)
    with _guard:
        found = _bulkheads.get(key)
        if found is None or found.size != system.max_concurrent:
            if found:
                found.retire()
            found = _bulkheads[key] = Bulkhead(system.code, system.max_concurrent)
        return found


def _without_connections(work: Callable[[], Result]) -> Result:
    try:
        return work()
    finally:
        for connection in connections.all(initialized_only=True):
            with contextlib.suppress(Exception):
                connection.close()


def _forget_after_fork() -> None:
    global _guard
    _guard = threading.Lock()
    _bulkheads.clear()  # threads do not survive a fork


os.register_at_fork(after_in_child=_forget_after_fork)
