"""A sentence with holes (``Agent {0} was paused``), and what stands in the holes of one that was said."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

_HOLE = re.compile(r"\{(\d+)\}")
_NUMBER = re.compile(r"\d[\d,.]*")
# What many of a thing end in. Where another language has no place for it, it is left out; nothing else is.
_ENDINGS = frozenset({"s", "es"})


def holes_of(text: str) -> list[int]:
    """Return the numbers of the holes of a pattern, in the order they stand."""
    return [int(number) for number in _HOLE.findall(text)]


def fill(text: str, values: Mapping[int, str]) -> str:
    """Return a text with its numbered holes filled; one that nothing is known of stays empty."""
    return _HOLE.sub(lambda hole: values.get(int(hole[1]), ""), text)


def joined(source: str, target: str) -> tuple[str, str]:
    """Return a pattern and its translation with holes that follow each other in both made one.

    Nothing stands between them that could tell where the one ends.
    """
    for first, second in re.findall(r"(?=(\{\d+\})(\{\d+\}))", source)[::-1]:
        both = f"{first}{second}"
        if both in target:
            source, target = source.replace(both, first), target.replace(both, first)
    return source, target


@dataclass(frozen=True, slots=True)
class Pattern:
    """One pattern of the catalogue, and the same in another language.

    ``endings`` are the places of holes that the other language leaves out: the ending of a word that is counted
    in the hole before (``{0} minute{1}``).
    """

    source: str
    target: str
    parts: tuple[str, ...] = field(init=False)
    weight: int = field(init=False)
    endings: tuple[int, ...] = field(init=False)
    _repeated: tuple[tuple[int, int], ...] = field(init=False)

    def __post_init__(self) -> None:
        parts = tuple(_HOLE.split(self.source)[::2])
        object.__setattr__(self, "parts", parts)
        object.__setattr__(self, "weight", sum(map(len, parts)))
        holes, kept = holes_of(self.source), set(holes_of(self.target))
        endings = tuple(place for place, hole in enumerate(holes) if hole not in kept)
        repeated = tuple((holes.index(it), place) for place, it in enumerate(holes) if holes.index(it) < place)
        object.__setattr__(self, "endings", endings)
        object.__setattr__(self, "_repeated", repeated)

    def found_in(self, text: str) -> list[str] | None:
        """Return what stands in the holes of a text, or None when it is not of this pattern.

        Each part is looked for once, from left to right: linear in the length of the text, whatever it says.
        """
        first, *between, last = self.parts
        if not text.startswith(first) or not text.endswith(last) or len(text) < len(first) + len(last):
            return None
        at, end, found = len(first), len(text) - len(last), []
        for part in between:
            next_at = text.find(part, at + 1, end) if part else at + 1
            if next_at < 0 or next_at > end:
                return None
            found.append(text[at:next_at])
            at = next_at + len(part)
        found.append(text[at:end])
        return found if all(found) and self._keeps(found) else None

    def _keeps(self, found: list[str]) -> bool:
        """Tell whether the other language says all that was found, but for an ending after a number.

        A hole that stands twice holds the same both times, or one of them would be lost.
        """
        return all(
            place and found[place] in _ENDINGS and _NUMBER.fullmatch(found[place - 1]) for place in self.endings
        ) and all(found[first] == found[again] for first, again in self._repeated)

    def stands_alone(self, place: int) -> bool:
        """Tell whether what is in a hole stands by itself, as what somebody said: after a colon, in quotes."""
        return self.parts[place].rstrip().endswith((":", "“", '"', "(", "—", ".", "`"))

    def filled(self, found: list[str]) -> str:
        """Return the pattern of the other language with the same things in its holes."""
        return fill(self.target, dict(zip(holes_of(self.source), found, strict=True)))
