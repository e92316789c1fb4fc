"""Why a person is asked: the rules that decided, with this case's values, and the limits it counts against."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from agents.decision import lines as comparisons
from agents.decision.budgets import UNITS as BUDGETS
from agents.decision.facts import Mode
from agents.decision.money import format_minor
from agents.decision.wording import number_words
from agents.models import Measure, Rule
from agents.selectors import authority_now, company_currency, rule_facts
from agents.services.measures import left_now
from workflows.pages.access import admin_page
from workflows.pages.words import Fact, uuids_in, values_in


@dataclass(frozen=True, slots=True)
class RuleLine:
    """A rule that asks for a person: its words, its exact condition, and this case's values in it."""

    name: str
    sentence: str
    condition: str = ""
    values: list[Fact] = field(default_factory=list)
    policy: str = ""
    link: str = ""
    note: str = ""


def deciding_rules(explanation: Mapping[str, Any], arguments: Mapping[str, Any], amount: str) -> list[RuleLine]:
    """Return the rules that decided, in words, with the present condition and this case's values in it."""
    deciding = set(explanation.get("deciding", ()))
    results = [result for result in explanation.get("rules", ()) if result.get("rule_id") in deciding]
    keys = uuids_in(result["rule_id"] for result in results)
    rules = Rule.objects.select_related("policy").filter(pk__in=keys)
    stored = {str(rule.pk): rule for rule in rules}
    foreign = _without_rate(explanation)
    return [_rule_line(result, stored.get(result["rule_id"]), arguments, amount, foreign) for result in results]


def _without_rate(explanation: Mapping[str, Any]) -> str:
    """Return the currency that the company had no rate for when it was decided; '' when it had one."""
    money = explanation.get("money") or {}
    return str(money.get("currency") or "") if money.get("company_minor", 0) is None else ""


def _rule_line(
    result: Mapping[str, Any], rule: Rule | None, arguments: Mapping[str, Any], amount: str, foreign: str
) -> RuleLine:
    error = f" It could not be evaluated: {result['error']}" if result.get("error") else ""
    sentence = f"{result.get('sentence', '')}{error}"
    if rule is None:
        # A limit decides like a rule, and says why as the end of a sentence.
        return RuleLine(result.get("name", ""), f"{sentence[:1].upper()}{sentence[1:]}")
    asks_of = f"{rule.field} {rule.condition} {' '.join(str(line) for line in rule.also)}"
    is_blind = bool(foreign) and re.search(r"\bamount\b", asks_of) is not None
    return RuleLine(
        name=result.get("name", ""),
        sentence=sentence,
        condition=condition_in_words(rule),
        values=values_in(f"{rule.field} {rule.condition}", arguments, amount),
        policy=rule.policy.name,
        link=admin_page(rule.policy),
        note=_not_compared(foreign) if is_blind else "",
    )


def _not_compared(currency: str) -> str:
    return (
        f"The company has no exchange rate for {currency}, so the amount could not be compared: people decide."
    )


def said_besides(sentence: str, rules: Iterable[RuleLine]) -> list[str]:
    """Return what the sentence of a decision says beyond the rules that are shown, each by itself."""
    shown = {_bare(rule.sentence) for rule in rules}
    return [words for words in sentence.split(" Also: ")[1:] if _bare(words) not in shown]


def _bare(words: str) -> str:
    return words.strip().rstrip(".").casefold()


def condition_in_words(rule: Rule) -> str:
    """Return the condition in words (``an amount above 10,000.00 EUR``), or else its exact text."""
    currency = company_currency()
    if built := comparisons.as_built(rule_facts(rule), currency):
        return " ".join(comparisons.phrases_of(built, currency))
    return rule.condition


def limits_in_words(explanation: Mapping[str, Any]) -> list[str]:
    """Return how much of every limit is left, e.g. ``Invoices a day: 11 of 12 were left, this uses 1``."""
    found = []
    for limit in explanation.get("limits", ()):
        if limit.get("ceiling") is None:
            continue
        unit = limit.get("unit") or ""
        if limit.get("error"):
            found.append(f"{limit.get('name')}: it could not be checked for this request.")
            continue
        if unit in BUDGETS:
            left, ceiling = (
                number_words(unit, limit.get(name) or 0, company_currency()) for name in ("headroom", "ceiling")
            )
            found.append(f"{limit.get('name')}: {left} of {ceiling} were left.")
            continue
        left, ceiling, adds = (_in_unit(limit.get(name), unit) for name in ("headroom", "ceiling", "adds"))
        found.append(f"{limit.get('name')}: {left} of {ceiling} were left, this uses {adds}.")
    return found


def used_up_since(explanation: Mapping[str, Any]) -> list[str]:
    """Return which limits would refuse now what they left room for when it was asked, in words."""
    asked = {(str(it.get("code")), str(it.get("key", ""))): it for it in explanation.get("limits", ())}
    asked = {counter: it for counter, it in asked.items() if it.get("ceiling") is not None and it.get("adds")}
    if not asked:
        return []
    authority = authority_now()
    found = []
    for counter, now in left_now(asked, authority.snapshot, authority.now).items():
        limit, measure = asked[counter], now.definition
        is_short = now.left is not None and now.left < limit["adds"] <= (limit.get("headroom") or 0)
        if is_short and measure.mode == Mode.ENFORCED and measure.on_exceed != Measure.OnExceed.HOLD:
            numbers = (now.left, measure.ceiling, limit["adds"])
            left, ceiling, adds = (_in_unit(number, limit.get("unit") or "") for number in numbers)
            found.append(
                f"{measure.name}: {left} of {ceiling} is left by now, and this uses {adds}. "
                "Approved as things stand, it would be refused."
            )
    return found


def _in_unit(value: Any, unit: str) -> str:
    if unit == "money":
        unit = company_currency()
    if isinstance(value, int) and len(unit) == 3 and unit.isupper():
        return format_minor(value, unit)
    return f"{value} {unit}".strip() if unit not in {"", "count"} else str(value)
