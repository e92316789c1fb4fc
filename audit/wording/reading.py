"""One text that is being said in another language, by the sentences and patterns that are known.

Of several patterns a text may be of, the one is taken whose holes hold only what is known: a name, a number, or
a sentence that is known again. A sentence that could only be said by half stays as it is.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from audit.wording.patterns import Pattern
from audit.wording.words import WORD, as_in, is_name, other_case

MOST_WITHIN = 4
# How often all patterns are looked through for one text: a long one of words of ours, made up by an agent,
# would otherwise keep whoever looks at it waiting for seconds.
MOST_LOOKS = 400
MOST_SENTENCES = 60
MOST_TRIED = 8
# What stands by itself is read like a text of its own; a longer one could hold too many of them in each other.
MOST_ALONE = 200
# ``{0} of {1}`` joins names; in a name, or around half a sentence, it would only mix two languages.
LIGHT = 6
_END_OF_SENTENCE = re.compile(r"(?<=[.!?:;]) ")
_FULL_STOP = re.compile(r"(?<=[.!?]) ")
_ASIDE = re.compile(r"(.+) \(([^()]+)\)(\.?)")
_NOTHING_TO_SAY = re.compile(r"[\W\d_]*")


class Known(Protocol):
    """What is known of a language: :class:`audit.wording.sentences.Sentences`."""

    @property
    def english(self) -> frozenset[str]:
        """The words that only the English sentences use."""

    @property
    def counting(self) -> frozenset[str]:
        """The patterns of a number before a word, which there are for one and for many: ``{0} agents``."""

    def exactly(self, text: str) -> str | None:
        """Return a whole text, or None."""

    def patterns_for(self, text: str) -> list[Pattern]:
        """Return the patterns that may begin as a text does, those that say most first."""


@dataclass(frozen=True, slots=True)
class _Try:
    """A text by one pattern: what came of it, and how many words of English are left in it."""

    said: str
    left: int
    may_stand: bool


class Reading:
    """Says one text; what was found out about a part of it is kept until it is said."""

    def __init__(self, known: Known) -> None:
        self._known = known
        self._looks = 0
        self._found: dict[tuple[str, int], str | None] = {}

    def say(self, text: str) -> str | None:
        """Return a text translated, or None when nothing of it is known, or it would take too long."""
        if len(_END_OF_SENTENCE.findall(text)) > MOST_SENTENCES:
            return None
        said = self._say(text, 0)
        return None if self._looks > MOST_LOOKS else said

    def _say(self, text: str, depth: int) -> str | None:
        if not text or _NOTHING_TO_SAY.fullmatch(text) or depth > MOST_WITHIN:
            return None
        key = (text, depth)
        if key not in self._found:
            self._found[key] = self._best_of(self._ways(text, depth))
        return self._found[key]

    def _ways(self, text: str, depth: int) -> Iterator[str | None]:
        """Yield what each way to read a text makes of it, the surest first."""
        yield self._as_list(text)
        yield self._as_sentences(text, depth)
        yield self._each_sentence(text, depth)
        yield self._as_one(text, depth)
        yield self._with_aside(text, depth)
        yield self._as_several(text, depth)

    def _best_of(self, ways: Iterator[str | None]) -> str | None:
        """Return the first that is said whole, else the one that leaves least in English."""
        best, least = None, 0
        for said in ways:
            if said is None:
                continue
            left = self._left_in(said)
            if not left:
                return said
            if best is None or left < least:
                best, least = said, left
        return best

    def _as_one(self, text: str, depth: int) -> str | None:
        if found := self._known.exactly(text):
            return found
        return self._best_of(self._with_and_without_full_stop(text, depth))

    def _with_and_without_full_stop(self, text: str, depth: int) -> Iterator[str | None]:
        yield self._by_pattern(text, depth)
        if text.endswith("."):
            bare = self._by_pattern(text[:-1], depth)
            yield f"{bare}." if bare else None

    def _by_pattern(self, text: str, depth: int) -> str | None:
        """Return a text by the pattern that leaves least of it in English; of two, by the one that says more.

        It is None where what is left is more than a name: the sentence would come half in each language.
        """
        best: _Try | None = None
        for tried in self._tries(text, depth):
            if not tried.may_stand:
                continue
            if not tried.left:
                return tried.said
            if best is None or tried.left < best.left:
                best = tried
        return best.said if best else None

    def _tries(self, text: str, depth: int) -> Iterator[_Try]:
        """Yield what the patterns make of a text, with or without its capital letter, the heaviest first."""
        self._looks += 1
        if not text or self._looks > MOST_LOOKS:
            return
        other, tried = other_case(text), 0
        for pattern in self._known.patterns_for(text):
            if pattern.weight > len(text):
                continue
            found = pattern.found_in(text)
            if found is None and pattern.parts[0]:
                found = pattern.found_in(other)
            if found is None or (_only_joins(pattern) and (depth or not self._may_join(pattern, found))):
                continue
            if (
                pattern.source in self._known.counting
                and not found[0][0].isdigit()
                and self._known.exactly(found[0]) is None
            ):
                continue  # a name that ends in our word: `Customer support agent`
            yield self._try(pattern, found, text, depth)
            tried += 1
            if tried == MOST_TRIED:
                return

    def _try(self, pattern: Pattern, found: list[str], text: str, depth: int) -> _Try:
        alone = [pattern.stands_alone(place) for place in range(len(found))]
        said = [
            self._say(each, 0 if by_itself and not depth and len(each) <= MOST_ALONE else depth + 1)
            for each, by_itself in zip(found, alone, strict=True)
        ]
        within = [one or each for one, each in zip(said, found, strict=True)]
        filled = pattern.filled(within)
        return _Try(
            as_in(filled, text) if pattern.parts[0] else filled,
            sum(map(self._left_in, within)),
            all(
                one or by_itself or is_name(each)
                for each, one, by_itself in zip(found, said, alone, strict=True)
            ),
        )

    def _left_in(self, text: str) -> int:
        return sum(word.lower() in self._known.english for word in WORD.findall(text))

    def _may_join(self, pattern: Pattern, found: list[str]) -> bool:
        """Tell whether what stands on both sides of a small word is known, a number, or one word."""
        return all(
            pattern.stands_alone(place)
            or self._known.exactly(text)
            or (" " not in text and not self._left_in(text))
            for place, text in enumerate(found)
        )

    def _as_list(self, text: str) -> str | None:
        """Return words that are listed, when one is known and those that are not are names of one word."""
        words = text.split(", ")
        if len(words) == 1 or self._known.exactly(text):
            return None
        found = [self._known.exactly(word) for word in words]
        if not any(found) or any(" " in word for word, one in zip(words, found, strict=True) if not one):
            return None
        return ", ".join(one or word for word, one in zip(words, found, strict=True))

    def _with_aside(self, text: str, depth: int) -> str | None:
        """Return a name, or a sentence, with what is said of it in brackets at its end."""
        match = _ASIDE.fullmatch(text)
        if match is None:
            return None
        before = self._say(match[1], depth + 1)
        whole = self._known.exactly(f"({match[2]})")
        aside = whole[1:-1] if whole else self._say(match[2], depth + 1)
        if before is None and (aside is None or not is_name(match[1])):
            return None
        return f"{before or match[1]} ({aside or match[2]}){match[3]}"

    def _as_sentences(self, text: str, depth: int) -> str | None:
        """Return several sentences, when those at the beginning are known as they stand."""
        for end in reversed([match.start() for match in _END_OF_SENTENCE.finditer(text)]):
            if first := self._known.exactly(text[:end]):
                return self._followed(first, text[end + 1 :], depth)
        return None

    def _each_sentence(self, text: str, depth: int) -> str | None:
        """Return several sentences, when each is known: a pattern reaching over a full stop says it worse."""
        ends = [match.start() for match in _FULL_STOP.finditer(text)]
        if not ends or self._known.exactly(text):
            return None
        starts = [0, *(end + 1 for end in ends)]
        found: list[str] = []
        for a, b in zip(starts, [*ends, len(text)], strict=True):
            one = self._as_one(text[a:b], depth)
            if one is None:
                return None
            found.append(one)
        return " ".join(found)

    def _as_several(self, text: str, depth: int) -> str | None:
        """Return several sentences said after each other, the longest beginning that is known first."""
        ends = [match.start() for match in _END_OF_SENTENCE.finditer(text)]
        for end in reversed(ends):
            first = self._as_one(text[:end], depth)
            if first and (said := self._followed(first, text[end + 1 :], depth)):
                return said
        if ends:  # the first one is not ours: a name, or what somebody typed
            first, rest = text[: ends[0]], text[ends[0] + 1 :]
            if (first[-1] in ".!?" or is_name(first)) and (later := self._say(rest, depth + 1)):
                return f"{first} {later}"
        return None

    def _followed(self, first: str, rest: str, depth: int) -> str | None:
        """Return a beginning that is known with what comes after it; half a sentence is none."""
        said = self._say(rest, depth)
        if said is None and first.endswith(";") and not is_name(rest):
            return None
        return f"{first} {said or rest}"


def _only_joins(pattern: Pattern) -> bool:
    """Tell whether a pattern is little more than a word between names, so that it may stand in a name, too."""
    return pattern.weight <= LIGHT and len(pattern.parts) > 2
