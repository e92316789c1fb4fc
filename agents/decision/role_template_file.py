"""What is wrong with the text of a role template: everything, with its line, its path and what to write."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from agents.decision.facts import Effect
from agents.decision.patterns import pattern_matches
from agents.decision.plain_yaml import Document, Path
from agents.decision.policy_file import FieldSpec, PolicyFileError, Problem, Reader
from agents.decision.role_template import FORMAT, Approvers, RoleEntry, RoleTemplate, Suggestion, Target

MOST_ENTRIES = 50
KEYS = (
    "kind", "format", "code", "name", "version", "summary", "job_description", "responsibilities", "labels",
    "expected_performance", "performance", "approvers", "grants",
)  # fmt: skip
BETTER = ("higher", "lower")
_CODE = re.compile(r"[a-z0-9][a-z0-9_-]{0,59}")
_LABEL = re.compile(r"[a-z0-9][a-z0-9._-]{0,59}")
_NUMBER = re.compile(r"-?[0-9]{1,12}(\.[0-9]{1,6})?")
# The fields of each entry of a list: its longest text; those in _MAY_BE_EMPTY need not be written.
_TARGET = {"code": 60, "name": 120, "better": 6, "target": 20, "unit": 40}
_APPROVERS = {"group": 150, "why": 300}
_GRANT = {"operations": 200, "effects": 0, "why": 300}
_MAY_BE_EMPTY = frozenset({"effects", "why"})


def read_role_template(text: str, rule: Sequence[FieldSpec], limit: Sequence[FieldSpec]) -> RoleTemplate:
    """Return what a template holds; raises PolicyFileError with everything that is wrong in it."""
    reader = _RoleReader(rule, limit)
    reader.read_all(text)
    if reader.role is None and not reader.problems:
        reader.problems.append(Problem(1, "", "It holds no role. Write a document of kind: role."))
    if reader.problems or reader.role is None:
        raise PolicyFileError(reader.problems)
    return RoleTemplate(reader.role, reader.file)


class _RoleReader(Reader):
    kinds = "kind: role, kind: policy or kind: limits"

    def __init__(self, rule: Sequence[FieldSpec], limit: Sequence[FieldSpec]) -> None:
        super().__init__(rule, limit)
        self.role: RoleEntry | None = None

    def _of_kind(self, document: Document, kind: Any) -> None:
        if kind == "role":
            self._role(document)
            return
        super()._of_kind(document, kind)
        for path in [(), *((("limits", at)) for at in range(len(_list(document.content.get("limits")))))]:
            self._bound(document, path)

    def _bound(self, document: Document, path: Path) -> None:
        """What stands in a template binds its role and nobody else; it may say so, or nothing."""
        content = document.content
        for part in path:
            content = content[part]
        if not isinstance(content, Mapping) or "binds" not in content:
            return
        code = self.role.code if self.role else ""
        if content["binds"] != {"role": code} or not code:
            message = (
                "What a template holds binds its role. Leave binds out, or write the role first and name it."
            )
            self._wrong(document, (*path, "binds"), message)

    def _role(self, document: Document) -> None:
        content = document.content
        if self.role is not None:
            self._wrong(document, (), "A template holds one role. Write a template for each.")
        self._known(document, (), content, KEYS)
        if content.get("format") != FORMAT:
            message = f"This portal reads format {FORMAT} of templates. Write format: {FORMAT}."
            self._wrong(document, ("format",), message)
        texts = {
            name: self._within(document, (name,), content.get(name), most)
            for name, most in (("code", 60), ("name", 120), ("summary", 500), ("job_description", 10_000),
                               ("expected_performance", 10_000))
        }  # fmt: skip
        if not _CODE.fullmatch(texts["code"]):
            self._wrong(document, ("code",), "Write a short code: lower-case letters, digits and hyphens.")
        if not texts["name"]:
            self._wrong(document, ("name",), "A role needs a name. Write name: ...")
        version = self._whole(document, ("version",), content.get("version"))
        if version is not None and not 1 <= version <= 100_000:
            self._wrong(document, ("version",), "Write a whole number from 1 on.")
        self.role = RoleEntry(
            **texts,
            version=version or 1,
            responsibilities=tuple(self._texts(document, "responsibilities", 2000)),
            labels=tuple(self._labels(document)),
            performance=tuple(self._targets(document)),
            approvers=tuple(
                Approvers(it["group"], it["why"]) for _, it in self._maps(document, "approvers", _APPROVERS)
            ),
            grants=tuple(self._suggestions(document)),
        )

    def _within(self, document: Document, path: Path, value: Any, most: int) -> str:
        text = self._text(document, path, value).strip()
        if len(text) > most:
            self._wrong(document, path, f"It is longer than {most:,} characters. Shorten it.")
        return text

    def _texts(self, document: Document, name: str, most: int) -> list[str]:
        given = self._entries_of(document, name)
        found = [self._within(document, (name, at), each, most) for at, each in enumerate(given)]
        for at, text in enumerate(found):
            if "\n" in text or not text:
                self._wrong(document, (name, at), "Write one line for each.")
        return found

    def _labels(self, document: Document) -> list[str]:
        found = self._texts(document, "labels", 60)
        for at, label in enumerate(found):
            if not _LABEL.fullmatch(label):
                message = "A label is lower-case letters, digits, dots, dashes and underscores."
                self._wrong(document, ("labels", at), message)
        return sorted(set(found))

    def _targets(self, document: Document) -> list[Target]:
        found, seen = [], set()
        for path, given in self._maps(document, "performance", _TARGET):
            if given["better"] not in BETTER:
                self._wrong(document, (*path, "better"), f"Write one of {', '.join(BETTER)}.")
            if not _NUMBER.fullmatch(given["target"]):
                self._wrong(document, (*path, "target"), "Write a number in digits, e.g. 4 or 99.5.")
            if not _CODE.fullmatch(given["code"]):
                self._wrong(document, (*path, "code"), "Write a short code, e.g. cycle_time.")
            if given["code"] in seen:
                self._wrong(document, (*path, "code"), f"{given['code']} stands there twice. Keep one.")
            seen.add(given["code"])
            found.append(Target(**given))
        return found

    def _suggestions(self, document: Document) -> list[Suggestion]:
        found = []
        for path, given in self._maps(document, "grants", _GRANT):
            try:
                pattern_matches(given["operations"], "")
            except ValueError as error:
                self._wrong(document, (*path, "operations"), f"{error}.")
            value = document.content["grants"][path[-1]].get("effects")
            effects = self._list(document, (*path, "effects"), value)
            for effect in effects:
                if effect not in frozenset(Effect):
                    message = f"{effect!r} is no effect. Write some of {', '.join(Effect)}."
                    self._wrong(document, (*path, "effects"), message)
            found.append(Suggestion(given["operations"], tuple(effects), given["why"]))
        return found

    def _maps(
        self, document: Document, name: str, fields: Mapping[str, int]
    ) -> list[tuple[Path, dict[str, str]]]:
        """Return the entries of a list of mappings, with where each stands; what is wrong is kept."""
        found: list[tuple[Path, dict[str, str]]] = []
        for at, each in enumerate(self._entries_of(document, name)):
            path: Path = (name, at)
            if not isinstance(each, Mapping):
                self._wrong(document, path, f"This is no mapping. Write {', '.join(fields)} below each other.")
                continue
            self._known(document, path, each, fields)
            given = {
                key: self._within(document, (*path, key), each.get(key), most)
                for key, most in fields.items()
                if key != "effects"
            }
            for key in given:
                if not given[key] and key not in _MAY_BE_EMPTY:
                    self._wrong(document, path, f"It needs {key}. Write {key}: ...")
            found.append((path, given))
        return found

    def _entries_of(self, document: Document, name: str) -> list[Any]:
        return self._members(document, name, MOST_ENTRIES, "Write the most important ones.")


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
