"""The sentences of one language: whole ones, and ones with holes for names, numbers or sentences again."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from functools import cached_property, lru_cache

from audit.wording.patterns import Pattern, holes_of, joined
from audit.wording.reading import Reading
from audit.wording.words import WORD, as_in, other_case

# Longer than any text of ours: what somebody wrote is left alone.
MOST_CHARACTERS = 2000
# Longer than what the ledger keeps of a sentence: such a text is looked up whole, and not looked through for
# patterns. A page of reasons that agents made up would otherwise keep its reader waiting.
MOST_READ = 500
_KEPT = 8192
_LETTERS = 200  # more than any language begins its sentences with
_RATHER = 4  # an example that stays as it is in the other language makes no word of it
_QUOTED = re.compile(r"“([^”]*)”")
_HOLE = re.compile(r"\{\d+\}")
_COVER = "\ue000{}\ue001"  # of a private area of Unicode, which no sentence of ours has


_COUNTED = re.compile(r"\{0\} [a-z]+")


class Sentences:
    """Translate what was said in English, by a catalogue of sentences and patterns.

    ``known``: English to the other language, with numbered holes (``{0}``) the same in both.
    ``last``: what is done to the figures of a sentence at the end (money and dates as written there).
    """

    def __init__(self, known: Mapping[str, str], last: Callable[[str], str] = str) -> None:
        self._known = known
        self._whole = {source: target for source, target in known.items() if target and not holes_of(source)}
        patterns = [
            Pattern(*joined(source, target)) for source, target in known.items() if target and holes_of(source)
        ]
        self._quoted = {inner for source in known for inner in _QUOTED.findall(source)}
        self._patterns = sorted(patterns, key=lambda it: -it.weight)
        self._last = last
        self._remembered = lru_cache(_KEPT)(self._whole_text)
        self._beginning_with = lru_cache(_LETTERS)(self._patterns_of)

    def say(self, text: str) -> str:
        """Return a text in the other language; what the catalogue does not know stays as it is."""
        if len(text) > MOST_CHARACTERS:
            return text
        return self._remembered(text)

    def exactly(self, text: str) -> str | None:
        """Return a whole text; a sentence is known with and without its capital letter and its full stop."""
        if found := self._as_known(text):
            return found
        if text.endswith((".", ":")):
            return f"{found}{text[-1]}" if (found := self._as_known(text[:-1])) else None
        return found.removesuffix(".") if (found := self._as_known(f"{text}.")) else None

    def patterns_for(self, text: str) -> list[Pattern]:
        """Return the patterns that may begin as a text does, those that say most first."""
        return self._beginning_with(text[0].lower())

    @property
    def patterns(self) -> list[Pattern]:
        """All patterns, those that say most first."""
        return list(self._patterns)

    @cached_property
    def english(self) -> frozenset[str]:
        """The words, in small letters, that hardly any sentence but the English ones uses."""
        ours = _words_of(self._known)
        theirs = _words_of(self._known.values())
        return frozenset(word for word, times in ours.items() if theirs[word] * _RATHER < times)

    @cached_property
    def counting(self) -> frozenset[str]:
        """The patterns of a number before one word, known for one and for many of it."""
        one_word = {text for text in self._known if _COUNTED.fullmatch(text)}
        return frozenset(
            text for text in one_word if {f"{text}s", text.removesuffix("s")} & (one_word - {text})
        )

    def _patterns_of(self, letter: str) -> list[Pattern]:
        return [it for it in self._patterns if not it.parts[0] or it.parts[0][0].lower() == letter]

    def _whole_text(self, text: str) -> str:
        kept: list[str] = []

        def covered(found: re.Match[str]) -> str:
            # What stands in quotation marks is somebody's own words: a part of them is not ours to translate.
            if found[1] in self._quoted or " " not in found[1]:
                return found[0]
            kept.append(found[1])
            return f"“{_COVER.format(len(kept) - 1)}”"

        shown = self.exactly(text)
        if shown is None and len(text) <= MOST_READ:
            shown = Reading(self).say(_QUOTED.sub(covered, text))
        if shown is None:
            return self._last(text)
        shown = self._last(shown)
        for place, words in enumerate(kept):
            shown = shown.replace(_COVER.format(place), words)
        return shown

    def _as_known(self, text: str) -> str | None:
        if not text:
            return None
        if found := self._whole.get(text):
            return found
        found = self._whole.get(other_case(text))
        return as_in(found, text) if found else None


def _words_of(texts: Iterable[str]) -> Counter[str]:
    return Counter(word.lower() for text in texts for word in WORD.findall(_HOLE.sub(" ", text)))
