"""The sentences of one language: whole ones, and ones with holes for names, numbers or sentences again."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import lru_cache

from audit.wording.patterns import Pattern, holes_of, joined

# Longer than any sentence of ours: what an agent wrote is not looked through for patterns.
MOST_CHARACTERS = 2000
MOST_WITHIN = 4
_KEPT = 8192
# ``{0} of {1}`` joins names; in a name, or around half a sentence, it would only mix two languages.
LIGHT = 6
FEW_WORDS = 3
_END_OF_SENTENCE = re.compile(r"(?<=[.!?:;]) ")
_FULL_STOP = re.compile(r"(?<=[.!?]) ")
_QUOTED = re.compile(r"“([^”]*)”")
_COVER = "\ue000{}\ue001"  # of a private area of Unicode, which no sentence of ours has
_NOTHING_TO_SAY = re.compile(r"[\W\d_]*")


class Sentences:
    """Translate what was said in English, by a catalogue of sentences and patterns.

    ``known``: English to the other language, with numbered holes (``{0}``) the same in both.
    ``last``: what is done to the figures of a sentence at the end (money and dates as written there).
    """

    def __init__(self, known: Mapping[str, str], last: Callable[[str], str] = str) -> None:
        self._whole = {source: target for source, target in known.items() if target and not holes_of(source)}
        patterns = [
            Pattern(*joined(source, target)) for source, target in known.items() if target and holes_of(source)
        ]
        self._quoted = {inner for source in known for inner in _QUOTED.findall(source)}
        self._patterns = sorted(patterns, key=lambda it: -it.weight)
        self._last = last
        self._remembered = lru_cache(_KEPT)(self._whole_text)

    def say(self, text: str) -> str:
        """Return a text in the other language; what the catalogue does not know stays as it is."""
        if len(text) > MOST_CHARACTERS:
            return text
        return self._remembered(text)

    def _whole_text(self, text: str) -> str:
        kept: list[str] = []

        def covered(found: re.Match[str]) -> str:
            # What stands in quotation marks is somebody's own words: a part of them is not ours to translate.
            if found[1] in self._quoted or " " not in found[1]:
                return found[0]
            kept.append(found[1])
            return f"“{_COVER.format(len(kept) - 1)}”"

        shown = self._exactly(text) or self._say(_QUOTED.sub(covered, text), 0)
        if shown is None:
            return self._last(text)
        shown = self._last(shown)
        for place, words in enumerate(kept):
            shown = shown.replace(_COVER.format(place), words)
        return shown

    def _say(self, text: str, depth: int) -> str | None:
        """Return a text translated, or None when nothing of it is known."""
        if not text or _NOTHING_TO_SAY.fullmatch(text) or depth > MOST_WITHIN:
            return None
        return (
            self._as_list(text)
            or self._as_sentences(text, depth)
            or self._each_sentence(text, depth)
            or self._as_one(text, depth)
            or self._as_several(text, depth)
        )

    def _as_one(self, text: str, depth: int) -> str | None:
        found = self._exactly(text) or self._by_pattern(text, depth)
        if found is None and text.endswith("."):
            bare = self._by_pattern(text[:-1], depth)
            return f"{bare}." if bare else None
        return found

    def _exactly(self, text: str) -> str | None:
        """Return a whole text; a sentence is known with and without its capital letter and its full stop."""
        if found := self._as_known(text):
            return found
        if text.endswith("."):
            return f"{found}." if (found := self._as_known(text[:-1])) else None
        return found.removesuffix(".") if (found := self._as_known(f"{text}.")) else None

    def _as_known(self, text: str) -> str | None:
        if not text:
            return None
        if found := self._whole.get(text):
            return found
        found = self._whole.get(_other_case(text))
        return _as_in(found, text) if found else None

    def _by_pattern(self, text: str, depth: int) -> str | None:
        """Return a text by the pattern that says most of it, with or without its capital letter."""
        other = _other_case(text)
        for pattern in self._patterns:
            if pattern.weight > len(text):
                continue
            found = pattern.found_in(text)
            if found is None and pattern.parts[0]:
                found = pattern.found_in(other)
            if found is None or (_only_joins(pattern, found) and (depth or not _all_short(found))):
                continue
            within = [self._say(each, depth + 1) or each for each in found]
            filled = pattern.filled(within)
            return _as_in(filled, text) if pattern.parts[0] else filled
        return None

    def _as_list(self, text: str) -> str | None:
        """Return words that are listed, when one is known and those that are not are names of one word."""
        words = text.split(", ")
        if len(words) == 1 or self._exactly(text):
            return None
        found = [self._exactly(word) for word in words]
        if not any(found) or any(" " in word for word, one in zip(words, found, strict=True) if not one):
            return None
        return ", ".join(one or word for word, one in zip(words, found, strict=True))

    def _as_sentences(self, text: str, depth: int) -> str | None:
        """Return several sentences, when those at the beginning are known as they stand."""
        for end in reversed([match.start() for match in _END_OF_SENTENCE.finditer(text)]):
            if first := self._exactly(text[:end]):
                rest = text[end + 1 :]
                return f"{first} {self._say(rest, depth) or rest}"
        return None

    def _each_sentence(self, text: str, depth: int) -> str | None:
        """Return several sentences, when each is known: a pattern reaching over a full stop says it worse."""
        ends = [match.start() for match in _FULL_STOP.finditer(text)]
        if not ends or self._exactly(text):
            return None
        starts = [0, *(end + 1 for end in ends)]
        found = [self._as_one(text[a:b], depth) for a, b in zip(starts, [*ends, len(text)], strict=True)]
        return " ".join(one for one in found if one) if all(found) else None

    def _as_several(self, text: str, depth: int) -> str | None:
        """Return several sentences said after each other, the longest beginning that is known first."""
        ends = [match.start() for match in _END_OF_SENTENCE.finditer(text)]
        for end in reversed(ends):
            if first := self._as_one(text[:end], depth):
                rest = text[end + 1 :]
                return f"{first} {self._say(rest, depth) or rest}"
        if ends:  # the first one is not ours: a name, or what somebody typed
            first, rest = text[: ends[0]], text[ends[0] + 1 :]
            if later := self._say(rest, depth + 1):
                return f"{first} {later}"
        return None


def _only_joins(pattern: Pattern, found: list[str]) -> bool:
    """Tell whether a pattern is little more than a word between names, so that it may stand in a name, too."""
    return pattern.weight <= LIGHT and len(found) > 1


def _all_short(found: list[str]) -> bool:
    return all(text.count(" ") < FEW_WORDS for text in found)


def _other_case(text: str) -> str:
    return text[0].swapcase() + text[1:]


def _as_in(found: str, text: str) -> str:
    """Return a translation with a capital letter where the text has one; a noun keeps its own."""
    return found[0].upper() + found[1:] if text[0].isupper() else found
