"""What an operator reads where a text of the definition could not be worked out: never its CEL."""

from __future__ import annotations

from collections.abc import Sequence

from agents.decision import cel
from agents.decision.expressions import Path, paths
from workflows.runs.engine.definition import Definition

NEXT_STEP = "which step comes next"
_MISSING = " is missing"
_MOST_NAMED = 3


def unsure(definition: Definition, what: str, texts: Sequence[str], error: cel.ConditionError) -> str:
    """Return why something is not known: "which step comes next depends on ..., and ... does not have it"."""
    read = {_place(definition, path): path for text in texts for path in paths(text)}
    named = list(read)[:_MOST_NAMED]
    depends = f"{what} depends on {' and '.join(named)}" if named else f"{what} could not be worked out"
    if len(read) > _MOST_NAMED:
        depends += " and more"
    return f"{depends}, and {_trouble(definition, list(read.values()), str(error))}"


def _trouble(definition: Definition, read: Sequence[Path], error: str) -> str:
    if error.endswith(_MISSING):
        name = error.removesuffix(_MISSING)
        for path in read:
            if name in path.parts[1:]:
                return _lacks(definition, path, name)
    return f"that could not be checked: {error}"


def _lacks(definition: Definition, path: Path, name: str) -> str:
    if path.parts[0] == "steps" and path.parts[1] == name:
        return f"{_node(definition, name)} has not been done"
    inside = path.parts[: path.parts.index(name, 1)]
    return f"{_place(definition, Path(inside, tested=False))} does not have “{name}”"


def _place(definition: Definition, path: Path) -> str:
    """Return what a selection reads, in words."""
    root, rest = path.parts[0], path.parts[1:]
    if root == "steps" and rest:
        return _of_step(_node(definition, rest[0]), rest[1:])
    whole = {"input": "the input of the run", "run": "the run", "signal": "the signal"}.get(root, f"“{root}”")
    return f"“{'.'.join(rest)}” of {whole}" if rest else whole


def _of_step(name: str, rest: Sequence[str]) -> str:
    if not rest:
        return name
    whole = f"the {rest[0]} of {name}"
    return f"“{'.'.join(rest[1:])}” in {whole}" if rest[1:] else whole


def _node(definition: Definition, key: str) -> str:
    node = definition.nodes.get(key)
    return node.name if node else f"“{key}”"
