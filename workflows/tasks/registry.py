"""Where higher sub-packages hang in: who owns a task, and what a task may wait for."""

from __future__ import annotations

from collections.abc import Callable

from audit.vocabulary import Actor
from workflows.tasks.models import Task

ClosedFn = Callable[[Actor, Task], None]
# Says whether what is awaited is still open; takes what locks it needs, so that its end cannot be missed.
AwaitedFn = Callable[[Task, str], bool]
# Hears, in that transaction, that people are reminded of a deadline (start or complete) of their task: what
# leaves the house, a mail say, is sent after the commit.
RemindedFn = Callable[[Task, str], None]

_closed: dict[str, ClosedFn] = {}
_awaited: dict[str, AwaitedFn] = {}
_reminded: list[RemindedFn] = []


def on_task_closed(subject_kind: str, listener: ClosedFn) -> None:
    """Call ``listener(actor, task)`` in the transaction that closes a task about such a subject."""
    _closed[subject_kind] = listener


def tell_closed(actor: Actor, task: Task) -> None:
    """Tell the owner of a task that it is closed."""
    if listener := _closed.get(task.subject_kind):
        listener(actor, task)


def register_awaited(kind: str, is_open: AwaitedFn) -> None:
    """Let tasks wait for things of a kind; ``is_open(task, id)`` refuses what the task may not wait for."""
    _awaited[kind] = is_open


def awaited_kind(kind: str) -> AwaitedFn:
    """Return how to ask whether a thing is still open; raises KeyError for a kind nobody registered."""
    return _awaited[kind]


def on_reminder(listener: RemindedFn) -> None:
    """Call ``listener(task, deadline)`` whenever the people of a task are reminded of a deadline."""
    _reminded.append(listener)


def tell_reminded(task: Task, deadline: str) -> None:
    """Tell whoever passes reminders on."""
    for listener in _reminded:
        listener(task, deadline)
