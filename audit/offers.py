"""What a field of a form offers: few things are listed, and among many one is found by what somebody types."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Protocol
from uuid import UUID

from django.conf import settings
from django.db.models import Q, QuerySet
from django.utils import translation

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
        return self._chosen(self.fitting(words), most)

    def fitting(self, words: Sequence[str]) -> QuerySet[Any]:
        """Return all rows that have all words in name or code."""
        found = self.rows()
        for word in words:
            found = found.filter(self._either(word, word))
        return found

    def at(self, value: str) -> Choice | None:
        """Look up a key behind the prefix."""
        try:
            key = UUID(value.removeprefix(self.prefix)) if value.startswith(self.prefix) else None
        except ValueError:
            return None
        return next(iter(self._chosen(self.rows().filter(pk=key), 1)), None) if key else None

    def called(self, name: str, code: str) -> list[Choice]:
        """Look them up as exactly this, in capital or small letters."""
        return self._chosen(self.exactly(name, code), MOST_FOUND + 1)

    def exactly(self, name: str, code: str) -> QuerySet[Any]:
        """Return all rows that have this name or code, in capital or small letters."""
        return self.rows().filter(self._either(name, code, exact=True))

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
        """Look through them for a name, as any language has it, or a code."""
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
        words = words_of(text)
        found: list[Found] = []
        for shelf in self.shelves:
            if len(found) < most:
                found += [self._told(shelf, one) for one in shelf.read(words, most - len(found))]
        return found

    def meant(self, text: str) -> list[Found]:
        """Return what is meant: by its value, else as it stands in the box, else by its code or its whole name.

        As a box shows it in any language: it is shown in its reader's, and read where Python speaks English.
        Several: what was typed does not say which.
        """
        text = clean(text)
        if not text:
            return []
        for shelf in self.shelves:
            if (one := shelf.at(text)) is not None:
                return [self._told(shelf, one)]
        called = [(shelf, one) for shelf in self.shelves for one in shelf.called(text, text)]
        near = {one.value: (shelf, one) for shelf, one in [*called, *self._near(text)]}
        shown = [(shelf, one) for shelf, one in near.values() if text.casefold() in self._labels(shelf, one)]
        return [self._told(shelf, one) for shelf, one in shown or called]

    def value_of(self, text: str) -> str:
        """Return the value of what is meant, '' where that is not one thing."""
        meant = self.meant(text)
        return meant[0].choice.value if len(meant) == 1 else ""

    def _near(self, text: str) -> list[tuple[Shelf, Choice]]:
        """Return what may stand in the box like this: by its code in brackets, or its name before its kind."""
        found: list[tuple[Shelf, Choice]] = []
        for shelf in self.shelves:
            for kind in in_each_language(partial(self._kind, shelf)):
                if not text.endswith(kind):
                    continue
                bare = text.removesuffix(kind)
                parts = CODED.match(bare)
                found += [(shelf, one) for one in shelf.called("", parts["code"])] if parts else []
                found += [(shelf, one) for one in shelf.called(bare, "")] if kind else []
        return found

    def _labels(self, shelf: Shelf, one: Choice) -> set[str]:
        return {told.casefold() for told in in_each_language(lambda: self._told(shelf, one).label)}

    def _told(self, shelf: Shelf, one: Choice) -> Found:
        name = said(one.name) if isinstance(shelf, Few) else one.name
        return Found(
            one, f"{replace(one, name=name).coded}{self._kind(shelf)}", said(shelf.title) if shelf.title else ""
        )

    def _kind(self, shelf: Shelf) -> str:
        return f", {said(shelf.word)}" if shelf.word and len(self.shelves) > 1 else ""


# What is offered to somebody, and with which permissions it may be searched; None: by each person.
Search = tuple[Callable[[Any], Offer], frozenset[str] | None]
_offers: dict[str, Search] = {}


def register_offer(of: str, offer: Offer, *permissions: str) -> None:
    """Let those search it at ``choices/<of>/`` who hold one of these permissions: those of its forms."""
    _offers[of] = (lambda user: offer), frozenset(permissions)


def register_own_rows(of: str, rows: Callable[[Any], QuerySet[Any]]) -> None:
    """Let each person search the rows they may see at ``choices/<of>/``."""
    _offers[of] = (lambda user: Offer((Rows(partial(rows, user)),))), None


def registered_offers() -> dict[str, Search]:
    """Return what can be searched, and by one of which permissions; an empty set: by nobody."""
    return dict(_offers)


def clean(text: str) -> str:
    """Return what was typed without what cannot be seen, cut off where no name is so long."""
    return "".join(each for each in text[:MOST_TYPED] if each.isprintable()).strip()


def words_of(text: str) -> list[str]:
    """Return the words of what was typed, the first few of them."""
    return clean(text).split()[:MOST_WORDS]


def in_each_language(make: Callable[[], str]) -> list[str]:
    """Return what is made while each language of the portal is spoken, each text once."""
    found = []
    for language, _ in settings.LANGUAGES:
        with translation.override(language):
            found.append(make())
    return list(dict.fromkeys(found))


def _folded(one: Choice) -> str:
    return f"{' '.join(_names_of(one))} {one.code}".casefold()


def _names_of(one: Choice) -> list[str]:
    return in_each_language(lambda: said(one.name))


def _is_called(one: Choice, name: str, code: str) -> bool:
    is_named = bool(name) and name in [each.casefold() for each in (one.name, *_names_of(one))]
    return is_named or (bool(code) and one.code.casefold() == code)
