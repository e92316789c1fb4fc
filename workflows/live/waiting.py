"""Ending what runs, for certain.

Python 3.11's ``asyncio.wait_for``, by which a client of Valkey sends every command, swallows a cancellation
that comes in the moment in which the command has been sent (https://github.com/python/cpython/issues/86296,
mended in 3.12). So what has to end is cancelled until it has ended.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any

AGAIN_SECONDS = 0.02


async def end_all(jobs: Iterable[asyncio.Future[Any]]) -> None:
    """Cancel these until every one of them has ended; what they raise meanwhile is theirs to report."""
    left = {job for job in jobs if not job.done()}
    while left:
        for job in left:
            job.cancel()
        _, left = await asyncio.wait(left, timeout=AGAIN_SECONDS)
