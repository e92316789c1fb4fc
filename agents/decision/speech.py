"""Plain words for lists, spans of time, dates and what a condition reads, as every sentence here uses them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from agents.decision import expressions

_NUMBERS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
_SPANS = ((86_400, "day"), (3_600, "hour"), (60, "minute"), (1, "second"))


def sentence(text: str) -> str:
    """Return a text as one sentence: a capital letter first, a full stop last."""
    said = " ".join(text.split())
    if said and said[-1] not in ".!?":
        said += "."
    return said[:1].upper() + said[1:]


def series(words: Iterable[str]) -> str:
    """Return ``a, b and c``."""
    found = list(words)
    return f"{', '.join(found[:-1])} and {found[-1]}" if len(found) > 1 else "".join(found)


def span(seconds: int) -> str:
    """Return a length of time in the largest whole unit, to stand after "any": ``hour``, ``90 seconds``."""
    size, name = next((it for it in _SPANS if seconds and seconds % it[0] == 0), (1, "second"))
    count = seconds // size
    return name if count == 1 else f"{count:,} {name}s"


def minutes(count: int) -> str:
    """Return a number of minutes in the largest whole unit: ``2 hours``, ``90 minutes``."""
    size, name = next(it for it in ((1440, "day"), (60, "hour"), (1, "minute")) if count % it[0] == 0)
    return f"{count // size:,} {name}{'' if count == size else 's'}"


def spoken(expression: str) -> str:
    """Return what a CEL text reads, in words: ``supplier and number``; never the CEL itself."""
    found = (
        path.parts[1:] if path.parts[0] == "args" else path.parts for path in expressions.paths(expression)
    )
    return series(dict.fromkeys(" ".join(parts).replace("_", " ") for parts in found if parts))


def day(value: Any) -> str:
    """Return a date as people write it: ``1 January 2027``."""
    return f"{value.day} {value:%B %Y}"


def count_of(count: int, what: str) -> str:
    """Return how many of something: ``1 hour``, ``2 working hours``."""
    return f"{count:,} {what}{'' if count == 1 else 's'}"


def people(count: int) -> str:
    """Return how many people: ``one person``, ``three people``."""
    if count <= 1:
        return "one person"
    return f"{_NUMBERS[count] if count < len(_NUMBERS) else count} people"
