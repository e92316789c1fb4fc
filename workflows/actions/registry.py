"""Where higher sub-packages hang in: who wants to know that an action has ended, and who is behind one."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from uuid import UUID

from django.db.models import Q

from workflows.actions.models import Action

Behind = Callable[[Action], Iterable[str]]
Ended = Callable[[Sequence[Action]], None]
Kept = Callable[[Sequence[Action]], Iterable[UUID]]
Waited = Callable[[Action], None]
Followed = Callable[[Action, Action], None]
_followers: list[tuple[Waited, Followed]] = []
_behind: list[Behind] = []
_ended: list[Ended] = []
_on_their_way: list[Ended] = []
_waits: list[tuple[Kept, Callable[[], Q]]] = []


def on_actions_ended(listener: Ended) -> None:
    """Call ``listener(actions)`` in the transaction in which actions reach their last state."""
    if listener not in _ended:
        _ended.append(listener)


def tell_ended(actions: Sequence[Action]) -> None:
    """Tell everybody who listens."""
    for listener in _ended:
        listener(actions)


def on_actions_waiting_or_approved(listener: Ended) -> None:
    """Call ``listener(actions)`` in the transaction that holds actions for people, or in which people agree."""
    if listener not in _on_their_way:
        _on_their_way.append(listener)


def tell_waiting_or_approved(actions: Sequence[Action]) -> None:
    """Tell everybody who listens."""
    for listener in _on_their_way:
        listener(actions)


def register_waiting(kept: Kept, which: Callable[[], Q]) -> None:
    """Let authorized actions wait, e.g. while what they belong to is paused.

    ``kept(actions)`` is asked under the locks of the actions, in the transaction that would begin them, and
    returns the keys of those that may not; it takes what lock it needs, so that a pause that committed first
    is seen. ``which()`` finds all that wait.
    """
    if (kept, which) not in _waits:
        _waits.append((kept, which))


def have_to_wait(actions: Sequence[Action]) -> set[UUID]:
    """Return the keys of those authorized actions that may not begin yet."""
    return {key for kept, _ in _waits for key in kept(actions)}


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


def register_follower(hold: Waited, follow: Followed) -> None:
    """Let what belongs to an action go on with the one that takes its place when a person changes it.

    ``hold(old)`` takes the locks that come before those of approvals and actions; ``follow(old, new)`` is
    called before the old one ends, in the same transaction.
    """
    if (hold, follow) not in _followers:
        _followers.append((hold, follow))


def before_replacing(old: Action) -> None:
    """Lock what belongs to an action that is about to be replaced."""
    for hold, _ in _followers:
        hold(old)


def tell_replaced(old: Action, new: Action) -> None:
    """Let everything that belongs to the old action belong to the new one."""
    for _, follow in _followers:
        follow(old, new)
