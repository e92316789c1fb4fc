"""The smallest change that would have let contested cases pass. A suggestion: a person takes it up, or not."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from agents.decision import MeasureDefinition, RuleFacts
from agents.decision.comparison import Kind, values_of
from agents.decision.money import INT64_MAX, MILLION, exponent, format_minor, major_to_minor
from agents.decision.wording import number_words
from workflows.appeals.policies.clusters import Contested

_UP = {"above": 0, "at_least": 1}
_DOWN = {"below": 0, "at_most": 1}
MOST_NAMED = 10
LONGEST_VALUE = 300


@dataclass(frozen=True, slots=True)
class Loosening:
    """A change as ``propose_rule_change`` or ``propose_measure_change`` takes it, and in words."""

    words: str
    changes: Mapping[str, Any] = field(default_factory=dict)

    @property
    def value(self) -> str:
        """Return the new value of the comparison, where that is what changes."""
        return str(self.changes.get("value", ""))


def loosened_rule(
    rule: RuleFacts, cases: Sequence[Contested], kind: Kind | None, currency: str
) -> Loosening | None:
    """Return the smallest change of a rule that lets these cases pass, or at least reach a person.

    A threshold moves to the next round number beyond the cases, a list takes them in or leaves them out. Where
    that is not plain (several comparisons, written by hand, values that are hidden), people decide such cases
    instead of nobody. None: nothing smaller than what stands is known.
    """
    if not cases:
        return None
    if not rule.also and kind is not None:
        values = [case.value for case in cases if case.value is not None]
        if len(values) == len(cases) and (wanted := _other_value(rule, values, kind, currency)):
            comparison, value = wanted
            written = {"field": rule.field, "comparison": comparison, "value": value, "sentence": ""}
            new, old = (_in_words(one, kind, currency) for one in (value, rule.value))
            return Loosening(f"Compare with {new} instead of {old}", written)
    if rule.verdict != "deny":
        return None
    built = {"field": rule.field, "comparison": rule.comparison, "value": rule.value, "sentence": ""}
    changes = {**(built if rule.field else {}), "verdict": "hold"}
    return Loosening("Hold such cases for a person instead of refusing them", changes)


def loosened_limit(measure: MeasureDefinition, cases: Sequence[Contested], currency: str) -> Loosening | None:
    """Return the ceiling above which everything contested would have passed, also on the worst day."""
    adds = [case.value for case in cases]
    if measure.ceiling is None or not cases or not all(isinstance(one, int) for one in adds):
        return None
    by_day: Counter[Any] = Counter()
    for case in cases:
        by_day[case.day] += case.value if isinstance(case.value, int) else 0
    each = 10 ** exponent(currency) if measure.unit == "money" else MILLION if measure.unit == "cost" else 1
    worst = max(by_day.values())
    ceiling = round_above(measure.ceiling + worst, each)
    if ceiling <= measure.ceiling:
        return None
    now, then = (number_words(measure.unit, one, currency) for one in (measure.ceiling, ceiling))
    return Loosening(f"Allow {then} instead of {now}", {"ceiling": ceiling})


def _in_words(value: str, kind: Kind, currency: str) -> str:
    if kind is not Kind.MONEY:
        return value
    with suppress(ValueError):
        return format_minor(major_to_minor(value, currency), currency)
    return value


def round_above(number: int, each: int = 1) -> int:
    """Return the next round number at or above ``number``: two digits in units of ``each``, then zeros."""
    return -_round_below(-number, each)


def _round_below(number: int, each: int) -> int:
    whole = number // each
    step = 10 ** max(0, len(str(abs(whole))) - 2)
    return (whole // step) * step * each


def _other_value(
    rule: RuleFacts, values: Sequence[int | str], kind: Kind, currency: str
) -> tuple[str, str] | None:
    numbers = [value for value in values if isinstance(value, int)]
    if kind in (Kind.MONEY, Kind.WHOLE, Kind.DECIMAL) and len(numbers) == len(values):
        return _other_threshold(rule, numbers, kind, currency)
    texts = [value for value in values if isinstance(value, str)]
    if kind == Kind.TEXT and len(texts) == len(values):
        return _other_list(rule, texts)
    return None


def _other_threshold(
    rule: RuleFacts, numbers: Sequence[int], kind: Kind, currency: str
) -> tuple[str, str] | None:
    each = {Kind.MONEY: 10 ** exponent(currency), Kind.DECIMAL: MILLION}.get(kind, 1)
    if rule.comparison in _UP:
        number = round_above(max(numbers) + _UP[rule.comparison], each)
    elif rule.comparison in _DOWN:
        number = _round_below(min(numbers) - _DOWN[rule.comparison], each)
    else:
        return None
    if abs(number) > INT64_MAX or (number < 0 and kind == Kind.MONEY):
        return None
    return rule.comparison, _written(number, kind, currency)


def _written(number: int, kind: Kind, currency: str) -> str:
    if kind == Kind.MONEY:
        return format_minor(number, currency).removesuffix(f" {currency}").replace(",", "")
    return str(number // MILLION if kind == Kind.DECIMAL else number)


def _other_list(rule: RuleFacts, texts: Sequence[str]) -> tuple[str, str] | None:
    """Take contested names into what is let pass, or out of what is refused; nothing is left to refuse: no."""
    contested = {_folded(text): text for text in texts}
    if len(contested) > MOST_NAMED or any(";" in text or "\\" in text for text in texts):
        return None
    named = values_of(rule.comparison, rule.value)
    if rule.comparison in ("not_equal", "none_of"):
        kept = [*named, *(contested[key] for key in sorted(contested) if key not in set(map(_folded, named)))]
        comparison = "none_of"
    elif rule.comparison == "one_of":
        kept, comparison = [name for name in named if _folded(name) not in contested], "one_of"
    else:
        return None
    # One value alone must not be split at its commas.
    value = "; ".join(kept)
    is_one = bool(kept) and (len(kept) > 1 or "," not in kept[0])
    return (comparison, value) if is_one and len(value) <= LONGEST_VALUE else None


def _folded(text: str) -> str:
    return " ".join(text.casefold().split())
