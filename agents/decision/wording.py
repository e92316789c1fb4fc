"""Decisions in plain business words, with the values of the case at hand."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from agents.decision import expressions
from agents.decision.budgets import COST, TOKENS, cost_words, is_budget
from agents.decision.counting import FAILURES, RECORDS, RUNNING
from agents.decision.facts import DecisionRequest, MeasureDefinition, MeasureFacts, MoneyFacts, RuleFacts
from agents.decision.money import format_minor

MAX_SENTENCE = 500
_MAX_VALUE = 60
_ASK_SPONSOR = "Do not repeat it as it is. Ask your sponsor if it should be allowed."
WAIT = "Wait for the decision of a person, or withdraw the request."


def sentence(head: str, *parts: str) -> str:
    """Return ``Head: part. part.`` within the length that the ledger keeps."""
    said = " ".join(part.strip().rstrip(".") + "." for part in parts if part.strip())
    text = f"{head}: {said}"
    return text if len(text) <= MAX_SENTENCE else text[: MAX_SENTENCE - 1] + "…"


def money_words(money: MoneyFacts, company_currency: str) -> str:
    """Return an amount, and what it is in company currency when that is another one."""
    own = format_minor(money.minor, money.currency)
    if money.company_minor is None or money.currency == company_currency:
        return own
    return f"{own} ({format_minor(money.company_minor, company_currency)})"


def case_words(rule: RuleFacts, request: DecisionRequest, company_currency: str, redact: Iterable[str]) -> str:
    """Return what this case is, for the fields the rule looks at; hidden fields stay hidden."""
    hidden = frozenset(redact)
    built = [rule.field, *(line.field for line in rule.also)]
    fields = built if rule.field else [str(path) for path in _read_by(rule)]
    said = [
        words
        for name in dict.fromkeys(fields)
        if (words := _field_words(name, request, company_currency, hidden))
    ]
    return ". ".join(said[:3])


def _read_by(rule: RuleFacts) -> list[expressions.Path]:
    return [path for path in expressions.paths(rule.condition) if path.parts[0] in ("amount", "args")]


def _field_words(name: str, request: DecisionRequest, company_currency: str, hidden: frozenset[str]) -> str:
    if name == "amount":
        return f"This one is {money_words(request.money, company_currency)}" if request.money else ""
    parts = name.split(".")
    if parts[0] != "args" or len(parts) < 2:
        return ""
    if any(".".join(parts[: size + 1]) in hidden for size in range(1, len(parts))):
        return f"Here {_spoken(parts)} is hidden"
    found: Any = request.arguments
    for part in parts[1:]:
        found = found.get(part) if isinstance(found, Mapping) else None
    if found is None or isinstance(found, Mapping | list | tuple):
        return ""
    return f"Here {_spoken(parts)} is {shown(found)}"


def _spoken(parts: list[str]) -> str:
    return " ".join(parts[1:]).replace("_", " ")


def shown(value: Any) -> str:
    """Return a value an agent sent as one short line: quoted, without line breaks or control characters."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return str(value)
    text = "".join(char if char.isprintable() else " " for char in str(value))
    return f'"{text if len(text) <= _MAX_VALUE else text[: _MAX_VALUE - 1] + "…"}"'


