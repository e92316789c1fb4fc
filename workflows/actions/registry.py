"""Where higher sub-packages hang in: who wants to know that an action has ended, and who is behind one."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from django.db.models import Q

from workflows.actions.models import Action

Behind = Callable[[Action], Iterable[str]]
_behind: list[Behind] = []
_ended: list[Callable[[Action], None]] = []
_waits: list[tuple[Callable[[Action], bool], Callable[[], Q]]] = []


def on_action_ended(listener: Callable[[Action], None]) -> None:
    """Call ``listener(action)`` in the transaction in which an action reaches its last state."""
    if listener not in _ended:
        _ended.append(listener)


def tell_ended(action: Action) -> None:
    """Tell everybody who listens."""
    for listener in _ended:
        listener(action)


def register_waiting(waits: Callable[[Action], bool], which: Callable[[], Q]) -> None:
    """Let authorized actions wait, e.g. while what they belong to is paused.

    ``waits(action)`` is asked under the lock of the action, in the transaction that would begin it; it takes
    what lock it needs, so that a pause that committed first is seen. ``which()`` finds all that wait.
    """
    if (waits, which) not in _waits:
        _waits.append((waits, which))


def has_to_wait(action: Action) -> bool:
    """Say whether an authorized action may not begin yet."""
    return any(waits(action) for waits, _ in _waits)


def waiting() -> Q:
    """Return which actions may not begin yet; neither do they expire."""
    found = Q(pk__in=[])
    for _, which in _waits:
        found |= which()
    return found


def register_behind(people: Behind) -> None:
    """Let ``people(action)`` name the users whose wish an action is; none of them may approve it."""
    if people not in _behind:
        _behind.append(people)


def people_behind(action: Action) -> list[str]:
    """Return the ids of everybody whose wish an action is, apart from its agent."""
    return [user_id for people in _behind for user_id in people(action)]
