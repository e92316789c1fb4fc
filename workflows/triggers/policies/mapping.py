"""What CEL makes of an occasion: does it count, what is the run given, what names the work. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from agents.decision import cel
from workflows.runs import engine

# What RFC 8785 and CEL both hold exactly.
MOST_INTEGER = 2**53 - 1


class NotWorkedOut(Exception):
    """A condition, the input or the key could not be worked out; the text says which and why, for people."""


@dataclass(frozen=True, slots=True)
class Meaning:
    """What an occasion means for a trigger."""

    counts: bool
    input: Mapping[str, Any]
    key: str


@dataclass(frozen=True, slots=True)
class Texts:
    """The CEL texts of one trigger."""

    condition: str
    give: Mapping[str, str]
    key: str


def worked_out(texts: Texts, facts: Mapping[str, Any], default_key: str) -> Meaning:
    """Return what a trigger makes of what came; raise NotWorkedOut. Nothing is guessed: an error is no "no"."""
    try:
        context = cel.make_context(facts)
        if not cel.holds(texts.condition, context):
            return Meaning(False, {}, "")
    except cel.ConditionError as error:
        raise NotWorkedOut(f"The condition could not be checked: {error}.") from None
    try:
        given = engine.evaluated(texts.give, facts)
    except cel.ConditionError as error:
        raise NotWorkedOut(f"The input could not be put together: {error}.") from None
    for member, value in given.items():
        if problem := _not_plain(value):
            raise NotWorkedOut(f"The input could not be put together: {member} {problem}.")
    return Meaning(True, given, _key(texts.key, context, default_key))


def exact(value: Any) -> Any:
    """Return JSON with the numbers that CEL would round as text."""
    if isinstance(value, float) or (isinstance(value, int) and abs(value) > MOST_INTEGER):
        return str(value)
    if isinstance(value, Mapping):
        return {str(key): exact(item) for key, item in value.items()}
    return [exact(item) for item in value] if isinstance(value, list | tuple) else value


def problems(texts: Texts, names: Collection[str]) -> Iterator[tuple[str, str]]:
    """Yield what is wrong with the texts of a trigger as (field, words), before anything came."""
    for field, text in (("condition", texts.condition), ("key", texts.key)):
        if text and (problem := _text_problem(text, names)):
            yield field, f"{problem[0].upper()}{problem[1:]}."
    for member, text in texts.give.items():
        if not isinstance(text, str):
            yield "give", f"{member}: write a CEL text in quotes."
        elif problem := _text_problem(text, names):
            yield "give", f"{member}: {problem}."


def misfits(give: Collection[str], schema: Mapping[str, Any]) -> Iterator[str]:
    """Yield where the members that are given cannot fit the schema of a workflow's input."""
    known = schema.get("properties", {})
    for member in sorted(set(give) - set(known)):
        yield f"The input of the workflow has no member {member}."
    for member in sorted(set(schema.get("required", ())) - set(give)):
        yield f"The workflow asks for {member}: give it."


def _key(text: str, context: Any, default_key: str) -> str:
    if not text:
        return default_key
    try:
        key = cel.evaluate(text, context)
    except cel.ConditionError as error:
        raise NotWorkedOut(f"The key could not be worked out: {error}.") from None
    if isinstance(key, bool) or not isinstance(key, str | int):
        raise NotWorkedOut("The key could not be worked out: it is neither text nor a whole number.")
    return str(key)


def _text_problem(text: str, names: Collection[str]) -> str:
    try:
        unknown = cel.names_used(text) - set(names)
    except cel.ConditionError as error:
        return str(error)
    if unknown:
        return f"it names {', '.join(sorted(unknown))}; there is {', '.join(sorted(names))}"
    return ""


def _not_plain(value: Any) -> str:
    """Return why a value cannot be the input of a run, '' for text, whole numbers, yes or no and lists."""
    if value is None or isinstance(value, str | bool):
        return ""
    if isinstance(value, int):
        return "" if abs(value) <= MOST_INTEGER else "is too large a number"
    if isinstance(value, list | tuple):
        return next((found for item in value if (found := _not_plain(item))), "")
    if isinstance(value, Mapping):
        return next((found for item in value.values() if (found := _not_plain(item))), "")
    return f"is of a kind that no run can be given ({type(value).__name__}); make text of it with string()"
