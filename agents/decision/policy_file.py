"""Policies and limits as a text that engineers review in git: what may stand in it, and what is wrong with it.

A file is a list of documents of the kinds ``policy`` and ``limits``. It names things by their codes, never by
ids. Which fields a rule or a limit has is given by the caller, so that a new one comes along by itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from unicodedata import category

from agents.decision.plain_yaml import Document, NotPlainError, Path, read_documents, write_documents

MOST_BYTES = 1024 * 1024
MOST_RULES = 5_000
_TURNED = frozenset("\u2066\u2067\u2068\u2069")
SCOPES = ("department", "role", "agent")
POLICY_KEYS = ("kind", "code", "name", "purpose", "binds", "rules")


@dataclass(frozen=True, slots=True)
class FieldSpec:
    """One field of a rule or limit.

    ``kind``: text, whole, flag, list (of texts), lines (mappings of texts), name (of another thing), json.
    ``always``: written even where it is the default.
    """

    name: str
    kind: str
    default: Any
    choices: tuple[str, ...] = ()
    always: bool = False


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong in a file, where, and what to write instead."""

    line: int
    path: str
    message: str

    def __str__(self) -> str:
        where = ", ".join(part for part in (f"line {self.line}" if self.line else "", self.path) if part)
        return f"{where}: {self.message}" if where else self.message


