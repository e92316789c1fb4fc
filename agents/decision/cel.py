"""CEL conditions: compile once, evaluate against one typed context.

What was seen of common-expression-language 0.10: programs and contexts are safe to share between threads; an
evaluation holds the interpreter and cannot be interrupted; ``map`` and ``filter`` take quadratic time (47 s for
20,000 items) and nesting multiplies, so conditions may test a list (``all``, ``exists``, ``exists_one``) one
level deep and no more; ``==`` between types is silently false while ``<`` raises; whole numbers past 64 bits
silently become unsigned or floating, and Decimal becomes floating, so neither is ever let in.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import cel

from agents.decision import expressions

MAX_LENGTH = 2000
_TESTS = frozenset({"all", "exists", "exists_one"})
# Undefined names and the rest come as RuntimeError, missing keys as KeyError; a panic of the library is no
# Exception at all. All of it is one thing to a rule: it could not be checked.
_PASS_ON = (KeyboardInterrupt, SystemExit, GeneratorExit)


class ConditionError(Exception):
    """A condition could not be compiled or evaluated; the text says why, for people."""


def fold(text: Any) -> Any:
    """Return text without differences of case and spacing: ``fold(" Inv  7 ") == "inv 7"``. Else unchanged."""
    return " ".join(text.casefold().split()) if isinstance(text, str) else text


FUNCTIONS = {"fold": fold}


@lru_cache(maxsize=4096)
def compile_condition(expression: str) -> cel.Program:
    """Return the compiled program, kept for the next time; raises ConditionError with what is wrong."""
    if len(expression) > MAX_LENGTH:
        raise ConditionError(f"it is longer than {MAX_LENGTH} characters")
    if not expressions.only_plain_strings(expression):
        raise ConditionError("it uses a raw, byte or multi-line string; write plain quotes")
    for macro, depth in expressions.macros(expression):
        if macro not in _TESTS:
            raise ConditionError(f"{macro}() is not offered; use exists(), all() or exists_one()")
        if depth > 1:
            raise ConditionError(f"{macro}() stands inside another test of a list; use one level only")
    try:
        return cel.compile(expression)
    except _PASS_ON:
        raise
    except BaseException as error:  # noqa: BLE001 - a panic of the parser must refuse, not kill the process
        raise ConditionError(_plain(error)) from None


def make_context(variables: Mapping[str, Any]) -> cel.Context:
    """Return one context that every condition of a decision shares; raises ConditionError."""
    try:
        return cel.Context(variables=dict(variables), functions=dict(FUNCTIONS))
    except _PASS_ON:
        raise
    except BaseException as error:  # noqa: BLE001 - see compile_condition
        raise ConditionError(_plain(error)) from None


def evaluate(expression: str, context: cel.Context | Mapping[str, Any]) -> Any:
    """Return the value of a CEL expression; raises ConditionError with a plain reason."""
    program = compile_condition(expression)
    shared = context if isinstance(context, cel.Context) else make_context(context)
    try:
        return program.execute(shared)
    except _PASS_ON:
        raise
    except BaseException as error:  # noqa: BLE001 - see compile_condition
        raise ConditionError(_plain(error)) from None


def holds(expression: str, context: cel.Context) -> bool:
    """Tell whether a condition holds; an empty one always does. Raises ConditionError without a yes or no."""
    if not expression.strip():
        return True
    value = evaluate(expression, context)
    if not isinstance(value, bool):
        raise ConditionError("it does not answer yes or no")
    return value


def names_used(expression: str) -> set[str]:
    """Return the outer names an expression reads (``args``, ``amount`` ...); raises ConditionError."""
    return set(compile_condition(expression).variables()) - expressions.bound_names(expression)


def _plain(error: BaseException) -> str:
    if isinstance(error, KeyError):
        return f"{error.args[0] if error.args else 'a field'} is missing"
    lines = str(error).strip().splitlines() or [type(error).__name__]
    text = lines[0]
    if "No such overload" in text or "Unsupported operation" in text:
        return "it compares values of different types"
    if text.startswith("Undefined variable"):
        return text.split(". Check", 1)[0].replace("Undefined variable or function", "it names an unknown word")
    if "Failed to parse" in text:
        return "it is not valid CEL: " + text.split("ERROR:", 1)[-1].strip()
    return text[:200]
