"""The words of an action for people, and what of it may be shown."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping
from typing import Any

HIDDEN = "(hidden)"
# By which members of an answer people call a record, the best first.
NAMED_BY = ("entry", "number", "code", "reference")
_FIELD = re.compile(r"\{([A-Za-z_][\w.]*)\}")
_WORDS = 60
_BEFORE = 24  # so many characters before a difference say where it is
_WORD = 12  # and so many more, to begin with a whole word
# What an answer may say that it touched; more is taken for nonsense, and what was asked counts.
MOST_RECORDS = 10**9


def business_words(
    *, template: str, name: str, arguments: Mapping[str, Any], money: str = "", redact: Iterable[str] = ()
) -> str:
    """Return one line for people: the operation's template with the arguments in it, or its name alone.

    ``{money}`` is the amount in words. Values are data: cut, without control characters, never formatted again.
    """
    shown = redacted(arguments, redact)

    def value_of(match: re.Match[str]) -> str:
        if match[1] == "money" and money:
            return money
        return plain_text(at_path(shown, match[1]))

    words = _FIELD.sub(value_of, template) if template else name
    return (words or name)[:300]


def record_words(output: Mapping[str, Any], remote_ref: str) -> str:
    """Return which record came of a call, to follow the name of the system: by what people call it, where the
    answer says that, else by its key there. Of a search: what was found."""
    items = output.get("items")
    if isinstance(items, list):
        only = _called(items[0]) if len(items) == 1 and isinstance(items[0], Mapping) else ""
        return f", found {only or len(items)}" if items else ", nothing found"
    if called := _called(output):
        return f" as {called}"
    return f", recorded there as {plain_text(remote_ref)}" if remote_ref else ""


def records_in(output: Mapping[str, Any]) -> int | None:
    """Return how many records a system says it touched (``records`` of its answer); None: it says nothing."""
    told = output.get("records")
    if isinstance(told, bool) or not isinstance(told, int) or not 0 <= told <= MOST_RECORDS:
        return None
    return told


def _called(record: Mapping[str, Any]) -> str:
    found = (record.get(member) for member in NAMED_BY)
    return next((plain_text(name) for name in found if isinstance(name, str) and name.strip()), "")


def at_path(value: Any, path: str) -> Any:
    """Return the member at a dotted path, or None."""
    for part in path.split("."):
        if not isinstance(value, Mapping) or part not in value:
            return None
        value = value[part]
    return value


def plain_text(value: Any) -> str:
    """Return a value as short text without control, bidirectional or invisible characters."""
    if value is None:
        return "(not given)"
    return _short(_visible(value))


def differing_texts(before: str, after: str) -> tuple[str, str]:
    """Return two texts as short ones, from a little before where they differ: there is what is looked for."""
    plain = [_visible(text) for text in (before, after)]
    alike = zip(*plain, strict=False)
    start = next((at for at, (old, new) in enumerate(alike) if old != new), min(map(len, plain)))
    if start > _BEFORE and max(map(len, plain)) > _WORDS:
        start -= _BEFORE
        start = plain[0].rfind(" ", max(0, start - _WORD), start) + 1 or start
        plain = [f"… {text[start:]}" for text in plain]
    return _short(plain[0]), _short(plain[1])


def _visible(value: Any) -> str:
    return "".join(char for char in str(value) if unicodedata.category(char) not in {"Cc", "Cf", "Cs", "Co"})


def _short(text: str) -> str:
    return text if len(text) <= _WORDS else text[: _WORDS - 1] + "…"


def redacted(arguments: Mapping[str, Any], paths: Iterable[str]) -> dict[str, Any]:
    """Return the arguments with those at ``args.<path>`` hidden; the original is left alone."""
    shown = dict(arguments)
    for path in paths:
        _hide(shown, path.removeprefix("args.").split("."))
    return shown


def _hide(holder: dict[str, Any], parts: list[str]) -> None:
    head, *rest = parts
    if head not in holder:
        return
    if not rest:
        holder[head] = HIDDEN
    elif isinstance(holder[head], Mapping):
        holder[head] = dict(holder[head])
        _hide(holder[head], rest)


def money_words(minor: int | None, currency: str) -> str:
    """Return an amount for people, e.g. ``9,000.00 EUR``; empty without an amount."""
    if minor is None or not currency:
        return ""
    digits = {"JPY": 0, "KRW": 0, "CLP": 0, "ISK": 0, "BHD": 3, "KWD": 3, "OMR": 3, "TND": 3, "JOD": 3}.get(
        currency, 2
    )
    whole, rest = divmod(abs(minor), 10**digits)
    text = f"{whole:,}" + (f".{rest:0{digits}d}" if digits else "")
    return f"{'-' if minor < 0 else ''}{text} {currency}"
