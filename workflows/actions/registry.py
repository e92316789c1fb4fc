"""Where higher sub-packages hang in: who wants to know that an action has ended."""

from __future__ import annotations

from collections.abc import Callable

from workflows.actions.models import Action

_ended: list[Callable[[Action], None]] = []


def on_action_ended(listener: Callable[[Action], None]) -> None:
    """Call ``listener(action)`` in the transaction in which an action reaches its last state."""
    if listener not in _ended:
        _ended.append(listener)


def tell_ended(action: Action) -> None:
    """Tell everybody who listens."""
    for listener in _ended:
        listener(action)
