"""What a page asks about its reader several times, asked once: a look changes nothing of it."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, TypeVar

T = TypeVar("T")

_kept: ContextVar[dict[Hashable, Any] | None] = ContextVar("once", default=None)


@contextmanager
def one_look() -> Iterator[None]:
    """Let ``once`` keep answers inside. For what changes no rights and no groups: a look at a page."""
    before = _kept.get()
    _kept.set({})
    try:
        yield
    finally:
        # Not by a token: the way out of a view may go through another context than the way in.
        _kept.set(before)


def once(key: Hashable, ask: Callable[[], T]) -> T:
    """Return what was answered to ``key`` in this look, or ask. Outside of a look it is asked each time.

    key: names the question and what it is about. The answer is shared: nobody changes it.
    """
    kept = _kept.get()
    if kept is None:
        return ask()
    if key not in kept:
        kept[key] = ask()
    found: T = kept[key]
    return found
