"""What a field of a form offers: few things are listed, and among many one is found by what somebody types."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol
from uuid import UUID

from django.db.models import Q, QuerySet

from audit.wording import said

MOST_LISTED = 100
MOST_FOUND = 20
MOST_TYPED = 200
MOST_WORDS = 6
CODED = re.compile(r"^(?P<name>.*) \((?P<code>[^()]*)\)$")


@dataclass(frozen=True, slots=True)
class Choice:
    """One thing: what a form posts for it, its name, and the code that tells it from its namesakes, if any."""

    value: str
    name: str
    code: str = ""

    @property
    def coded(self) -> str:
        """Return its name with its code."""
        return f"{self.name} ({self.code})" if self.code else self.name


class Shelf(Protocol):
    """The things of one kind. ``title`` heads them in a list, ``word`` is what one of them is ('': no need)."""

    @property
    def title(self) -> str: ...
    @property
    def word(self) -> str: ...
    def read(self, words: Sequence[str], most: int) -> list[Choice]:
        """Return those that have all words in name or code, in the order of names."""

    def at(self, value: str) -> Choice | None:
        """Return what is posted like this."""

    def called(self, name: str, code: str) -> list[Choice]:
        """Return what has this name or code; an empty one does not count."""


@dataclass(frozen=True, slots=True)
class Rows:
    """Things that the database has, maybe very many: rows with a name and a code, in their order."""

    rows: Callable[[], QuerySet[Any]]
    prefix: str = ""
    title: str = ""
    word: str = ""
    columns: tuple[str, str] = ("name", "code")

    def read(self, words: Sequence[str], most: int) -> list[Choice]:
        """Look them up."""
        found = self.rows()
        for word in words:
            found = found.filter(self._either(word, word))
        return self._chosen(found, most)

    def at(self, value: str) -> Choice | None:
        """Look up a key behind the prefix."""
        try:
            key = UUID(value.removeprefix(self.prefix)) if value.startswith(self.prefix) else None
        except ValueError:
            return None
        return next(iter(self._chosen(self.rows().filter(pk=key), 1)), None) if key else None

    def called(self, name: str, code: str) -> list[Choice]:
        """Look them up as exactly this, in capital or small letters."""
        return self._chosen(self.rows().filter(self._either(name, code, exact=True)), MOST_FOUND + 1)

    def _either(self, name: str, code: str, *, exact: bool = False) -> Q:
        asked = [(column, text) for column, text in zip(self.columns, (name, code), strict=True) if text]
        wanted = [
            Q(**{f"{column}__iexact" if exact else f"{column}__icontains": text}) for column, text in asked
        ]
        found = Q(pk__in=[])
        for one in wanted:
            found |= one
        return found

    def _chosen(self, rows: QuerySet[Any], most: int) -> list[Choice]:
        few = rows.values_list("pk", *self.columns)[:most]
        return [Choice(f"{self.prefix}{key}", name, code) for key, name, code in few]


@dataclass(frozen=True, slots=True)
class Few:
    """Things that are few by their nature, read whole."""

    every: Callable[[], Iterable[Choice]]
    title: str = ""
    word: str = ""

    def read(self, words: Sequence[str], most: int) -> list[Choice]:
        """Look through them."""
        asked = [word.casefold() for word in words]
        found = (one for one in self.every() if all(word in _folded(one) for word in asked))
        return list(found)[:most]

    def at(self, value: str) -> Choice | None:
        """Look through them for a value."""
        return next((one for one in self.every() if one.value == value), None)

    def called(self, name: str, code: str) -> list[Choice]:
        """Look through them for a name, also as its reader's language has it, or a code."""
        return [one for one in self.every() if _is_called(one, name.casefold(), code.casefold())]


@dataclass(frozen=True, slots=True)
class Found:
    """What was found: as it stands in the box, unlike any other, and the title it stands under, if any."""

    choice: Choice
    label: str
    shelf: str


@dataclass(frozen=True, slots=True)
class Offer:
    """Shelves of things one of which is chosen; ``shows_codes`` in a list, where names alone would not do."""

    shelves: tuple[Shelf, ...]
    shows_codes: bool = False

    def listed(self) -> list[tuple[str, list[tuple[str, str]]]] | None:
        """Return value and name of everything under its title; None where it is too much for a list."""
        found, left = [], MOST_LISTED
        for shelf in self.shelves:
            choices = shelf.read((), left + 1)
            left -= len(choices)
            if left < 0:
                return None
            pairs = [(one.value, one.coded if self.shows_codes else one.name) for one in choices]
            found.append((shelf.title, pairs))
        return found

    def found(self, text: str, most: int = MOST_FOUND) -> list[Found]:
        """Return what has all words of a text in name or code, without words the first; at most so many."""
        words = _clean(text).split()[:MOST_WORDS]
        found: list[Found] = []
        for shelf in self.shelves:
            if len(found) < most:
                found += [self._told(shelf, one) for one in shelf.read(words, most - len(found))]
        return found

    def meant(self, text: str) -> list[Found]:
        """Return what is meant: by its value, else as it stands in the box, else by its code or its whole name.

        Several: what was typed does not say which.
        """
        text = _clean(text)
        if not text:
            return []
        for shelf in self.shelves:
            if (one := shelf.at(text)) is not None:
                return [self._told(shelf, one)]
        found = [self._told(shelf, one) for shelf in self.shelves for one in shelf.called(text, text)]
        return self._labelled(text) or found

    def value_of(self, text: str) -> str:
        """Return the value of what is meant, '' where that is not one thing."""
        meant = self.meant(text)
        return meant[0].choice.value if len(meant) == 1 else ""

    def _labelled(self, text: str) -> list[Found]:
        found = []
        for shelf in self.shelves:
            bare = text.removesuffix(self._kind(shelf))
            parts = CODED.match(bare)
            near = [*shelf.called("", parts["code"])] if parts else []
            near += shelf.called(bare, "") if bare != text else []
            found += [self._told(shelf, one) for one in near]
        return [one for one in found if one.label.casefold() == text.casefold()]

    def _told(self, shelf: Shelf, one: Choice) -> Found:
        name = said(one.name) if isinstance(shelf, Few) else one.name
        coded = f"{name} ({one.code})" if one.code else name
        return Found(one, f"{coded}{self._kind(shelf)}", said(shelf.title) if shelf.title else "")

    def _kind(self, shelf: Shelf) -> str:
        return f", {said(shelf.word)}" if shelf.word and len(self.shelves) > 1 else ""


_offers: dict[str, tuple[Offer, frozenset[str]]] = {}


def register_offer(of: str, offer: Offer, *permissions: str) -> None:
    """Let those search it at ``choices/<of>/`` who hold one of these permissions: those of its forms."""
    _offers[of] = offer, frozenset(permissions)


def registered_offers() -> dict[str, tuple[Offer, frozenset[str]]]:
    """Return every offer that can be searched, and one of which permissions it takes; none: nobody."""
    return dict(_offers)


def _clean(text: str) -> str:
    return "".join(each for each in text[:MOST_TYPED] if each.isprintable()).strip()


def _folded(one: Choice) -> str:
    return f"{one.name} {said(one.name)} {one.code}".casefold()


def _is_called(one: Choice, name: str, code: str) -> bool:
    is_named = bool(name) and name in (one.name.casefold(), said(one.name).casefold())
    return is_named or (bool(code) and one.code.casefold() == code)
