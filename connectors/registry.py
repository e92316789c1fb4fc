"""Where higher rooms hang in what the portal itself can do, without a network, and hear of systems."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any
from uuid import UUID

from django.db import transaction

from audit.vocabulary import Actor


@dataclass(frozen=True, slots=True)
class Done:
    """What a verb did. ``found`` is None except for a verb that looks for one record."""

    output: Mapping[str, Any] = field(default_factory=dict)
    remote_ref: str = ""
    found: bool | None = None


PortalVerb = Callable[[Actor, Mapping[str, Any]], Done]
_verbs: dict[str, PortalVerb] = {}
_back: list[Callable[[UUID], None]] = []
logger = logging.getLogger(__name__)


def register_portal_verb(name: str, verb: PortalVerb) -> None:
    """Let operations of the system ``portal`` do something: ``verb(agent as actor, arguments)``.

    It commits what it does by itself, does it once however often it is called with the same arguments, and
    raises Refusal, with nothing done, for what it will not do.
    """
    _verbs[name] = verb


def portal_verbs() -> dict[str, PortalVerb]:
    """Return every verb by name."""
    return dict(_verbs)


def on_system_back(listener: Callable[[UUID], None]) -> None:
    """Call ``listener(system's id)`` when a system can be called again: its breaker closed, it was switched on.

    It is a hint, given after the commit; whoever needs the truth looks at the system.
    """
    if listener not in _back:
        _back.append(listener)


def tell_system_back(system_id: UUID) -> None:
    """Tell that a system can be called again, once the transaction has committed."""
    transaction.on_commit(partial(_tell_back, system_id))


def _tell_back(system_id: UUID) -> None:
    for listener in _back:
        try:
            listener(system_id)
        except Exception:
            logger.exception("A listener could not be told that the system %s is back.", system_id)
