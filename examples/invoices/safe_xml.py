"""Read an XML file that may come from anybody: bounded in memory, time and depth, and without entities.

    root = read(data, names={"urn:...:CommonBasicComponents-2": "cbc"}, skip={"cac:Signature"})
    root.text("cac:OrderReference/cbc:ID")

What is not in one of the named namespaces is skipped, with everything in it, and so is what ``skip`` names: an
attachment of several megabytes costs the time to read past it and no memory. Names are resolved by namespace
address; the prefix that a file happens to use means nothing.

A document type declaration is refused before anything in it is read, so there are no entities to expand
(billion laughs) and none to fetch.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from xml.parsers import expat

MOST_BYTES = 32 * 1024 * 1024
MOST_DEPTH = 40
MOST_ELEMENTS = 100_000
MOST_TEXT = 100_000  # characters in one element that is kept
CHUNK = 64 * 1024
# One tag, comment or processing instruction. Expat holds a whole one in memory and reads it again per chunk.
MOST_MARKUP = 4 * CHUNK


class Unreadable(Exception):
    """The file is not read; ``code`` is ``hostile`` or ``malformed``, the message says why."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code, self.message = code, message


@dataclass(slots=True)
class Element:
    """One element that was kept, with the short name of its namespace: ``cbc:ID``."""

    name: str
    attributes: Mapping[str, str]
    children: list[Element] = field(default_factory=list)
    content: str = ""

    def all(self, path: str) -> Iterator[Element]:
        """Yield every element at a path such as ``cac:Party/cac:PartyName``."""
        name, _, rest = path.partition("/")
        for child in self.children:
            if child.name == name:
                yield from child.all(rest) if rest else (child,)

    def first(self, path: str) -> Element | None:
        """Return the first element at a path that has anything in it."""
        return next((found for found in self.all(path) if found.content.strip() or found.children), None)

    def text(self, path: str) -> str:
        """Return the text of the first element at a path that has any, '' if there is none."""
        return next((text for found in self.all(path) if (text := found.content.strip())), "")


def read(data: bytes, *, names: Mapping[str, str], skip: Collection[str] = ()) -> Element:
    """Return the root element; raise Unreadable for what is not XML and for what is made to do harm."""
    if len(data) > MOST_BYTES:
        raise Unreadable("hostile", f"The file has {len(data)} bytes; at most {MOST_BYTES} are read.")
    builder = _Builder(names, frozenset(skip))
    parser = builder.parser
    try:
        for start in range(0, len(data), CHUNK):
            parser.Parse(data[start : start + CHUNK], False)
            if min(start + CHUNK, len(data)) - parser.CurrentByteIndex > MOST_MARKUP:
                raise Unreadable("hostile", f"One piece of markup is longer than {MOST_MARKUP} bytes.")
        parser.Parse(b"", True)
    except expat.ExpatError as error:
        reason = expat.errors.messages.get(error.code, "unknown")
        raise Unreadable("malformed", f"Not well-formed XML: {reason} at line {error.lineno}.") from error
    except (LookupError, ValueError) as error:  # an encoding that Python or expat does not know
        raise Unreadable("malformed", "The encoding that the XML declares is not known.") from error
    if builder.root is None:
        raise Unreadable("malformed", "Not XML: there is no element.")
    return builder.root


class _Builder:
    """Keeps the elements that count while expat reads past the others."""

    def __init__(self, names: Mapping[str, str], skip: frozenset[str]) -> None:
        self.names, self.skip = names, skip
        self.root: Element | None = None
        self.open: list[Element] = []
        self.parts: list[str] = []
        self.depth = self.kept = self.length = 0
        self.skipped_from = 0  # depth of the element whose content is being skipped, 0 if none is
        self.parser: Any = expat.ParserCreate(namespace_separator=" ")
        self.parser.buffer_text = True
        self.parser.StartDoctypeDeclHandler = self._refuse_doctype
        self.parser.EntityDeclHandler = self._refuse_doctype
        self.parser.StartElementHandler = self._start
        self.parser.EndElementHandler = self._end
        self.parser.CharacterDataHandler = self._text

    def _refuse_doctype(self, *_: Any) -> None:
        raise Unreadable("hostile", "The file declares a document type; an invoice needs none.")

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        self.depth += 1
        if self.depth > MOST_DEPTH:
            raise Unreadable("hostile", f"Elements are nested deeper than {MOST_DEPTH}.")
        if self.skipped_from:
            return
        short = self._short(name)
        if self.root is not None and (not short or short in self.skip):
            self.skipped_from = self.depth
            return
        self.kept += 1
        if self.kept > MOST_ELEMENTS:
            raise Unreadable("hostile", f"The file has more than {MOST_ELEMENTS} elements.")
        self._open_element(Element(short or name, attributes))

    def _open_element(self, element: Element) -> None:
        if self.open:
            self.open[-1].children.append(element)
        else:
            self.root = element
        self.open.append(element)
        self.parts, self.length = [], 0

    def _end(self, _name: str) -> None:
        if self.skipped_from:
            if self.skipped_from == self.depth:
                self.skipped_from = 0
        else:
            element = self.open.pop()
            # Text beside child elements means nothing in UBL, so only that of a leaf is kept.
            if not element.children:
                element.content = "".join(self.parts)
            self.parts, self.length = [], 0
        self.depth -= 1

    def _text(self, text: str) -> None:
        if self.skipped_from:
            return
        self.length += len(text)
        if self.length > MOST_TEXT:
            raise Unreadable("hostile", f"One text is longer than {MOST_TEXT} characters.")
        self.parts.append(text)

    def _short(self, name: str) -> str:
        address, _, local = name.rpartition(" ")
        prefix = self.names.get(address)
        return f"{prefix}:{local}" if prefix else ""
