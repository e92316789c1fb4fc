"""What is sealed of an event: a canonical text (RFC 8785) of ids, codes and commitments; no words, no payload.

Words (names, sentence, reason) and payload are sealed by salted commitments (HMAC-SHA-256 under 32 random
bytes), so that they and their salts can be erased and the proof still stands. Empty members are left out.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import rfc8785

from audit.standalone.verify_ledger import leaf_hash

VERSION = 1
# The members that carry the column of the same meaning, by their names in the envelope.
PLAIN = {
    "verb": "verb",
    "agent": "agent_id",
    "delegated": "delegated_id",
    "action": "action_id",
    "run": "run_id",
    "system": "system_id",
    "department": "department_id",
    "correlation": "correlation_id",
    "operation": "operation",
    "decision": "decision",
    "code": "code",
    "effect": "effect",
    "agreement": "agreement",
    "remedy": "remedy",
}
WORDS = {"actor": "actor_label", "subject": "subject_label", "sentence": "sentence", "reason": "reason"}
COLUMNS = ("id", "occurred_at", "actor_kind", "actor_id", "subject_kind", "subject_id", "risk", *PLAIN.values())
# What is read of an event's row to seal it, or to work out again what was sealed.
SEALED_COLUMNS = (*COLUMNS, *WORDS.values(), "words_salt")
LARGEST_INTEGER = 2**53 - 1
MOST_DEPTH = 200
_BRACKETS = re.compile(r'[\[\]{}]|"[^"\\]*(?:\\.[^"\\]*)*"')

_encode = json.JSONEncoder(ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode


@dataclass(frozen=True, slots=True)
class Sealed:
    """An event as it is sealed; ``data`` is the canonical payload, None where there is none."""

    envelope: str
    words: str
    data: str | None
    leaf_hash: bytes
    words_commitment: bytes
    data_commitment: bytes | None


def seal(row: Mapping[str, Any], data: str | None, data_salt: bytes | None) -> Sealed:
    """Return what is sealed of an event.

    row: its columns, among them words_salt. data: its payload as JSON text of the database, with its salt.
    """
    words = words_text(row)
    words_commitment = commitment(row["words_salt"], words)
    canonical = None if data is None else canonical_json(data)
    data_commitment = None if canonical is None else commitment(data_salt or b"", canonical)
    envelope = envelope_text(row, words_commitment, data_commitment)
    return Sealed(envelope, words, canonical, leaf_hash(envelope.encode()), words_commitment, data_commitment)


def envelope_text(row: Mapping[str, Any], words: bytes, data: bytes | None) -> str:
    """Return the canonical text of an event with the commitments to its words and its payload."""
    members: dict[str, Any] = {name: said for name, column in PLAIN.items() if (said := row[column])}
    members["v"] = VERSION
    members["id"] = str(row["id"])
    members["at"] = instant(row["occurred_at"])
    members["actor"] = {"id": row["actor_id"], "kind": row["actor_kind"]}
    members["subject"] = {"id": row["subject_id"], "kind": row["subject_kind"]}
    members["words"] = words.hex()
    if data is not None:
        members["data"] = data.hex()
    if row["risk"]:
        members["risk"] = row["risk"]
    # Its names are ours and ASCII and its values are texts, so that this is what RFC 8785 says.
    return _encode(members) if _plain_names(row["risk"]) else rfc8785.dumps(members).decode()


def words_text(row: Mapping[str, Any]) -> str:
    """Return the canonical text of the words of an event."""
    return _encode({name: said for name, column in WORDS.items() if (said := row[column])})


def canonical_json(text: str) -> str:
    """Return JSON of the database in the form of RFC 8785; numbers that it cannot hold exactly become texts.

    Whatever a row can hold has such a form, or nothing after it would ever be sealed: what is nested deeper
    than ``MOST_DEPTH`` becomes one text, as the database writes it.
    """
    if is_too_deep(text):
        return _encode(text)
    floats: list[str] = []

    def a_float(said: str) -> float | str:
        floats.append(said)
        number = float(said)
        return number if math.isfinite(number) and Decimal(repr(number)) == Decimal(said) else said

    try:
        data = json.loads(text, parse_float=a_float)
    except ValueError:  # an integer of more digits than Python reads
        data = json.loads(
            text, parse_float=a_float, parse_int=lambda said: said if len(said) > 20 else int(said)
        )
    if not floats and text.isascii() and not _has_large_integer(data):
        return _encode(data)
    return rfc8785.dumps(_exact(data)).decode()


def risk_of(text: str) -> dict[str, str] | str:
    """Return what a row says of the risk: texts by name; anything else that a row could hold, as one text."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return canonical_json(text)
    is_plain = isinstance(found, dict) and all(isinstance(said, str) for said in found.values())
    return found if is_plain else canonical_json(text)


def commitment(salt: bytes, text: str) -> bytes:
    """Return what commits to a text and tells nothing of it without the salt."""
    return hmac.digest(bytes(salt), text.encode(), hashlib.sha256)


def instant(at: datetime) -> str:
    """Return a time in UTC to the microsecond, always of the same length."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _plain_names(risk: Mapping[str, str] | str) -> bool:
    return isinstance(risk, str) or all(name.isascii() for name in risk)


def is_too_deep(text: str) -> bool:
    """Say whether JSON is nested deeper than ``MOST_DEPTH``."""
    if text.count("[") + text.count("{") <= MOST_DEPTH:
        return False
    depth = 0
    for one in _BRACKETS.finditer(text):
        depth += {"[": 1, "{": 1, "]": -1, "}": -1}.get(one[0], 0)
        if depth > MOST_DEPTH:
            return True
    return False


def _has_large_integer(value: Any) -> bool:
    if isinstance(value, dict):
        return any(map(_has_large_integer, value.values()))
    if isinstance(value, list):
        return any(map(_has_large_integer, value))
    return isinstance(value, int) and not -LARGEST_INTEGER <= value <= LARGEST_INTEGER


def _exact(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _exact(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_exact(item) for item in value]
    if isinstance(value, bool):
        return value
    if isinstance(value, int) and not -LARGEST_INTEGER <= value <= LARGEST_INTEGER:
        return str(value)
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value
