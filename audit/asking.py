"""What people, programs and the command line may ask of the ledger, all by the same names."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from uuid import UUID

from django.apps import apps
from django.db.models import Q

from audit import reading, registry, selectors

# By what a reader asks, and the column that answers; each has an index of its own.
COLUMNS = {
    "action": "action_id",
    "correlation": "correlation_id",
    "run": "run_id",
    "behalf": "delegated_id",
    "agent": "agent_id",
    "actor": "actor_id",
    "system": "system_id",
    "department": "department_id",
    "operation": "operation",
    "verb": "verb",
    "decision": "decision",
    "effect": "effect",
}
# Those that hold a code and no id.
CODES = ("operation", "verb", "decision", "effect")
# What nearly every event of its kind says: met soon on any way, so that it has no index.
USUAL = {("decision", "allow"), ("effect", "confirmed")}
# An id, or a part of one long enough to be meant as one.
LOOKS_LIKE_AN_ID = re.compile(r"^(?=.*\d)[0-9A-Za-z_-]{16,64}$")
IS_UUID = re.compile(r"^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$")


def question(asked: Mapping[str, Any]) -> reading.Question:
    """Return what is asked by the names of ``COLUMNS``, by ``kind`` and ``object``, and by ``q``."""
    ways: list[reading.Way] = []
    rest = Q()
    for name, column in COLUMNS.items():
        if value := asked.get(name):
            if (name, value) in USUAL:
                rest &= Q(**{column: value})
            else:
                ways.append((Q(**{column: value}),))
    found = reading.Question(tuple(ways), rest)
    if kind := asked.get("subject_kind"):
        found &= reading.Question(((Q(subject_kind=kind, subject_id=asked.get("subject", "")),),))
    if kind := asked.get("kind"):
        found &= _object(kind, asked.get("object") or "")
    elif key := asked.get("object"):
        found &= by_identifier(key)
    return found & by_words(term) if (term := asked.get("q")) else found


def by_identifier(key: str) -> reading.Question:
    """Return the question for everything that names an id, in whatever place: each by an index."""
    key = key.lower() if IS_UUID.match(key) else key
    parts = [Q(**{column: key}) for name, column in COLUMNS.items() if name not in CODES]
    parts.append(Q(subject_kind__in=reading.kinds(), subject_id=key))
    if IS_UUID.match(key):
        parts.append(Q(pk=UUID(key)))
    return reading.Question((reading.one_of(*parts),))


def by_words(term: str) -> reading.Question:
    """Return the question for a word: an id or a verb by an index, else names, sentences and reasons."""
    if LOOKS_LIKE_AN_ID.match(term):
        return by_identifier(term)
    if registry.VERB.match(term):
        return reading.Question(((Q(verb=term),),))
    if re.fullmatch(r"[a-z_]+\.", term):
        return reading.Question(rest=Q(verb__startswith=term))
    words = Q(code=term) | Q(correlation_id=term) | Q(subject_id=term) | Q(actor_id=term)
    for field in ("sentence", "actor_label", "subject_label", "reason"):
        words |= Q(**{f"{field}__icontains": term})
    return reading.Question(rest=words, has_words=True)


def kind_words(kind: str) -> str:
    """Return a kind of object as people call it: ``agents.changerequest`` is a change request."""
    try:
        words = str(apps.get_model(kind)._meta.verbose_name)
    except (LookupError, ValueError):
        words = kind.rpartition(".")[2].replace("_", " ")
    return f"{words[:1].upper()}{words[1:]}"


def _object(kind: str, key: str) -> reading.Question:
    """A kind without an object has no index: it is looked for among the newest."""
    if not key:
        return reading.Question(rest=Q(subject_kind=kind))
    return reading.Question((reading.one_of(*selectors.ways_about(kind, key)),))
