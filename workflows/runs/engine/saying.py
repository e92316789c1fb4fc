"""A condition as people read it: ``steps.read.answer.total > 500`` is “total of Read it > 500”. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping

MOST_SHOWN = 90
_TOKEN = re.compile(
    r"""(?P<text>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')
      | has\((?P<has>[A-Za-z_][\w.]*)\)
      | (?P<path>[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*)(?P<call>\()?
      | (?P<sign>==|!=|>=|<=|&&|\|\||!)
      | (?P<space>\s+)
      | (?P<other>.)""",
    re.VERBOSE | re.DOTALL,
)
_SIGNS = {"==": "is", "!=": "is not", ">=": "≥", "<=": "≤", "&&": "and", "||": "or", "!": "not"}
# The members of a step that only say where its answer stands.
_PLACES = frozenset({"answer", "action", "result"})
_VALUES = {"true": "yes", "false": "no", "null": "nothing"}


def condition_in_words(text: str, names: Mapping[str, str]) -> str:
    """Return a CEL condition in words; ``names``: those of the nodes by id. What it does not know it keeps."""
    words = "".join(_piece(match, names) for match in _TOKEN.finditer(text))
    return short(" ".join(words.split()))


def short(text: str, most: int = MOST_SHOWN) -> str:
    """Return a text of at most so many characters, cut where it is longer."""
    return text if len(text) <= most else text[: most - 1].rstrip() + "…"


def _piece(match: re.Match[str], names: Mapping[str, str]) -> str:
    if match["text"]:
        return f"“{match['text'][1:-1]}”"
    if match["has"]:
        return f"{_path(match['has'], names)} is there"
    if match["path"]:
        return _call(match["path"], names) if match["call"] else _path(match["path"], names)
    if match["sign"]:
        return f" {_SIGNS[match['sign']]} "
    return match["space"] or match["other"]


def _call(path: str, names: Mapping[str, str]) -> str:
    """Return a function as it is written, and what it is asked of in words."""
    of, _, name = path.rpartition(".")
    return f"{_path(of, names)} {name}(" if of else f"{name}("


def _path(path: str, names: Mapping[str, str]) -> str:
    root, *rest = path.split(".")
    if not rest:
        return _VALUES.get(root, root.replace("_", " "))
    if root != "steps":
        return " ".join(rest if root == "input" else [root, *rest]).replace("_", " ")
    step, inner = names.get(rest[0], rest[0]), [part for part in rest[1:] if part not in _PLACES]
    return f"{' '.join(inner).replace('_', ' ')} of {step}" if inner else step
