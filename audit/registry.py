"""What the rooms above tell the ledger: the verbs they record, and who wants to hear of new positions."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

logger = logging.getLogger(__name__)

VERB = re.compile(r"^[a-z_]+\.[a-z_]+$")

# Who asks -> the names of one kind that they may pick, each with its id.
Names = Callable[[Any], Iterable[tuple[str, str]]]


@dataclass(frozen=True, slots=True)
class Telling:
    """How a story tells an event, beside its own sentence. Rooms say it only for verbs that need it.

    ``more(event, payload)`` are further sentences, e.g. the rules that decided. ``waits_for(event)`` names whom
    or what one waits for from then on, until an event of one of ``until``; nothing: no wait. ``echoes``:
    another event says it better.
    """

    more: Callable[[Any, Mapping[str, Any]], list[str]] | None = None
    waits_for: Callable[[Any], str] | None = None
    until: frozenset[str] = frozenset()
    echoes: bool = False


@dataclass(frozen=True, slots=True)
class Opening:
    """How the story of an action or a run begins: who asked for what and when, and where its own page is."""

    title: str
    sentence: str
    at: datetime
    link: str
    ends: str = ""


# Who asks and the id -> how its story begins; None where they may not see it.
Opener = Callable[[Any, UUID], Opening | None]

_tellings: dict[str, Telling] = {}
_openers: dict[str, Opener] = {}
_verbs: dict[str, str] = {}
_names: dict[str, Names] = {}
_remedies: dict[str, str] = {}
_listeners: list[Callable[[int], None]] = []


@dataclass(frozen=True, slots=True)
class Invariant:
    """What must hold at every moment of any database, a test's or production's.

    ``query`` is one SELECT that returns the rows which break ``sentence``: an id and what is wrong, both text.
    It sees one moment, whatever else goes on, so that it is never split; a percent sign in it is doubled.
    """

    sentence: str
    query: str


_invariants: dict[str, Invariant] = {}


class UnregisteredVerb(LookupError):
    """A verb was recorded that no room has described."""


def register_verbs(verbs: Mapping[str, str]) -> None:
    """Describe verbs (``room.past_tense``) in plain words; an AppConfig's ``ready`` calls this.

    Raise ValueError for a malformed verb, an empty description, or a second, different description.
    """
    for verb, description in verbs.items():
        if not VERB.match(verb) or not description.strip():
            raise ValueError(
                f"{verb!r} is not a verb with a description; write room.past_tense and a sentence."
            )
        if _verbs.get(verb, description) != description:
            raise ValueError(f"{verb!r} is already described as {_verbs[verb]!r}.")
        _verbs[verb] = description


def register_remedies(remedies: Mapping[str, str]) -> None:
    """Say of verbs what was done about something wherever they are recorded, e.g. ``agent_paused``.

    Raise UnregisteredVerb for a verb that no room has described.
    """
    for verb in remedies:
        check_verb(verb)
    _remedies.update(remedies)


def remedy_of(verb: str) -> str:
    """Return what was done about something when this is recorded; '' where nothing was."""
    return _remedies.get(verb, "")


def registered_verbs() -> dict[str, str]:
    """Return every verb with its description, sorted."""
    return dict(sorted(_verbs.items()))


def register_tellings(tellings: Mapping[str, Telling]) -> None:
    """Say how stories tell events of these verbs."""
    _tellings.update(tellings)


def telling_of(verb: str) -> Telling:
    """Return how a story tells events of a verb."""
    return _tellings.get(verb, Telling())


def register_opening(kind: str, opener: Opener) -> None:
    """Let the stories of a kind of object (``actions.action``) begin with who asked for it."""
    _openers[kind] = opener


def opening_of(kind: str, key: UUID, user: Any) -> Opening | None:
    """Return how the story of an object begins for somebody."""
    opener = _openers.get(kind)
    return opener(user, key) if opener else None


def register_names(kind: str, names: Names) -> None:
    """Let readers pick an agent, a person, a system or a department by name: ``names(user)`` are (id, name)."""
    _names[kind] = names


def names_for(kind: str, user: Any) -> list[tuple[str, str]]:
    """Return the ids and names of a kind that somebody may pick; none where no room has told of any."""
    lister = _names.get(kind)
    return list(lister(user)) if lister else []


def check_verb(verb: str) -> None:
    """Raise UnregisteredVerb unless a room has described ``verb``."""
    if verb not in _verbs:
        raise UnregisteredVerb(f"{verb!r} is not registered. Describe it with audit.registry.register_verbs.")


def on_sequenced(listener: Callable[[int], None]) -> Callable[[int], None]:
    """Call ``listener(newest_position)`` in the sequencer after batches are committed (usable as a decorator).

    Calls are spaced: the first at once, then at most one every 100 ms. A listener that fails is logged.
    """
    if listener not in _listeners:
        _listeners.append(listener)
    return listener


def tell_sequenced(last_position: int) -> None:
    """Tell every listener the newest position; one that fails never stops the ledger or the others."""
    for listener in _listeners:
        try:
            listener(last_position)
        except Exception:
            logger.warning("A listener to new positions failed.", exc_info=True)


def register_invariants(found: Mapping[str, Invariant]) -> None:
    """Add invariants by their number (``I1``); ``manage.py check_invariants`` asks them all.

    Raise ValueError for a number that stands for another one already.
    """
    for number, invariant in found.items():
        if _invariants.get(number, invariant) != invariant:
            raise ValueError(f"{number} is already: {_invariants[number].sentence}")
        _invariants[number] = invariant


def registered_invariants() -> dict[str, Invariant]:
    """Return every invariant in the order of the numbers."""
    return dict(sorted(_invariants.items(), key=lambda found: int(found[0][1:])))
