"""Where higher rooms say who else may read which documents."""

from __future__ import annotations

from collections.abc import Callable

from django.db.models import Q

from agents.models import User

Readers = Callable[[User], Q | None]
_readers: list[Readers] = []
_in_use: list[Callable[[], Q]] = []


def register_readers(readers: Readers) -> Readers:
    """Let ``readers(user)`` name documents that the user may read, as a condition on Document, or None.

    An empty ``Q()`` would mean every document and is refused when it is asked.
    """
    if readers not in _readers:
        _readers.append(readers)
    return readers


def readable_by(user: User) -> list[Q]:
    """Return every condition under which somebody may read a document for the work they have."""
    found = [condition for readers in _readers if (condition := readers(user)) is not None]
    if not all(found):
        raise ValueError("An empty Q names every document. Return None, or the documents meant.")
    return found


def register_in_use(documents: Callable[[], Q]) -> None:
    """Say which documents open work needs, as a condition on Document: their bytes are not erased meanwhile."""
    if documents not in _in_use:
        _in_use.append(documents)


def in_use() -> Q:
    """Return the condition that open work needs a document."""
    needed = Q(pk__in=[])
    for documents in _in_use:
        needed |= documents()
    return needed
