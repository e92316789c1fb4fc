"""The few threads in which the live stream looks into the database, however many sockets there are."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from django.db import DEFAULT_DB_ALIAS, close_old_connections, connections

T = TypeVar("T")
THREADS = 4


class Pool:
    """A bounded number of looks at a time; the connections are its own and end with it."""

    def __init__(self, threads: int = THREADS) -> None:
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="live")
        self._opened: dict[int, Any] = {}

    async def run(self, look: Callable[..., T], *given: Any) -> T:
        """Take a look in a thread; the others go on meanwhile."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, self._look, look, *given)

    async def end(self) -> None:
        """Wait for the looks under way and close what they used."""
        await asyncio.get_running_loop().run_in_executor(None, self._end)

    def _look(self, look: Callable[..., T], *given: Any) -> T:
        close_old_connections()
        self._opened[threading.get_ident()] = connections[DEFAULT_DB_ALIAS]
        try:
            return look(*given)
        finally:
            close_old_connections()

    def _end(self) -> None:
        self._threads.shutdown(wait=True, cancel_futures=True)
        for opened in self._opened.values():
            opened.inc_thread_sharing()
            opened.close()
