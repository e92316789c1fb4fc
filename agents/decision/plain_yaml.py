"""YAML that is JSON in other clothes: read within bounds, with the line of everything; written in one spelling.

Aliases (a bomb), tags, dates and doubled keys are refused, as is what is larger than its bound.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import yaml

Path = tuple[str | int, ...]


class NotPlainError(ValueError):
    """A text is no plain YAML; the message says why, ``line`` where (0: nowhere in particular)."""

    def __init__(self, message: str, line: int = 0) -> None:
        super().__init__(message)
        self.line = line


class PlainLoader(yaml.SafeLoader):
    """YAML that is JSON in other clothes: no aliases (a bomb), no dates, no key twice."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.events.AliasEvent):
            raise yaml.composer.ComposerError(None, None, "aliases are not taken", self.peek_event().start_mark)
        if getattr(self.peek_event(), "tag", None):
            raise yaml.composer.ComposerError(None, None, "tags are not taken", self.peek_event().start_mark)
        return super().compose_node(parent, index)

    def construct_mapping(self, node: Any, deep: bool = False) -> Any:
        seen: set[str] = set()
        for key, _ in node.value:
            if key.tag != "tag:yaml.org,2002:str":
                raise yaml.constructor.ConstructorError(
                    None, None, f"{key.value!r} must stand in quotes to be a name", key.start_mark
                )
            if key.value in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"{key.value!r} stands there twice", key.start_mark
                )
            seen.add(key.value)
        return super().construct_mapping(node, deep=deep)


# A date in a definition is a text: JSON knows none. A number is one as JSON writes it, of a length that is read
# in no time; what YAML takes for one besides (1:30, 0x10, 1_000) is a text.
_OTHER = frozenset({f"tag:yaml.org,2002:{name}" for name in ("timestamp", "int", "float")})
PlainLoader.yaml_implicit_resolvers = {
    first: [(tag, rule) for tag, rule in rules if tag not in _OTHER]
    for first, rules in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_NUMBERS = {
    "int": r"-?(?:0|[1-9][0-9]{0,99})",
    "float": r"-?(?:0|[1-9][0-9]{0,17})(\.[0-9]{1,18})?([eE][-+]?[0-9]{1,2})?",
}
for _tag, _rule in _NUMBERS.items():
    _written = re.compile(rf"^(?:{_rule})$")
    PlainLoader.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", _written, list("-0123456789"))


@dataclass(frozen=True, slots=True)
class Document:
    """One document of a text: its content, and by path the line (from 1) and the text of each single value."""

    content: Any
    lines: Mapping[Path, int] = field(default_factory=dict)
    texts: Mapping[Path, str] = field(default_factory=dict)

    def line(self, path: Path) -> int:
        """Return the line of a value, or of the nearest thing around it."""
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines.get(path, 1)


def read_documents(text: str, most_bytes: int) -> list[Document]:
    """Return the documents of a text, in order; empty ones are left out. Raises NotPlainError."""
    if len(text.encode("utf-8", "replace")) > most_bytes:
        raise NotPlainError(f"The text is larger than {most_bytes // 1024} KB.")
    try:
        loader = PlainLoader(text)
        found = []
        while loader.check_node():
            found.append(_document(loader, loader.get_node()))
    except RecursionError:
        raise NotPlainError("It is nested too deeply.") from None
    except (yaml.YAMLError, ValueError, ArithmeticError) as error:
        mark = getattr(error, "problem_mark", None)
        why = getattr(error, "problem", None) or error
        raise NotPlainError(f"It is no plain YAML: {why}.", mark.line + 1 if mark else 0) from None
    return [document for document in found if document.content is not None]


def _document(loader: PlainLoader, node: Any) -> Document:
    lines: dict[Path, int] = {}
    texts: dict[Path, str] = {}
    waiting: list[tuple[Path, Any]] = [((), node)]
    while waiting:
        path, here = waiting.pop()
        lines[path] = here.start_mark.line + 1
        if isinstance(here, yaml.MappingNode):
            waiting += [((*path, str(key.value)), value) for key, value in here.value]
        elif isinstance(here, yaml.SequenceNode):
            waiting += [((*path, place), value) for place, value in enumerate(here.value)]
        else:
            texts[path] = str(here.value)
    return Document(loader.construct_document(node), lines, texts)


_OTHER_BREAKS = frozenset("\r\x85\u2028\u2029\ufeff")


class _PlainDumper(yaml.SafeDumper):
    """One spelling: no aliases, texts of several lines as they are, lists inside what they belong to."""

    def ignore_aliases(self, data: Any) -> bool:
        return True

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        super().increase_indent(flow, False)


def _text(dumper: yaml.SafeDumper, text: str) -> Any:
    style = "|" if "\n" in text else None  # where that cannot hold it, the library quotes it
    if not _OTHER_BREAKS.isdisjoint(text):
        style = '"'  # a break that is no line feed would be read back as one
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_PlainDumper.add_representer(str, _text)


def write_documents(documents: Iterable[Mapping[str, Any]]) -> str:
    """Return documents as one text; the same content always gives the same bytes."""
    return "---\n".join(
        yaml.dump(
            dict(document),
            Dumper=_PlainDumper,
            sort_keys=False,
            allow_unicode=True,
            default_flow_style=False,
            width=1_000_000,
        )
        for document in documents
    )
