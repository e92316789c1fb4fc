"""Where higher rooms hang in what the portal itself can do as an operation, without any network."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from audit.vocabulary import Actor


@dataclass(frozen=True, slots=True)
class Done:
    """What a verb did. ``found`` is None except for a verb that looks for one record."""

    output: Mapping[str, Any] = field(default_factory=dict)
    remote_ref: str = ""
    found: bool | None = None


PortalVerb = Callable[[Actor, Mapping[str, Any]], Done]
_verbs: dict[str, PortalVerb] = {}


def register_portal_verb(name: str, verb: PortalVerb) -> None:
    """Let operations of the system ``portal`` do something: ``verb(agent as actor, arguments)``.

    It commits what it does by itself, does it once however often it is called with the same arguments, and
    raises Refusal, with nothing done, for what it will not do.
    """
    _verbs[name] = verb


def portal_verbs() -> dict[str, PortalVerb]:
    """Return every verb by name."""
    return dict(_verbs)
