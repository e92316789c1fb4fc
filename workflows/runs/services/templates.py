"""Workflows that come with the product: plain files with questions, filled in with what a company has.

A file is a definition in which small objects stand for answers: ``{$ask: role}`` is the answer itself. Of an
operation that was chosen, ``$input_of`` is its arguments as the input of the run, ``$arguments_of`` and
``$show_of`` hand them on, ``$name_of``, ``$title`` and ``$label`` say what it is. Nothing in it runs: what
comes out is proposed like any text.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from agents.decision.facts import OperationFacts
from agents.decision.plain_yaml import write_documents
from workflows.runs import engine

FOLDER = Path(__file__).parents[1] / "templates"
PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
# Words that CEL keeps for itself, so that no member can be read by them.
RESERVED = frozenset(
    [
        "as",
        "break",
        "const",
        "continue",
        "else",
        "false",
        "for",
        "function",
        "if",
        "import",
        "in",
        "let",
        "loop",
        "namespace",
        "null",
        "package",
        "return",
        "true",
        "var",
        "void",
        "while",
    ]
)


@dataclass(frozen=True, slots=True)
class Asked:
    """One question. ``kind``: operation, role or group; ``does``: the operation that the role has to hold."""

    key: str
    kind: str
    title: str
    help: str = ""
    does: str = ""
    effects: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class WorkflowTemplate:
    """A workflow with questions in the place of what only a company knows."""

    code: str
    name: str
    summary: str
    ends: str
    asks: tuple[Asked, ...]
    workflow: Mapping[str, Any]


@lru_cache
def shipped_workflows() -> dict[str, WorkflowTemplate]:
    """Return the templates that come with the product, by code."""
    found = (template_of(path.read_text(encoding="utf-8")) for path in sorted(FOLDER.glob("*.yaml")))
    return {template.code: template for template in found}


def template_of(text: str) -> WorkflowTemplate:
    """Read a template; raises DefinitionError or KeyError for a file that is none."""
    found = engine.read_yaml(text)
    asks = tuple(Asked(**{**each, "effects": tuple(each.get("effects", ()))}) for each in found["asks"])
    return WorkflowTemplate(
        found["template"], found["name"], found["summary"], found["ends"], asks, found["workflow"]
    )


def filled_in(template: WorkflowTemplate, answers: Mapping[str, Any]) -> str:
    """Return the definition as text. ``answers``: texts by key, of an operation its OperationFacts."""
    content = _filled(template.workflow, answers)
    return write_documents([json.loads(json.dumps(content))])  # no part twice: an alias is not taken back


def _filled(part: Any, answers: Mapping[str, Any]) -> Any:
    if isinstance(part, list):
        return [_filled(each, answers) for each in part]
    if not isinstance(part, Mapping):
        return part
    if len(part) == 1 and (word := next(iter(part))).startswith("$"):
        return _MEANINGS[word](answers[part[word]] if word == "$ask" else _operation(answers, part[word]))
    return {name: _filled(each, answers) for name, each in part.items()}


def _operation(answers: Mapping[str, Any], key: str) -> OperationFacts:
    found = answers[key]
    if not isinstance(found, OperationFacts):
        raise TypeError(f"{key} is no operation.")
    return found


def _answer(answer: Any) -> Any:
    return answer.code if isinstance(answer, OperationFacts) else answer


def _members(operation: OperationFacts) -> dict[str, Any]:
    found: dict[str, Any] = (operation.input_schema or {}).get("properties", {})
    return found


def _input_of(operation: OperationFacts) -> dict[str, Any]:
    empty = {"type": "object", "additionalProperties": False, "properties": {}}
    return dict(operation.input_schema or empty)


def read(name: str) -> str:
    """Return how CEL reads a member of the input, whatever it is called."""
    return f"input.{name}" if _is_plain(name) else f"input[{json.dumps(name)}]"


def _is_plain(name: str) -> bool:
    return bool(PLAIN.fullmatch(name)) and name not in RESERVED


def _given(operation: OperationFacts) -> dict[str, str]:
    """Return an expression for each argument; one that may be missing is left out where it is."""
    needed = (operation.input_schema or {}).get("required", ())
    return {name: read(name) if name in needed else _if_there(name) for name in _members(operation)}


def _if_there(name: str) -> str:
    there = f"has({read(name)})" if _is_plain(name) else f"{json.dumps(name)} in input"
    return f"{there} ? {read(name)} : null"


def _show_of(operation: OperationFacts) -> dict[str, str]:
    given = _given(operation)
    titles = {name: str(part.get("title") or _words(name)) for name, part in _members(operation).items()}
    twice = {title for title in titles.values() if list(titles.values()).count(title) > 1}
    return {(_words(name) if titles[name] in twice else titles[name]): given[name] for name in given}


def _words(name: str) -> str:
    bare = name.replace("_", " ").replace("-", " ").strip()
    return bare[:1].upper() + bare[1:]


def _said(operation: OperationFacts) -> str:
    """Return a CEL text that names one case: the operation, and the first text it is always told."""
    name = json.dumps(operation.name[:80], ensure_ascii=False)
    needed = (operation.input_schema or {}).get("required", ())
    members = _members(operation)
    texts = [it for it in needed if members.get(it, {}).get("type") == "string" and _is_plain(it)]
    return f'{name} + ": " + {read(texts[0])}' if texts else name


_MEANINGS: dict[str, Any] = {
    "$ask": _answer,
    "$input_of": _input_of,
    "$arguments_of": _given,
    "$show_of": _show_of,
    "$name_of": lambda operation: operation.name[:100],
    "$title": _said,
    "$label": _said,
}
