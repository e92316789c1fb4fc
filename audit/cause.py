"""What one request, one job or one command causes has one id: ``correlation_id`` of its events."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from uuid_utils import uuid7

_present: ContextVar[str] = ContextVar("cause", default="")


def present_cause() -> str:
    """Return the id of what is going on here; '' where nothing said that it begins."""
    return _present.get()


def begin_cause(identifier: str = "") -> str:
    """Say that something begins here that other things follow from; return what was going on before.

    identifier: its id, if it has one already. Pair it with ``end_cause``.
    """
    before = _present.get()
    _present.set(identifier or str(uuid7()))
    return before


def end_cause(before: str = "") -> None:
    """Say that it is over, and what goes on again."""
    _present.set(before)


@contextmanager
def one_cause(identifier: str = "") -> Iterator[None]:
    """Let everything that is recorded inside carry one id, unless it carries another of its own."""
    before = begin_cause(identifier)
    try:
        yield
    finally:
        # Not by a token: the way out of a view may go through another context than the way in.
        end_cause(before)
