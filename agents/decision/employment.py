"""Rules of an agent's employment, as plain functions: terms, breaches of them, the evidence of its record.

Pure: no database, no clock. Terms say how long a probation lasts, how often the sponsor confirms that an agent
is still needed, and which record puts it back at once. 0 in a term of the record switches that off.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, fields
from datetime import date, timedelta
from typing import Any

import rfc8785

from agents.decision.speech import count_of, day

READ_ONLY, PROBATION = "read_only", "probation"
# What puts an agent back, with the words for one and for several of it.
RECORD = {
    "denials": ("call that an enforced rule refused", "calls that an enforced rule refused"),
    "limits": ("call above a limit", "calls above a limit"),
    "doubts": ("action of which nobody knew what became", "actions of which nobody knew what became"),
    "reversals": ("action that was taken back", "actions that were taken back"),
}
MOST_DAYS = 3660


@dataclass(frozen=True, slots=True)
class Terms:
    """What applies to the agents of a role, or to all; days and whole numbers."""

    probation_days: int = 30
    attest_every_days: int = 180
    attest_notice_days: int = 14
    attest_grace_days: int = 7
    denials: int = 0
    limits: int = 0
    doubts: int = 0
    reversals: int = 0
    window_days: int = 7
    breach_then: str = PROBATION

    @property
    def watches(self) -> bool:
        """Tell whether any record puts an agent back by itself."""
        return any(getattr(self, name) for name in RECORD)

    @property
    def digest(self) -> str:
        """Return the SHA-256 (hex) of the RFC 8785 form: names the version somebody saw."""
        return hashlib.sha256(rfc8785.dumps(asdict(self))).hexdigest()


@dataclass(frozen=True, slots=True)
class Evidence:
    """What an agent did in a time, as counted from the records. ``median_seconds``: until people decided."""

    since: str = ""
    days: int = 0
    asked: int = 0
    allowed: int = 0
    held: int = 0
    approved: int = 0
    rejected: int = 0
    denied: int = 0
    limits: int = 0
    failed: int = 0
    in_doubt: int = 0
    reversed: int = 0
    median_seconds: int | None = None

    def as_data(self) -> dict[str, Any]:
        """Return it as plain data, as a proposal and a certificate keep it."""
        return asdict(self)

    @property
    def digest(self) -> str:
        """Return the SHA-256 (hex) of the RFC 8785 form of the numbers."""
        return hashlib.sha256(rfc8785.dumps(asdict(self))).hexdigest()


def evidence_from(told: Mapping[str, Any]) -> Evidence:
    """Return evidence from plain data; what is not known is left out."""
    known = {field.name for field in fields(Evidence)}
    return Evidence(**{name: value for name, value in told.items() if name in known})


def evidence_words(found: Evidence) -> list[str]:
    """Return the numbers as lines that a person reads before they put their name to it."""
    days = count_of(found.days, "day") if found.days else "less than a day"
    lines = [
        f"Over {days}, since {day(date.fromisoformat(found.since[:10]))}." if found.since else f"Over {days}.",
        f"Asked for: {found.asked:,}. Allowed: {found.allowed:,}. Held for a person: {found.held:,}.",
        f"Of what was held, approved: {found.approved:,}, rejected: {found.rejected:,}.",
        f"Refused: {found.denied:,}, of these above a limit: {found.limits:,}.",
        f"Failed: {found.failed:,}. In doubt: {found.in_doubt:,}. Taken back: {found.reversed:,}.",
    ]
    if found.median_seconds is not None:
        lines.append(f"Half of what was held was decided within {_span(found.median_seconds)}.")
    if not found.asked:
        lines.append("It has asked for nothing, so nothing is known of how it works.")
    return lines


def breaches(counts: Mapping[str, int], terms: Terms) -> list[str]:
    """Return in words every term of the record that is reached; none while all are below or switched off."""
    return list(_breaches(counts, terms))


def _breaches(counts: Mapping[str, int], terms: Terms) -> Iterator[str]:
    for name, (one, several) in RECORD.items():
        most, found = getattr(terms, name), counts.get(name, 0)
        if most and found >= most:
            what = one if found == 1 else several
            yield f"{found} {what} within {count_of(terms.window_days, 'day')}; the most is {most - 1}"


def looser_terms(old: Terms, new: Terms) -> list[str]:
    """Return the names of the terms under which an agent gets away with more than before, in their order."""
    return [field.name for field in fields(Terms) if _is_looser(field.name, old, new)]


def _is_looser(name: str, old: Terms, new: Terms) -> bool:
    was, now = getattr(old, name), getattr(new, name)
    if was == now or name == "attest_notice_days":
        return False
    if name == "breach_then":
        return bool(now != READ_ONLY)
    if name in RECORD:  # 0 is never
        return bool(was and (not now or now > was))
    if name == "attest_every_days":  # and so it is here
        was, now = was or MOST_DAYS + 1, now or MOST_DAYS + 1
    shorter_is_looser = name in ("probation_days", "window_days")
    return bool((now < was) if shorter_is_looser else (now > was))


def is_overdue(attest_by: date | None, grace_days: int, today: date) -> bool:
    """Tell whether an agent went unconfirmed past its day and the grace after it."""
    return attest_by is not None and today > attest_by + timedelta(days=max(grace_days, 0))


def is_due(attest_by: date | None, notice_days: int, today: date) -> bool:
    """Tell whether its sponsor is to be asked by now."""
    return attest_by is not None and today >= attest_by - timedelta(days=max(notice_days, 0))


def text_of_certificate(content: Mapping[str, Any]) -> str:
    """Return a certificate as plain text, for whoever has nothing but a reader."""
    parts = [str(content["title"]), "", *(f"- {line}" for line in content.get("lines", ()))]
    return "\n".join(parts) + "\n"


def digest_of_certificate(content: Mapping[str, Any]) -> str:
    """Return the SHA-256 (hex) of the RFC 8785 form of what a certificate says."""
    return hashlib.sha256(rfc8785.dumps(dict(content))).hexdigest()


def _span(seconds: int) -> str:
    for size, unit in ((86_400, "day"), (3600, "hour"), (60, "minute")):
        if seconds >= size:
            return count_of(round(seconds / size), unit)
    return count_of(seconds, "second")
