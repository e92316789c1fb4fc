"""What may be contested: a denial by a rule, a limit or a missing grant, and nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from agents.decision import RuleFacts
from agents.decision.comparison import Kind
from agents.decision.context import NotDecidable, millionths
from agents.decision.money import at_path
from audit.vocabulary import Refusal, RefusalKind

CONTESTABLE = frozenset({"denied_by_rule", "limit_reached", "no_grant"})
LONGEST_SHAPE = 300
LONGEST_NAME = 120


def why_not_contestable(*, label: str, state: str, code: str) -> Refusal | None:
    """Return why an action in this state, with this code, cannot be contested; None when it can."""
    if state != "denied":
        why, then = "it was not denied", "Read the action: it says what comes next."
    elif code not in CONTESTABLE:
        why = "neither a rule, nor a limit, nor a missing grant denied it"
        then = "Do what the denial says: an appeal changes nothing about it."
    else:
        return None
    return Refusal(
        "not_contestable",
        f"{label} cannot be contested: {why}.",
        kind=RefusalKind.CONFLICT,
        next_step=then,
    )


def shape_of_rule(rule: RuleFacts) -> str:
    """Return what a rule compares, as one line: appeals against the same comparison belong together."""
    if not rule.field:
        return (rule.condition or "always")[:LONGEST_SHAPE]
    lines = [f"{rule.field} {rule.comparison} {rule.value}"]
    lines += [f"{line.joined} {line.field} {line.comparison} {line.value}" for line in rule.also]
    return " ".join(lines)[:LONGEST_SHAPE]


def value_at(
    field: str, kind: Kind | None, arguments: Mapping[str, Any], amount: int | None
) -> int | str | None:
    """Return the value of one call that a rule compared; None where it is none or cannot be compared.

    Money in minor units of the company currency, decimals in millionths, whole numbers and texts as they are.
    """
    if field == "amount":
        return amount
    if not field.startswith("args."):
        return None
    found = at_path(arguments, field.removeprefix("args."))
    if isinstance(found, str):
        return _of_text(found, kind)
    is_whole = isinstance(found, int) and not isinstance(found, bool)
    return found if kind == Kind.WHOLE and is_whole else None


def _of_text(found: str, kind: Kind | None) -> int | str | None:
    if kind == Kind.DECIMAL:
        try:
            return millionths(found)
        except NotDecidable:
            return None
    is_name = kind == Kind.TEXT and bool(found.strip()) and found.isprintable()
    return found.strip()[:LONGEST_NAME] if is_name else None
