"""What is read has the members that are read, and the type of what it is given to; only what is certain."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from agents.decision import cel
from agents.decision.expressions import paths, tokens
from workflows.runs.engine.definition import Definition, Node
from workflows.runs.engine.lint.expressions import items_of, scopes
from workflows.runs.engine.lint.findings import Finding, Known
from workflows.runs.engine.lint.shapes import Missing, Place, follow, place_of, types_of

_TEXT = {"type": "string"}
_COUNT = {"type": "integer"}
_WANTED = {"when": "boolean", "match": "boolean", "over": "array"}
_LITERALS = {"string": "string", "whole": "integer"}


def _closed(**members: Any) -> dict[str, Any]:
    return {"type": "object", "additionalProperties": False, "properties": members}


_ANSWERS = {
    "gate": _closed(verdict={"enum": ["allow", "hold", "deny"]}, code=_TEXT, sentence=_TEXT),
    "join": _closed(arrived=_COUNT, dead=_COUNT, failed=_COUNT, items={"type": "array"}),
    "sub": _closed(run=_TEXT, outcome=_TEXT, output={}),
}
_RUN = _closed(id=_TEXT, key=_TEXT, workflow=_TEXT, label=_TEXT)


def types(definition: Definition, known: Known) -> Iterator[Finding]:
    """Find members that cannot be there and values of the wrong type."""
    for node in definition.nodes.values():
        for place, text in node.expressions().items():
            if _parses(text):
                yield from _members(definition, known, node, place, text)
        yield from _given(definition, known, node)
        yield from _kinds(definition, known, node)


def _kinds(definition: Definition, known: Known, node: Node) -> Iterator[Finding]:
    """Find conditions that answer no yes or no, lists that are none, and names that are no text."""
    for place, text in node.expressions().items():
        word = place.partition(" ")[0]
        wanted = _WANTED.get(word)
        there = _types(definition, known, node, text, place) if wanted and _parses(text) else None
        if wanted and there and wanted not in there:
            yield Finding(
                node.id, f"{place}: it is {_or(there)}, and {wanted} is wanted.", "Give such a value."
            )


def _parses(text: str) -> bool:
    try:
        cel.compile_condition(text)
    except cel.ConditionError:
        return False
    return True


def _members(definition: Definition, known: Known, node: Node, place: str, text: str) -> Iterator[Finding]:
    for path in paths(text):
        found = _read(definition, known, node, place, path.parts)
        if isinstance(found, Missing):
            has = f"Use one of {', '.join(found.has[:12])}." if found.has else "It has no members."
            yield Finding(node.id, f"{place}: {path} cannot be there, there is no {found.member}.", has)


def _read(
    definition: Definition, known: Known, node: Node, place: str, parts: tuple[str, ...]
) -> Place | Missing | None:
    """Return what a path leads to, None when nothing is certain of it."""
    root, rest = parts[0], parts[1:]
    if root == "input":
        return follow(place_of(definition.input), rest)
    if root == "run":
        return follow(place_of(_RUN), rest)
    if root == "steps" and rest and rest[0] in definition.nodes:
        return follow(place_of(_step_shape(definition.nodes[rest[0]], known)), rest[1:])
    openers = {items_of(definition, region).get(root, "") for region in scopes(definition, node, place)}
    if len(openers) == 1 and (opener := openers.pop()):
        over = _source(definition, known, definition.nodes[opener], "over")
        return follow(over, ("[]", *rest)) if isinstance(over, Place) else None
    return None


def _step_shape(node: Node, known: Known) -> dict[str, Any]:
    """Return the schema of what may be read of a step. Its answer is unknown unless it is declared."""
    facts = node.facts
    answer: Mapping[str, Any] | None = _ANSWERS.get(node.kind) or facts.get("answer") or facts.get("form")
    if node.kind == "operation" and (shape := known.shapes.get(facts["operation"])):
        answer = shape.output
    # The references of an answer schema point into itself.
    inner = {key: value for key, value in (answer or {}).items() if key != "$defs"}
    return {
        **_closed(
            state=_TEXT,
            answer=inner,
            error=_closed(code=_TEXT, message=_TEXT),
            generation=_COUNT,
            agent=_TEXT,
            action={"type": "object"},
            actions={"type": "array"},
        ),
        "$defs": (answer or {}).get("$defs", {}),
    }


def _given(definition: Definition, known: Known, node: Node) -> Iterator[Finding]:
    """Compare what is given with what is taken, by an operation, its undo, or another workflow."""
    taken = known.shapes.get(node.facts.get("operation", ""))
    if taken:
        yield from _fits(definition, known, node, "arguments", node.facts.get("arguments", {}), taken.input)
    if undo := node.undo:
        taken = known.shapes.get(undo["operation"])
        if taken:
            yield from _fits(definition, known, node, "undo", undo.get("arguments", {}), taken.input)
    if node.kind == "sub" and (input_schema := known.workflows.get(node.facts["workflow"])):
        yield from _fits(definition, known, node, "give", node.facts.get("give", {}), input_schema)


def _fits(
    definition: Definition,
    known: Known,
    node: Node,
    place: str,
    given: Mapping[str, str],
    taken: Mapping[str, Any],
) -> Iterator[Finding]:
    whole = place_of(taken)
    for member in sorted(set(taken.get("required", ())) - set(given)):
        yield Finding(node.id, f"{place}: {member} is missing.", "Give it.")
    for member, text in given.items():
        wanted = follow(whole, (member,))
        if isinstance(wanted, Missing):
            yield Finding(node.id, f"{place}/{member}: it is not taken.", "Leave it out.")
            continue
        there = _types(definition, known, node, text, f"{place}/{member}")
        asked = types_of(wanted)
        if there and asked and not (there - {"null"}) & asked and there != {"null"}:
            said = f"{place}/{member}: it is {_or(there)}, and {_or(asked)} is taken."
            yield Finding(node.id, said, "Give a value of that type.")


def _types(definition: Definition, known: Known, node: Node, text: str, place: str) -> frozenset[str] | None:
    words = tokens(text)
    if len(words) == 1 and (kind := _LITERALS.get(words[0].kind)):
        return frozenset({kind})
    if text.strip() in ("true", "false"):
        return frozenset({"boolean"})
    found = _path(text)
    return types_of(_read(definition, known, node, place, found)) if found else None


def _source(definition: Definition, known: Known, node: Node, place: str) -> Place | Missing | None:
    found = _path(node.facts[place])
    return _read(definition, known, node, place, found) if found else None


def _path(text: str) -> tuple[str, ...]:
    """Return the parts of a text that is one plain selection and nothing else."""
    found = paths(text) if _parses(text) else []
    written = "".join(token.text for token in tokens(text))
    return found[0].parts if len(found) == 1 and str(found[0]) == written else ()


def _or(types: frozenset[str]) -> str:
    return " or ".join(sorted(types))