class PolicyFileError(ValueError):
    """A text is no file of policies."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__(" ".join(map(str, problems)))
        self.problems = list(problems)


@dataclass(frozen=True, slots=True)
class Place:
    """Where something stands in a file."""

    line: int
    path: str

    def problem(self, message: str) -> Problem:
        """Return a problem at this place."""
        return Problem(self.line, self.path, message)


@dataclass(frozen=True, slots=True)
class Entry:
    """One rule or limit as it stands in a file: the fields that are named, and no others."""

    values: Mapping[str, Any]
    place: Place
    binds: tuple[str, str] = ("company", "")


@dataclass(frozen=True, slots=True)
class PolicyEntry:
    """One policy as it stands in a file."""

    code: str
    name: str
    purpose: str
    binds: tuple[str, str]
    rules: tuple[Entry, ...]
    place: Place


@dataclass(slots=True)
class PolicyFile:
    """Everything a file holds. ``limits`` is None when it says nothing about limits at all."""

    policies: list[PolicyEntry] = field(default_factory=list)
    limits: list[Entry] | None = None


def read_policy_file(text: str, rule: Sequence[FieldSpec], limit: Sequence[FieldSpec]) -> PolicyFile:
    """Return what a text holds; raises PolicyFileError with everything that is wrong in it."""
    reader = Reader(rule, limit)
    if not reader.read_all(text):
        reader.problems.append(Problem(1, "", "There is nothing in it. Write a document of kind: policy."))
    if reader.problems:
        raise PolicyFileError(reader.problems)
    return reader.file


def write_policy_file(documents: Iterable[Mapping[str, Any]]) -> str:
    """Return documents as text in the one spelling that is reviewed."""
    return write_documents(documents)


def written(values: Mapping[str, Any], specs: Sequence[FieldSpec]) -> dict[str, Any]:
    """Return the fields of a rule or limit worth writing: what is not its default, lists in order."""
    found = {}
    for spec in specs:
        if spec.name not in values:
            continue
        value = values[spec.name]
        if spec.kind == "list":
            value = sorted(value)
        if spec.always or (value != spec.default and value not in (None, "", [])):
            found[spec.name] = value
    return found


class Reader:
    """Takes in the documents of a file one by one, and keeps everything that is wrong in them."""

    kinds = "kind: policy or kind: limits"

    def __init__(self, rule: Sequence[FieldSpec], limit: Sequence[FieldSpec]) -> None:
        self.rule, self.limit = {it.name: it for it in rule}, {it.name: it for it in limit}
        self.file, self.problems = PolicyFile(), list[Problem]()

    def read_all(self, text: str) -> int:
        """Take in every document and return how many there were; raises PolicyFileError for no plain YAML."""
        try:
            documents = read_documents(text, MOST_BYTES)
        except NotPlainError as error:
            raise PolicyFileError([Problem(error.line, "", str(error))]) from None
        for document in documents:
            self.read(document)
        return len(documents)

    def read(self, document: Document) -> None:
        """Take in one document; what is wrong with it is added to ``problems``."""
        for path, text in document.texts.items():
            if _is_hidden(text) or any(_is_hidden(str(part)) for part in path):
                self._wrong(document, path, "It holds a character that nobody can see. Remove it.")
        content = document.content
        if not isinstance(content, Mapping):
            self._wrong(document, (), f"A document is a mapping. Begin it with {self.kinds}.")
        else:
            self._of_kind(document, content.get("kind"))

    def _of_kind(self, document: Document, kind: Any) -> None:
        if kind == "policy":
            self._policy(document)
        elif kind == "limits":
            self._limits(document)
        else:
            self._wrong(document, ("kind",), f"No such kind. Write {self.kinds}.")

    def _policy(self, document: Document) -> None:
        content = document.content
        self._known(document, (), content, POLICY_KEYS)
        texts = {name: self._text(document, (name,), content.get(name)) for name in ("code", "name", "purpose")}
        for name in ("code", "name"):
            if not texts[name]:
                self._wrong(document, (name,), f"A policy needs a {name}. Write {name}: ...")
        if any(policy.code == texts["code"] for policy in self.file.policies):
            self._wrong(
                document, ("code",), f"The policy {texts['code']} stands there twice. Keep one of them."
            )
        rules = self._entries(document, "rules", self.rule)
        self._once(rules, "name", "rule")
        binds = self._binds(document, (), content)
        place = self._place(document, ())
        self.file.policies.append(
            PolicyEntry(texts["code"], texts["name"], texts["purpose"], binds, rules, place)
        )

    def _limits(self, document: Document) -> None:
        self._known(document, (), document.content, ("kind", "limits"))
        found = self._entries(document, "limits", self.limit, binds=True)
        self.file.limits = [*(self.file.limits or []), *found]
        self._once(self.file.limits, "code", "limit")

    def _entries(
        self, document: Document, name: str, specs: Mapping[str, FieldSpec], *, binds: bool = False
    ) -> tuple[Entry, ...]:
        given = self._members(document, name, MOST_RULES, "Import them in several files.")
        return tuple(self._entry(document, (name, place), specs, binds=binds) for place in range(len(given)))

    def _members(self, document: Document, name: str, most: int, instead: str) -> list[Any]:
        """Return the entries of a list of a document; none of what is no list, or longer than ``most``."""
        given = document.content.get(name)
        if given is None:
            return []
        if not isinstance(given, list):
            self._wrong(document, (name,), "This is a list. Begin each one on a line of its own with a hyphen.")
            return []
        if len(given) > most:
            self._wrong(document, (name,), f"There are more than {most:,}. {instead}")
            return []
        return given

    def _entry(self, document: Document, path: Path, specs: Mapping[str, FieldSpec], *, binds: bool) -> Entry:
        content, place = document.content[path[0]][path[1]], self._place(document, path)
        if not isinstance(content, Mapping):
            self._wrong(
                document, path, "This is no mapping. Write name: ... and its other fields below each other."
            )
            return Entry({}, place)
        self._known(document, path, content, (*specs, *(["binds"] if binds else [])))
        values = {
            name: self._value(document, (*path, name), spec, content[name])
            for name, spec in specs.items()
            if name in content
        }
        scope = self._binds(document, path, content) if binds else ("company", "")
        first = "code" if binds else "name"
        if not values.get(first):
            self._wrong(document, path, f"It needs a {first}. Write {first}: ...")
        if values.get("condition") and values.get("field"):
            message = "Write either field, comparison and value, or a condition by hand; not both."
            self._wrong(document, (*path, "condition"), message)
        return Entry(values, place, scope)

    def _value(self, document: Document, path: Path, spec: FieldSpec, value: Any) -> Any:
        if spec.kind in ("text", "name"):
            text = self._text(document, path, value)
            if spec.choices and text not in spec.choices:
                self._wrong(document, path, f"{text!r} is not known. Write one of {', '.join(spec.choices)}.")
            return text
        if spec.kind == "whole":
            return self._whole(document, path, value)
        if spec.kind == "flag":
            if not isinstance(value, bool):
                self._wrong(document, path, "Write true or false.")
            return value
        if spec.kind == "lines":
            return self._lines(document, path, value)
        if spec.kind == "list":
            return self._list(document, path, value)
        return spec.default if value is None else value

    def _text(self, document: Document, path: Path, value: Any) -> str:
        """Take a text as it is written: 10000.00 stays 10000.00, and yes stays yes, with or without quotes."""
        if value is None:
            return ""
        if path not in document.texts:
            self._wrong(document, path, "This is one text, not a list or a mapping. Write it on one line.")
            return ""
        return document.texts[path]

    def _whole(self, document: Document, path: Path, value: Any) -> int | None:
        if value is None or (isinstance(value, int) and not isinstance(value, bool)):
            # 1_000, 0x10 and 1:30 are whole numbers in YAML and read as others by people.
            text = document.texts.get(path, "")
            if value is None or str(value) == text:
                return value
        self._wrong(document, path, "This is no whole number. Write its digits only, e.g. 2.")
        return None

    def _list(self, document: Document, path: Path, value: Any) -> list[str]:
        if value is None:
            return []
        if not isinstance(value, list):
            self._wrong(document, path, "This is a list. Write each one on a line of its own with a hyphen.")
            return []
        return [self._text(document, (*path, place), each) for place, each in enumerate(value)]

    def _lines(self, document: Document, path: Path, value: Any) -> list[dict[str, str]]:
        if value is None:
            return []
        if not isinstance(value, list) or not all(isinstance(each, Mapping) for each in value):
            self._wrong(
                document, path, "This is a list. Begin each one with a hyphen, its parts below each other."
            )
            return []
        return [
            {str(name): self._text(document, (*path, place, name), part) for name, part in each.items()}
            for place, each in enumerate(value)
        ]

    def _binds(self, document: Document, path: Path, content: Mapping[str, Any]) -> tuple[str, str]:
        given = content.get("binds", "company")
        if given == "company":
            return "company", ""
        if isinstance(given, Mapping) and len(given) == 1:
            kind = str(next(iter(given)))
            code = self._text(document, (*path, "binds", kind), given[kind])
            if kind in SCOPES and code:
                return kind, code
        message = "Write binds: company, or below it one of department, role or agent with its code."
        self._wrong(document, (*path, "binds"), message)
        return "company", ""

    def _known(self, document: Document, path: Path, content: Mapping[str, Any], keys: Iterable[str]) -> None:
        allowed = tuple(keys)
        for name in content:
            if name not in allowed:
                message = f"There is no such field. Those that can be set are {', '.join(allowed)}."
                self._wrong(document, (*path, name), message)

    def _once(self, entries: Iterable[Entry], key: str, what: str) -> None:
        seen = set()
        for entry in entries:
            name = entry.values.get(key)
            if name and name in seen:
                self.problems.append(
                    entry.place.problem(f"The {what} {name} stands there twice. Keep one of them.")
                )
            seen.add(name)

    def _wrong(self, document: Document, path: Path, message: str) -> None:
        self.problems.append(self._place(document, path).problem(message))

    def _place(self, document: Document, path: Path) -> Place:
        return Place(document.line(path), path_words(path))


def _is_hidden(text: str) -> bool:
    """Whoever agrees to it reads it: control characters, half characters and turned writing are refused."""
    return any(
        (category(char) in ("Cc", "Cs") and char not in "\n\t")
        or "\u202a" <= char <= "\u202e"
        or char in _TURNED
        for char in text
    )


def path_words(path: Path) -> str:
    """Return a path as people write it: ``rules[2].quorum``, counted from 1."""
    words = ""
    for part in path:
        words += f"[{part + 1}]" if isinstance(part, int) else f".{part}"
    return words.lstrip(".")
