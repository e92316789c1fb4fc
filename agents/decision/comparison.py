"""One comparison of the form: (field, comparison, value) to CEL text and to words; lines.py joins several.

Amounts are entered in major units of the company currency and become minor units; other decimals become
millionths; texts are compared without differences of case and spacing.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from agents.decision.context import WEEKDAYS, NotDecidable, millionths, schema_at, types_at
from agents.decision.facts import OperationFacts
from agents.decision.money import format_minor, major_to_minor


class Kind(StrEnum):
    """What kind of value a field holds."""

    MONEY = "money"
    WHOLE = "whole"
    DECIMAL = "decimal"
    TEXT = "text"
    FLAG = "flag"


_SIGNS = {"above": ">", "at_least": ">=", "below": "<", "at_most": "<="}
_WORDS = {
    "above": "above",
    "at_least": "of at least",
    "below": "below",
    "at_most": "of at most",
    "equal": "being",
    "not_equal": "other than",
    "one_of": "among",
    "none_of": "not among",
}
_OF_AMOUNTS = {
    "above": "an amount above {0}",
    "of at least": "an amount of at least {0}",
    "below": "an amount below {0}",
    "of at most": "an amount of at most {0}",
    "being": "an amount of {0}",
    "other than": "an amount other than {0}",
    "among": "an amount among {0}",
    "not among": "an amount not among {0}",
}
_NEGATED = frozenset({"not_equal", "none_of"})
_SEVERAL = frozenset({"one_of", "none_of"})
_NUMBERS = frozenset({Kind.MONEY, Kind.WHOLE, Kind.DECIMAL})
_TEXTS = frozenset(
    {"currency", "on_behalf_of", "operation.code", "operation.effect", "system.code", "system.category"}
    | {
        "system.environment",
        "agent.code",
        "agent.role",
        "agent.department",
        "agent.risk_tier",
        "agent.autonomy",
        "agent.sponsor",
        "run.id",
        "run.workflow",
        "clock.date",
        "clock.weekday",
    }
)
_WHOLES = frozenset({"agent.days", "clock.hour"})
_FLAGS = frozenset({"clock.weekend", "run.within"})
# A flag is said whole: if it is so, and if not.
_SAID_WHOLE = {
    "clock.weekend": ("on a weekend", "on a working day"),
    "run.within": ("within a workflow", "outside of any workflow"),
}
# What the words of a field are, where its name does not say it.
_NAMES = {
    "agent.days": "days since the agent was taken on",
    "clock.date": "the date",
    "clock.weekday": "the day of the week",
    "clock.weekend": "a weekend",
    "clock.hour": "the hour of the day",
    "agent.sponsor": "the agent's sponsor",
    "run.within": "part of a workflow",
    "run.id": "the run",
    "run.workflow": "the workflow",
}
_READINGS = {"settled": "done so far", "reserved": "under way", "amount": "this call", "headroom": "left"}
_ARGUMENT = re.compile(r"^args(\.[A-Za-z_]\w*)+$")
_MEASURE = re.compile(r"^measures\.[a-z][a-z0-9_]*\.(amount|reserved|settled|headroom|ceiling)$")
_PROVENANCE = re.compile(r"^provenance\.([A-Za-z_][\w.]*)$")
_WHOLE = re.compile(r"^-?[0-9]{1,18}$")
LAST_HOUR = 23
_DUTY = {"deny": "is refused", "hold": "needs a person", "none": "is marked"}


@dataclass(frozen=True, slots=True)
class FieldFacts:
    """What is known of a field: the kind of its values, and whether it may be absent."""

    kind: Kind
    optional: bool


def field_facts(field: str, operations: Sequence[OperationFacts]) -> FieldFacts:
    """Return what the schemas of these operations say about a field; raises ValueError when they disagree."""
    if field == "amount":
        return FieldFacts(Kind.MONEY, optional=False)
    if field in _TEXTS:
        return FieldFacts(Kind.TEXT, optional=False)
    if field in _WHOLES | _FLAGS:
        return FieldFacts(Kind.WHOLE if field in _WHOLES else Kind.FLAG, optional=False)
    if _PROVENANCE.fullmatch(field):
        return FieldFacts(Kind.TEXT, optional=True)
    if _MEASURE.fullmatch(field):
        return FieldFacts(Kind.WHOLE, optional=field.endswith((".headroom", ".ceiling")))
    if not _ARGUMENT.fullmatch(field):
        raise ValueError(
            f"{field!r} cannot be compared. Use amount, currency, or an argument such as args.supplier"
        )
    found = [_of_schema(field, operation) for operation in operations if operation.input_schema is not None]
    kinds = {facts.kind for facts in found}
    if len(kinds) != 1:
        why = (
            "is not described by the operation" if not found else "is a different kind of value in each of them"
        )
        raise ValueError(f"{field} {why}. Narrow the operations, or write the condition by hand")
    return FieldFacts(kinds.pop(), any(facts.optional for facts in found))


def _of_schema(field: str, operation: OperationFacts) -> FieldFacts:
    schema = operation.input_schema or {}
    found, certain = schema_at(schema, field.split(".")[1:])
    if found is None:
        raise ValueError(f"{field} does not exist in {operation.code}")
    types = types_at(found, schema) - {"null"}
    kind = {"integer": Kind.WHOLE, "decimal": Kind.DECIMAL, "boolean": Kind.FLAG, "string": Kind.TEXT}.get(
        next(iter(types), "") if len(types) == 1 else ""
    )
    if kind is None:
        raise ValueError(f"{field} in {operation.code} is not one plain value. Compare a field inside it")
    return FieldFacts(kind, optional=not certain)


def condition_of(
    *, field: str, comparison: str, value: str, currency: str, kind: str = "", optional: bool = False
) -> str:
    """Return the CEL text of one comparison; raises ValueError with what to correct.

    The field is ``amount`` (value in major units of the company ``currency``), ``currency``, ``args.<path>``,
    ``agent.<name>``, ``system.<name>``, ``measures.<code>.<name>`` or ``provenance.<argument>``. ``kind`` and
    ``optional`` come from ``field_facts``. An absent optional field makes ``is not`` true and the others false.
    """
    kind = Kind(kind) if kind else field_facts(field, ()).kind
    if comparison in _SIGNS and kind not in _NUMBERS:
        raise ValueError(f"{field} is not a number, so it cannot be {_WORDS[comparison]} something")
    if comparison not in _WORDS:
        raise ValueError(f"{comparison!r} is not a comparison")
    entered = [folded(field, kind, each) for each in values_of(comparison, value, kind)]
    for each in entered:
        _require_known(field, each)
    literals = [_literal(each, kind, currency) for each in entered]
    read, present = _read(field, kind)
    if comparison in _SIGNS:
        plain = f"{read} {_SIGNS[comparison]} {literals[0]}"
    elif comparison in _SEVERAL:
        plain = f"{read} in [{', '.join(literals)}]"
        plain = f"!({plain})" if comparison in _NEGATED else plain
    else:
        plain = f"{read} {'!=' if comparison in _NEGATED else '=='} {literals[0]}"
    if not optional:
        return plain
    return f"!{present} || {plain}" if comparison in _NEGATED else f"{present} && {plain}"


def _read(field: str, kind: Kind) -> tuple[str, str]:
    """Return how CEL reads a field, and how it asks whether it is there."""
    if match := _PROVENANCE.fullmatch(field):
        key = json.dumps(match.group(1))
        return f"provenance[{key}]", f"({key} in provenance)"
    read = f"fold({field})" if kind == Kind.TEXT and field.startswith("args.") else field
    return read, f"has({field})"


def values_of(comparison: str, value: str, kind: str = Kind.TEXT) -> list[str]:
    """Return the single values that were entered; several stand between semicolons, texts also commas."""
    if comparison not in _SEVERAL:
        found = [value.strip()]
    else:
        separator = ";" if ";" in value or kind == Kind.MONEY else ","
        found = [part.strip() for part in value.split(separator)]
    if not all(found):
        raise ValueError("Enter a value to compare with")
    return found


def _literal(value: str, kind: Kind, currency: str) -> str:
    if kind == Kind.MONEY:
        return str(major_to_minor(value, currency))
    if kind == Kind.WHOLE:
        if not _WHOLE.fullmatch(value):
            raise ValueError(f"{value!r} is not a whole number")
        return value
    if kind == Kind.DECIMAL:
        try:
            return str(millionths(value))
        except NotDecidable as error:
            raise ValueError(str(error)) from None
    if kind == Kind.FLAG:
        if value.casefold() not in ("yes", "no", "true", "false"):
            raise ValueError(f"{value!r} is neither yes nor no")
        return "true" if value.casefold() in ("yes", "true") else "false"
    return _text_literal(value)


def _require_known(field: str, value: str) -> None:
    """Refuse a day that no clock will ever show: the rule would never apply, and nobody would notice."""
    if field == "clock.weekday" and value not in WEEKDAYS:
        raise ValueError(f"{value!r} is no day of the week. Write {', '.join(WEEKDAYS)}")
    if field == "clock.date":
        try:
            is_day = date.fromisoformat(value).isoformat() == value
        except ValueError:
            is_day = False
        if not is_day:
            raise ValueError(f"{value!r} is no date. Write it as 2026-12-24")
    if field == "clock.hour" and not (_WHOLE.fullmatch(value) and 0 <= int(value) <= LAST_HOUR):
        raise ValueError(f"{value!r} is no hour of the day. Write a number from 0 to {LAST_HOUR}")


def _text_literal(value: str) -> str:
    if not value.isprintable() or "\\" in value:
        raise ValueError("The value contains a character that a rule cannot hold")
    return '"' + value.replace('"', '\\"') + '"'


def folded(field: str, kind: str, value: str) -> str:
    """Return a text as ``fold`` leaves it, for the fields whose condition folds."""
    if field == "clock.weekday":
        return value.casefold()
    return " ".join(value.casefold().split()) if kind == Kind.TEXT and field.startswith("args.") else value


@dataclass(frozen=True, slots=True)
class Phrase:
    """A comparison inside a sentence; ``is_plain``: it stands by itself, without "with"."""

    words: str
    is_plain: bool = False


def phrase_of(*, field: str, comparison: str, value: str, currency: str, kind: str) -> Phrase:
    """Return one comparison in words: ``an amount above 10,000.00 EUR``, ``on a weekend``."""
    kind = Kind(kind)
    if field in _SAID_WHOLE:
        is_so = (_literal(value.strip(), Kind.FLAG, "") == "true") != (comparison in _NEGATED)
        return Phrase(_SAID_WHOLE[field][0 if is_so else 1], is_plain=True)
    said = [_said(each, kind, currency) for each in values_of(comparison, value, kind)]
    several = said[0] if len(said) == 1 else f"{', '.join(said[:-1])} and {said[-1]}"
    words = _WORDS[comparison]
    if comparison in _SEVERAL and len(said) == 1:
        words = "other than" if comparison in _NEGATED else "being"
    if field == "amount":
        return Phrase(_OF_AMOUNTS[words].format(several))
    return Phrase(f"{_name(field)} {words} {several}")


def duty_of(verdict: str) -> str:
    """Return what happens to a call, to end a sentence: ``needs a person``."""
    return _DUTY.get(verdict, "is refused")


def _name(field: str) -> str:
    parts = field.split(".")[-1 if not field.startswith("args.") else 1 :]
    if field.startswith("measures."):
        _, code, reading = field.split(".")
        return f"{code.replace('_', ' ')} ({_READINGS.get(reading, reading)})"
    return _NAMES.get(field) or " ".join(parts).replace("_", " ")


def _said(value: str, kind: Kind, currency: str) -> str:
    if kind == Kind.MONEY:
        return format_minor(major_to_minor(value, currency), currency)
    return f'"{value}"' if kind == Kind.TEXT else value
