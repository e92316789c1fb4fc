"""One value of a table: for machines, for a spreadsheet, and as people read it."""

from __future__ import annotations

import unicodedata
from datetime import UTC, datetime, timedelta
from uuid import UUID

from audit.evidence import Cell, Kind

MOST_SHOWN = 600  # characters of one cell in the documents; all of it stands in the files beside them
# A spreadsheet takes a text that begins like this for a formula.
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")


def for_machines(value: object) -> object:
    """Return a value as JSON has it: times in UTC as RFC 3339, ids as text."""
    if isinstance(value, datetime):
        return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, UUID):
        return str(value)
    return list(map(str, value)) if isinstance(value, list | tuple) else value


def for_spreadsheet(value: object) -> str:
    """Return a value as CSV has it; a text that a spreadsheet would run as a formula gets an apostrophe."""
    said = for_machines(value)
    if said is None:
        return ""
    if isinstance(said, bool):
        return "yes" if said else "no"
    if isinstance(said, int | float):
        return str(said)
    text = "\n".join(said) if isinstance(said, list) else str(said)
    text = text.replace("\x00", "\N{REPLACEMENT CHARACTER}")
    return f"'{text}" if text.startswith(_FORMULA) else text


def for_people(value: Cell, kind: Kind) -> str:
    """Return a value as people read it, cut to ``MOST_SHOWN`` characters."""
    if value is None or value in ("", []):
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, datetime):
        return value.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S")
    if kind is Kind.SECONDS and isinstance(value, int | float):
        return length_words(value)
    if isinstance(value, int | float):
        return f"{value:,}"
    return shown("\n".join(value) if isinstance(value, list) else str(value))


def shown(text: str) -> str:
    """Return a text that cannot pretend: control and direction marks by their codes; cut where it is long."""
    if len(text) > MOST_SHOWN:
        text = text[: MOST_SHOWN - 1] + "…"
    return "".join(map(_shown, text))


def _shown(character: str) -> str:
    if character == "\n" or character.isprintable():
        return character
    # Spaces of another width or that do not break are spaces.
    is_space = unicodedata.category(character) == "Zs"
    return " " if is_space else f"[U+{ord(character):04X}]"


def length_words(seconds: float) -> str:
    """Return a length of time: ``0.4 s``, ``12 s``, ``3 min 20 s``, ``2 h 5 min``, ``4 d 2 h``."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    parts = [
        f"{number} {unit}"
        for number, unit in ((days, "d"), (hours, "h"), (minutes, "min"), (rest, "s"))
        if number
    ]
    return " ".join(parts[:2]) or "0 s"
