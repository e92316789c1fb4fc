"""Reading a CEL text without running it: which arguments it names, which macros it uses, what it compares.

The CEL library offers no syntax tree. A tokenizer is enough for the questions asked here, and every question
errs on the side of refusing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

MACROS = frozenset({"all", "exists", "exists_one", "map", "filter"})
_COMPARED_BY = frozenset({"==", "!=", "<", "<=", ">", ">="})
_KEYWORDS = frozenset({"true", "false", "null", "in"})
_TOKEN = re.compile(
    r"""
    (?P<space>\s+|//[^\n]*)
  | (?P<special>[rRbB]{1,2}["']|\"\"\"|''')
  | (?P<string>"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*')
  | (?P<fraction>\d+\.\d+(?:[eE][+-]?\d+)?|\.\d+(?:[eE][+-]?\d+)?|\d+[eE][+-]?\d+)
  | (?P<whole>0[xX][0-9a-fA-F]+[uU]?|\d+[uU]?)
  | (?P<name>[A-Za-z_]\w*)
  | (?P<sign>==|!=|<=|>=|&&|\|\||.)
    """,
    re.VERBOSE | re.DOTALL,
)
_PLAIN_STRING = re.compile(r"""^(?:"([^"\\]*)"|'([^'\\]*)')$""")


@dataclass(frozen=True, slots=True)
class Token:
    """One word of CEL."""

    kind: str
    text: str


@dataclass(frozen=True, slots=True)
class Path:
    """A selection such as ``args.supplier.name``; ``tested`` when it stands inside ``has()``."""

    parts: tuple[str, ...]
    tested: bool
    compared_with: str = ""  # kind of the literal it is compared with: string, whole, fraction, flag

    def __str__(self) -> str:
        return ".".join(self.parts)


@lru_cache(maxsize=4096)
def tokens(expression: str) -> tuple[Token, ...]:
    """Return the words of a CEL text, white space and comments left out."""
    found = (Token(str(match.lastgroup), match.group()) for match in _TOKEN.finditer(expression))
    return tuple(token for token in found if token.kind != "space")


def only_plain_strings(expression: str) -> bool:
    """Tell whether every string is in plain quotes; raw ones would be read differently than by the library."""
    return all(token.kind != "special" and token.text not in ("'", '"') for token in tokens(expression))


def literal_of(token: Token) -> str | None:
    """Return the text of a plain string literal (no escapes), else None."""
    match = _PLAIN_STRING.match(token.text) if token.kind == "string" else None
    return None if match is None else (match.group(1) if match.group(1) is not None else match.group(2))


def _is_macro_call(words: tuple[Token, ...], at: int) -> bool:
    return (
        words[at].kind == "name"
        and words[at].text in MACROS
        and at > 0
        and words[at - 1].text == "."
        and at + 1 < len(words)
        and words[at + 1].text == "("
    )


def macros(expression: str) -> list[tuple[str, int]]:
    """Return every comprehension macro with its depth of nesting (1: not inside another)."""
    words, found, opened, level = tokens(expression), [], [], 0
    for at, token in enumerate(words):
        if token.text == "(":
            level += 1
            if at > 0 and _is_macro_call(words, at - 1):
                opened.append(level)
                found.append((words[at - 1].text, len(opened)))
        elif token.text == ")":
            if opened and opened[-1] == level:
                opened.pop()
            level -= 1
    return found


def bound_names(expression: str) -> set[str]:
    """Return the names that macros bind, such as the ``x`` of ``args.lines.exists(x, x.total > 5)``."""
    words = tokens(expression)
    return {
        words[at + 2].text
        for at in range(len(words) - 2)
        if _is_macro_call(words, at) and words[at + 2].kind == "name"
    }


def fractions(expression: str) -> list[str]:
    """Return every literal with a fraction; money and quantities are whole numbers in rules."""
    return [token.text for token in tokens(expression) if token.kind == "fraction"]


def paths(expression: str) -> list[Path]:
    """Return every selection that starts at a name of its own, in order of appearance."""
    return list(_paths(tokens(expression)))


def reads_measure(expression: str, code: str) -> bool:
    """Tell whether a text reads a limit, or may: one that reads all of them, or by a computed name, does."""
    return any(
        path.parts[0] == "measures" and (len(path.parts) < 2 or path.parts[1] in (code, "[]"))
        for path in paths(expression)
    )


def _paths(words: tuple[Token, ...]) -> Iterator[Path]:
    at = 0
    while at < len(words):
        starts = words[at].kind == "name" and words[at].text not in _KEYWORDS
        if not starts or (at > 0 and words[at - 1].text == "."):
            at += 1
            continue
        parts, end = _follow(words, at)
        if parts:
            tested = at >= 2 and words[at - 1].text == "(" and words[at - 2].text == "has"
            yield Path(tuple(parts), tested, _compared(words, at, end))
        at = max(end, at + 1)


def _follow(words: tuple[Token, ...], at: int) -> tuple[list[str], int]:
    """Return the parts of a selection and where it ends; a called name is no part of it."""
    if at + 1 < len(words) and words[at + 1].text == "(":
        return [], at + 1
    parts, at = [words[at].text], at + 1
    while at + 1 < len(words):
        if words[at].text == "." and words[at + 1].kind == "name":
            if at + 2 < len(words) and words[at + 2].text == "(":
                return parts, at
            parts.append(words[at + 1].text)
            at += 2
        elif words[at].text == "[" and at + 2 < len(words) and words[at + 2].text == "]":
            key = literal_of(words[at + 1])
            parts.append("[]" if key is None else key)
            at += 3
        else:
            break
    return parts, at


def _compared(words: tuple[Token, ...], start: int, end: int) -> str:
    after = words[end : end + 2]
    if len(after) == 2 and after[0].text in _COMPARED_BY:
        return _literal_kind(after[1])
    before = words[max(0, start - 2) : start]
    if len(before) == 2 and before[1].text in _COMPARED_BY:
        return _literal_kind(before[0])
    return ""


def _literal_kind(token: Token) -> str:
    if token.kind in ("string", "whole", "fraction"):
        return token.kind
    return "flag" if token.text in ("true", "false") else ""