def measure_words(definition: MeasureDefinition, facts: MeasureFacts, company_currency: str) -> str:
    """Return a limit with its numbers, e.g. ``at most 20 per day; 20 are used and this adds 1``."""
    if is_no_duplicate(definition):
        key = f" ({shown(facts.key)})" if facts.key else ""
        return f"{definition.name}: this one was already done or is under way{key}"
    if definition.unit in (FAILURES, RUNNING):
        most = number_words(definition.unit, facts.ceiling or 0, company_currency)
        return f"{definition.name}: at most {most}; {_standing_words(definition.unit, facts)}"
    window = {
        "call": "per call",
        "minute": "per minute",
        "hour": "per hour",
        "day": "per day",
        "month": "per month",
        "ever": "in all",
        "rolling": f"in {definition.window_seconds} seconds",
    }.get(definition.window, "")
    if definition.window == "call":
        most, adds = (
            number_words(definition.unit, each, company_currency) for each in (facts.ceiling or 0, facts.amount)
        )
        return f"{definition.name}: at most {most} {window}; this one has {adds}"
    most, used, adds = (
        number_words(definition.unit, each, company_currency)
        for each in (facts.ceiling or 0, facts.reserved + facts.settled, facts.amount)
    )
    if is_budget(definition):
        each = " in this run" if definition.key.strip() else ""
        return f"{definition.name}: at most {most} {window}{each}; {used} used"
    return f"{definition.name}: at most {most} {window}; {used} used and this adds {adds}"


def _standing_words(unit: str, facts: MeasureFacts) -> str:
    if unit == RUNNING:
        return f"{facts.reserved:,} are under way"
    under_way = f", {facts.reserved:,} more under way could" if facts.reserved else ""
    return f"{facts.settled:,} have failed{under_way}"


def is_no_duplicate(definition: MeasureDefinition) -> bool:
    """Tell whether a measure means "never twice": counted for ever, per key, one at most."""
    lasts = definition.window == "ever" and definition.unit not in (FAILURES, RUNNING)
    return lasts and definition.ceiling == 1 and bool(definition.key.strip()) and not is_budget(definition)


def number_words(unit: str, value: int, company_currency: str) -> str:
    """Return a number in the unit that a limit counts, as people read it."""
    if unit == "money":
        return format_minor(value, company_currency)
    if unit == COST:
        return cost_words(value, company_currency)
    return f"{value:,} {_ONE.get(unit, '') if value == 1 else _MANY.get(unit, '')}".rstrip()


_ONE = {TOKENS: "tokens", RECORDS: "record", FAILURES: "failure in a row", RUNNING: "at the same time"}
_MANY = {TOKENS: "tokens", RECORDS: "records", FAILURES: "failures in a row", RUNNING: "at the same time"}


def beyond_words(on_exceed: str) -> str:
    """Return what happens above a ceiling, to follow what is more: ``waits for a person``."""
    return _BEYOND.get(on_exceed, "is refused")


_BEYOND = {"hold": "waits for a person", "pause": "is refused, and the agent is paused"}


def next_after_denial(code: str) -> str:
    """Return the legal next move after a refusal; it explains, and teaches no way around."""
    return _NEXT.get(code, _ASK_SPONSOR)


_NEXT = {
    "denied_by_rule": _ASK_SPONSOR,
    "unknown_effect": "Stop. Whoever published the operation must say what it does; tell your sponsor.",
    "no_policy": "Stop. An administrator must load the company's policies first.",
    "unknown_operation": "List your operations and use one of their codes.",
    "no_grant": "Stop, or ask your sponsor for a grant on this operation.",
    "agent_paused": "Stop and wait until a person resumes you.",
    "agent_suspended": "Stop. A person must lift the suspension.",
    "agent_not_active": "Stop. A person must activate you first.",
    "attestation_overdue": "Only read until your sponsor has confirmed that you are still needed.",
    "sponsor_inactive": "Only read until a person has named a new sponsor.",
    "stopped": "Stop and wait until a person lifts the stop, then ask again.",
    "probation_hold": "Wait for a person to decide: every write is held while you are on probation.",
    "autonomy_read_only": "Use read operations only, or ask your sponsor for more autonomy.",
    "arguments_not_decidable": "Correct the value and ask again.",
    "amount_missing": "State the amount in minor units with its currency and ask again.",
    "rule_error": "Stop. The owner of the policy must correct the rule; tell your sponsor.",
    "limit_reached": "Wait until the limit starts anew, or ask your sponsor.",
    "duplicate": "Stop: do not send it again. Look up the one that exists.",
    "internal_error": "Try again later; tell an operator if it stays.",
}
