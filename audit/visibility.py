"""Who may see which events: every room adds its rule; what no rule names, nobody sees."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.db.models import Q

Rule = Callable[[Any], Q | None]

# Q() means "no condition" and swallows itself in a union, so "everything" has to be said on purpose.
EVERYTHING = ~Q(pk__in=[])
NOTHING = Q(pk__in=[])

_rules: dict[str, Rule] = {}


def register(name: str, rule: Rule) -> None:
    """Add the rule ``rule(user) -> Q over Event, or None``; a user sees the union of all rules."""
    if _rules.get(name, rule) is not rule:
        raise ValueError(f"A visibility rule named {name!r} is already registered.")
    _rules[name] = rule


def registered() -> dict[str, Rule]:
    """Return the rules by name."""
    return dict(_rules)


def visible_to(user: Any) -> Q:
    """Return the condition on Event that holds for what ``user`` may see; inactive users: nothing."""
    if user is None or not user.is_active:
        return NOTHING
    union = NOTHING
    for name, rule in _rules.items():
        found = rule(user)
        if found is EVERYTHING:
            return EVERYTHING
        if found is None:
            continue
        if not found:
            raise ValueError(f"The rule {name!r} returned an empty Q. Return visibility.EVERYTHING or None.")
        union |= found
    return union
