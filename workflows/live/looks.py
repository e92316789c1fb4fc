"""The looks into the database that the live stream takes: each in a thread, none keeps anything."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from django.conf import settings
from django.contrib.auth import get_user
from django.contrib.sessions.models import Session
from django.http import HttpRequest
from django.utils import timezone, translation

from agents.models import User
from agents.selectors.marks import marks_of_rights
from audit.following import Sight, happened, sight_of
from audit.selectors import newest_position
from workflows.approvals.selectors import handed_to
from workflows.pages.access import is_person
from workflows.pages.feed import Row, row_of
from workflows.pages.waits import Waits, waits_of

EVENTS, INBOX = "events", "inbox"
# What waits for somebody changes with these rooms' events alone.
STIRRING = ("approvals.", "tasks.", "appeals.", "agents.")


def signed_in(session_key: str | None) -> User | None:
    """Return who a session speaks for, fresh from the database; None when nobody, or no person."""
    if not session_key:
        return None
    request = HttpRequest()
    request.session = import_module(settings.SESSION_ENGINE).SessionStore(session_key)
    user = get_user(request)
    return user if is_person(user) else None


def rights_of(user: User, sight: Sight | None) -> frozenset[str]:
    """Return what a person may follow: the ledger, where some of it is theirs to see, and the inbox."""
    rights = {EVENTS} if sight is not None else set()
    if user.has_perm("approvals.view_approval") or user.groups.exists() or handed_to(user):
        rights.add(INBOX)
    return frozenset(rights)


def rights_in(session_key: str | None) -> frozenset[str] | None:
    """Return what the owner of a session may follow now; None when nobody is signed in."""
    user = signed_in(session_key)
    return None if user is None else rights_of(user, sight_of(user))


@dataclass(frozen=True, slots=True)
class Standing:
    """What a person may follow at one moment, and by which of their sessions.

    ``granted`` are their groups and permissions: what is missing of them the next time was taken away. ``mark``
    tells whether anything has changed since.
    """

    user: User
    sight: Sight | None
    waits: Waits
    rights: frozenset[str]
    granted: frozenset[str]
    sessions: frozenset[str]
    mark: str


def standing_of(user_id: Any, sessions: Collection[str]) -> Standing | None:
    """Ask anew what a person may follow, and which sessions still speak for them; None: none does."""
    # Before everything else is asked: what changes meanwhile is noticed by the next mark.
    mark = marks_of_rights([user_id]).get(user_id, "")
    speaking = {key: user for key in sessions if (user := signed_in(key)) is not None and user.pk == user_id}
    if not speaking or not mark:
        return None
    user = next(iter(speaking.values()))
    sight = sight_of(user)
    groups = [f"group:{key}" for key in user.groups.values_list("pk", flat=True)]
    return Standing(
        user=user,
        sight=sight,
        waits=waits_of(user),
        rights=rights_of(user, sight),
        granted=frozenset(groups) | frozenset(user.get_all_permissions()),
        sessions=frozenset(speaking),
        mark=mark,
    )


def marks_of(people: Mapping[Any, Collection[str]]) -> dict[Any, tuple[str, set[str]]]:
    """Return for each person by id what tells that rights have changed, and which sessions are there still.

    One that is missing has no account any more. Two small questions, however many people there are.
    """
    keys = [key for sessions in people.values() for key in sessions]
    there = Session.objects.filter(session_key__in=keys, expire_date__gt=timezone.now())
    kept = set(there.values_list("session_key", flat=True))
    marks = marks_of_rights(people)
    return {key: (marks[key], kept.intersection(people[key])) for key in people if key in marks}


@dataclass(frozen=True, slots=True)
class Told:
    """One event as it goes over the socket: ready-made text by language. None: it is not for a feed."""

    position: int
    texts: dict[str, str]
    stirs: bool


def told_after(position: int, most: int) -> list[Told]:
    """Return what happened after a position, ascending, at most so many."""
    return [_told(event) for event in happened(position, most)]


def _told(event: Any) -> Told:
    row = row_of(event)
    texts = {language: _text(row, language) for language, _ in settings.LANGUAGES} if row.shows else {}
    return Told(row.position, texts, event.verb.startswith(STIRRING))


def _text(row: Row, language: str) -> str:
    with translation.override(language):
        return json.dumps(row.as_data(), ensure_ascii=False, separators=(",", ":"))


def seen_by(asked: Sequence[tuple[Sight, int, int]]) -> list[list[int]]:
    """Return which positions each may see, of whom several may see the same: that is asked once."""
    known: list[tuple[tuple[Sight, int, int], list[int]]] = []
    for one in asked:
        if not any(other == one for other, _ in known):
            sight, after, upto = one
            known.append((one, sight.positions(after, upto)))
    return [next(found for other, found in known if other == one) for one in asked]


def counts_frame(waits: Waits) -> tuple[str, bool]:
    """Return how much waits for a person, as it goes over the socket, and whether anything does."""
    count, mark = waits.asked()
    return json.dumps({"kind": "counts", "counts": {"inbox": count}, "inbox": mark}), count > 0


def newest() -> int:
    """Return the newest position of the ledger."""
    return newest_position()
