"""A sentence with holes (``Agent {0} was paused``), and what stands in the holes of one that was said."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

_HOLE = re.compile(r"\{(\d+)\}")


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
    """One pattern of the catalogue, and the same in another language."""

    source: str
    target: str
    parts: tuple[str, ...] = field(init=False)
    weight: int = field(init=False)

    def __post_init__(self) -> None:
        parts = tuple(_HOLE.split(self.source)[::2])
        object.__setattr__(self, "parts", parts)
        object.__setattr__(self, "weight", sum(map(len, parts)))

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
        return found if all(found) else None

    def stands_alone(self, place: int) -> bool:
        """Tell whether what is in a hole stands by itself, as what somebody said: after a colon, in quotes."""
        return self.parts[place].rstrip().endswith((":", "“", '"', "(", "—", ".", "`"))

    def filled(self, found: list[str]) -> str:
        """Return the pattern of the other language with the same things in its holes."""
        return fill(self.target, dict(zip(holes_of(self.source), found, strict=True)))
