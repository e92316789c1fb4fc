"""What the bytes of a document say, for somebody who reads it here. Pure; nothing of it is trusted."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum, auto
from typing import Any
from xml.etree import ElementTree

from workflows.pages.words import Fact, facts_of, humanize

MOST_BYTES = 512 * 1024  # so much of a text is read here
MOST_PICTURE_BYTES = 10 * 1024 * 1024
MOST_LINES = 500
MOST_COLUMNS = 20
MOST_DEPTH = 8  # deeper is shown as deep
PICTURES = {b"\x89PNG\r\n\x1a\n": "image/png", b"\xff\xd8\xff": "image/jpeg"}
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")


class Way(StrEnum):
    """How a document is read. Nothing: it can only be downloaded."""

    OUTLINE = auto()
    FACTS = auto()
    TABLE = auto()
    TEXT = auto()
    PICTURE = auto()
    NOTHING = auto()


@dataclass(frozen=True, slots=True)
class Line:
    """A value of a document made of parts within parts. depth: from 0."""

    depth: int
    name: str
    value: str


@dataclass(frozen=True, slots=True)
class Shown:
    """A document to be read: in whichever way it is clearest. is_cut: more of it is in the file."""

    kind: Way
    outline: tuple[Line, ...] = ()
    facts: tuple[Fact, ...] = ()
    table: tuple[tuple[str, ...], ...] = ()
    text: str = ""
    is_cut: bool = False


def picture_type(head: bytes) -> str:
    """Return the media type of a picture by its first bytes, '' for anything that no browser need look at."""
    return next((kind for mark, kind in PICTURES.items() if head.startswith(mark)), "")


def shown_of(content: bytes, size: int, name: str) -> Shown:
    """Return how a document is read; ``content`` are its first bytes, MOST_BYTES at most, of ``size``."""
    if picture_type(content):
        return Shown(Way.PICTURE if size <= MOST_PICTURE_BYTES else Way.NOTHING)
    text = _text(content, is_whole=len(content) == size)
    if text is None:
        return Shown(Way.NOTHING)
    is_whole = len(content) == size
    found = _structured(text, name) if is_whole else None
    return found or Shown(Way.TEXT, text=text, is_cut=not is_whole)


def _text(content: bytes, *, is_whole: bool) -> str | None:
    """Return bytes as text, None for what is none. What was cut may end within a character."""
    for end in range(1 if is_whole else 4):
        try:
            text = content[: len(content) - end].decode("utf-8-sig")
        except UnicodeDecodeError:
            continue
        return None if "\x00" in text else text
    return None


def _structured(text: str, name: str) -> Shown | None:
    bare = text.lstrip()
    if bare.startswith(("{", "[")):
        return _json(bare)
    if bare.startswith("<"):
        return _xml(bare)
    return _csv(text) if name.lower().endswith(".csv") else None


def _json(text: str) -> Shown | None:
    try:
        value: Any = json.loads(text)
        return Shown(Way.FACTS, facts=tuple(facts_of(value))) if isinstance(value, dict) else None
    except (ValueError, RecursionError):
        return None


def _xml(text: str) -> Shown | None:
    """Read a tree of elements. A document type may define entities that grow without end: it stays text."""
    if "<!doctype" in text.lower() or "<!entity" in text.lower():
        return None
    try:
        root = ElementTree.fromstring(text.encode())  # noqa: S314 - no document type, so no entities
    except (ElementTree.ParseError, ValueError, LookupError):
        return None
    lines = [line for line, _count in zip(_lines(root), range(MOST_LINES + 1), strict=False)]
    return Shown(Way.OUTLINE, outline=tuple(lines[:MOST_LINES]), is_cut=len(lines) > MOST_LINES)


def _lines(root: ElementTree.Element) -> Iterator[Line]:
    waiting = [(root, 0)]
    while waiting:
        element, depth = waiting.pop()
        more = ", ".join(f"{_name(key)}: {value}" for key, value in element.attrib.items() if "}" not in key)
        value = " ".join((element.text or "").split())
        yield Line(min(depth, MOST_DEPTH), _name(element.tag), f"{value} ({more})".strip() if more else value)
        waiting.extend((child, depth + 1) for child in reversed(element))


def _name(tag: str) -> str:
    """Return ``{urn:...}InvoiceLine`` as ``Invoice line``."""
    words = _CAMEL.sub(" ", tag.rpartition("}")[2]).split(" ")
    return humanize(" ".join(word if word.isupper() else word.lower() for word in words))


def _csv(text: str) -> Shown | None:
    head = text[:2000].splitlines()[0] if text.strip() else ""
    divider = max(";,\t", key=head.count)
    if not head.count(divider):
        return None
    try:
        rows = [tuple(row[:MOST_COLUMNS]) for row in csv.reader(io.StringIO(text), delimiter=divider) if row]
    except csv.Error:
        return None
    width = max(map(len, rows))
    whole = tuple((*row, *[""] * (width - len(row))) for row in rows[: MOST_LINES + 1])
    return Shown(Way.TABLE, table=whole, is_cut=len(rows) > MOST_LINES + 1)
