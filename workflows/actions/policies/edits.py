"""What a person changes in what an agent asked for: put together, and told in words. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from difflib import SequenceMatcher
from itertools import zip_longest
from typing import Any

from workflows.actions.policies.words import differing_texts, money_words, plain_text

MOST_EDITS = 5
MOST_TOLD = 40
MOST_COMPARED = 200 * 200
NOTHING = "nothing"
_MONEY = {"minor", "currency"}


@dataclass(frozen=True, slots=True)
class Difference:
    """One value that is another now. ``path`` is dotted; the rest is words."""

    path: str
    name: str
    before: str
    after: str

    @property
    def words(self) -> str:
        """Return it as a part of a sentence, e.g. ``amount from 1,200.00 EUR to 900.00 EUR``."""
        return f"{self.name[:1].lower()}{self.name[1:]} from {self.before} to {self.after}"


def patched(arguments: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments with a JSON merge patch applied (RFC 7396): null takes a member away, a list is
    replaced as a whole. Neither is changed."""
    found = dict(arguments)
    for name, value in changes.items():
        if value is None:
            found.pop(name, None)
        elif isinstance(value, Mapping):
            inner = found.get(name)
            found[name] = patched(inner if isinstance(inner, Mapping) else {}, value)
        else:
            found[name] = value
    return found


def hidden_in(changes: Mapping[str, Any], hidden: Iterable[str]) -> str:
    """Return which hidden path (``args.<path>``) a merge patch would change or take away, or ''."""
    return next((path for path in hidden if _reaches(changes, path.removeprefix("args.").split("."))), "")


def _reaches(changes: Any, parts: list[str]) -> bool:
    for part in parts:
        if not isinstance(changes, Mapping):
            return True  # what holds it is replaced as a whole
        if part not in changes:
            return False
        changes = changes[part]
    return True


def differences(
    before: Mapping[str, Any], after: Mapping[str, Any], schema: Mapping[str, Any] | None = None
) -> tuple[Difference, ...]:
    """Return every value that differs, named by the schema, in the order of their names."""
    found = list(_differences(before, after, schema or {}, "", ""))
    return tuple(found[:MOST_TOLD])


def differences_in_words(found: Iterable[Difference]) -> str:
    """Return what was changed as the end of a sentence."""
    return "; ".join(one.words for one in found)


def _differences(before: Any, after: Any, schema: Any, path: str, name: str) -> Iterator[Difference]:
    if _is_open(before) and _is_open(after):
        parts = schema.get("properties", {}) if isinstance(schema, Mapping) else {}
        for key in sorted({*before, *after}):
            part = parts.get(key, {}) if isinstance(parts, Mapping) else {}
            yield from _differences(
                before.get(key), after.get(key), part, f"{path}.{key}" if path else key, _named(name, key, part)
            )
    elif _are_lists(before, after):
        part = schema.get("items", {}) if isinstance(schema, Mapping) else {}
        for old, new in _pairs(before, after):
            place = next(it for it in (new, old) if it is not None)
            here, called = f"{path}.{place}", f"{name} {place + 1}"
            if old is None or new is None:
                yield Difference(here, called, _line(before, old), _line(after, new))
            else:
                yield from _differences(before[old], after[new], part, here, called)
    elif isinstance(before, str) and isinstance(after, str) and before and after:
        if before != after:
            yield Difference(path, name, *differing_texts(before, after))
    elif before != after or type(before) is not type(after):
        yield Difference(path, name, _in_words(before), _in_words(after))


def _are_lists(before: Any, after: Any) -> bool:
    """Say whether two lists are told entry by entry: to find what stands for what takes long in long ones."""
    if not isinstance(before, list) or not isinstance(after, list):
        return False
    return len(before) == len(after) or len(before) * len(after) <= MOST_COMPARED


def _pairs(before: list[Any], after: list[Any]) -> Iterator[tuple[int | None, int | None]]:
    """Yield which entries of two lists stand for each other, in order; None: it came, or it went."""
    if len(before) == len(after):
        yield from zip(range(len(before)), range(len(after)), strict=True)
        return
    was, now = ([json.dumps(one, sort_keys=True) for one in some] for some in (before, after))
    for tag, old, old_end, new, new_end in SequenceMatcher(None, was, now, autojunk=False).get_opcodes():
        if tag != "equal":
            yield from zip_longest(range(old, old_end), range(new, new_end))


def _line(entries: list[Any], place: int | None) -> str:
    """Return what an entry that came or went says: its values, without those in turn made of others."""
    if place is None:
        return NOTHING
    entry = entries[place]
    if not _is_open(entry):
        return _in_words(entry)
    values = [one for one in entry.values() if one not in (None, "") and not _is_made_of_others(one)]
    return plain_text(", ".join(map(_in_words, values))) or _in_words(entry)


def _is_made_of_others(value: Any) -> bool:
    return isinstance(value, list) or _is_open(value)


def _is_open(value: Any) -> bool:
    """Say whether a value is told member by member: money is one thing."""
    return isinstance(value, Mapping) and not _is_money(value)


def _is_money(value: Any) -> bool:
    return isinstance(value, Mapping) and set(value) == _MONEY and isinstance(value["minor"], int)


def _named(name: str, key: str, part: Any) -> str:
    title = part.get("title") if isinstance(part, Mapping) else None
    own = plain_text(str(title) if title else key.replace("_", " ").replace("-", " ").strip())
    return f"{name}, {own[:1].lower()}{own[1:]}" if name else f"{own[:1].upper()}{own[1:]}"


def _in_words(value: Any) -> str:
    if value is None or value == "":
        return NOTHING
    if isinstance(value, bool):
        return "yes" if value else "no"
    if _is_money(value):
        return money_words(value["minor"], str(value["currency"])[:3])
    if isinstance(value, list):
        return f"{len(value)} entries"
    if isinstance(value, Mapping):
        return f"{len(value)} values"
    return plain_text(value)
