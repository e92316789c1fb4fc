"""The comparisons of one rule, joined by ``and`` and ``or``: to CEL text, to a sentence, and back again.

``and`` binds closer than ``or``: the lines between two ``or`` are a group, and one group that holds is enough.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import product
from typing import Any

from agents.decision import comparison
from agents.decision.comparison import FieldFacts, Kind, Phrase
from agents.decision.facts import Line, OperationFacts, RuleFacts

AND, OR = "and", "or"
MOST = 8
_PARTS = frozenset({"joined", "field", "comparison", "value"})


@dataclass(frozen=True, slots=True)
class Known:
    """A line with what is known of its field."""

    line: Line
    facts: FieldFacts


def further_lines(told: Any) -> tuple[Line, ...]:
    """Return the lines after the first from plain data; raises ValueError with what to correct."""
    if not isinstance(told, Sequence) or isinstance(told, str) or len(told) >= MOST:
        raise ValueError(f"Further comparisons are a list of at most {MOST - 1}")
    return tuple(_line(entry) for entry in told)


def _line(told: Any) -> Line:
    if (
        not isinstance(told, Mapping)
        or set(told) != _PARTS
        or not all(isinstance(it, str) for it in told.values())
    ):
        raise ValueError("Each further comparison has joined, field, comparison and value, all of them texts")
    if told["joined"] not in (AND, OR):
        raise ValueError(f"{told['joined']!r} joins nothing. A further comparison is joined by and, or by or")
    if not (told["field"] and told["comparison"]):
        raise ValueError("A further comparison is not complete: choose what is compared, and how")
    return Line(**told)


def lines_on_record(told: Any) -> tuple[Line, ...]:
    """Return the lines after the first as they stand; none when they cannot be read: the CEL text decides."""
    try:
        return further_lines(told)
    except ValueError:
        return ()


def as_data(lines: Sequence[Line]) -> list[dict[str, str]]:
    """Return the lines after the first as plain data."""
    return [asdict(line) for line in lines]


def lines_of(rule: RuleFacts) -> tuple[Line, ...]:
    """Return every comparison of a rule; none when its condition was written by hand."""
    if not (rule.field and rule.comparison):
        return ()
    return (Line(OR, rule.field, rule.comparison, rule.value), *rule.also)


def known(lines: Sequence[Line], operations: Sequence[OperationFacts]) -> list[Known]:
    """Return the lines with what the schemas of these operations say; raises ValueError."""
    return [Known(line, comparison.field_facts(line.field, operations)) for line in lines]


def groups(lines: Sequence[Known]) -> list[list[Known]]:
    """Return the alternatives: in each, every line has to hold."""
    found: list[list[Known]] = []
    for each in lines:
        if each.line.joined == OR or not found:
            found.append([])
        found[-1].append(each)
    return found


def condition_of(lines: Sequence[Known], currency: str) -> str:
    """Return the CEL text of the lines; raises ValueError with what to correct."""
    alternatives = groups(lines)
    if len(lines) == 1:
        return _condition(lines[0], currency)
    written = [" && ".join(_closed(_condition(each, currency)) for each in group) for group in alternatives]
    return written[0] if len(written) == 1 else " || ".join(map(_closed, written))


def _condition(each: Known, currency: str) -> str:
    line, facts = each.line, each.facts
    return comparison.condition_of(
        field=line.field,
        comparison=line.comparison,
        value=line.value,
        currency=currency,
        kind=facts.kind,
        optional=facts.optional,
    )


def _closed(written: str) -> str:
    return f"({written})" if "||" in written or "&&" in written else written


def sentence_of(lines: Sequence[Known], currency: str, verdict: str) -> str:
    """Return the rule in plain words, e.g. ``An amount above 10,000.00 EUR needs a person``."""
    alternatives = [[_phrase(each, currency) for each in group] for group in groups(lines)]
    duty = comparison.duty_of(verdict)
    if len(lines) == 1 and lines[0].line.field == "amount":
        words = alternatives[0][0].words
        return f"{words[:1].upper()}{words[1:]} {duty}"
    first, *others = map(_in_words, alternatives)
    return f"A call {', or one '.join([first, *others])}{',' if others else ''} {duty}"


def phrases_of(lines: Sequence[Known], currency: str) -> list[str]:
    """Return each line in words with what joins it: ``an amount above 500.00 EUR``, ``and on a weekend``."""
    said = (_phrase(each, currency).words for each in lines)
    return [words if not place else f"{lines[place].line.joined} {words}" for place, words in enumerate(said)]


def _phrase(each: Known, currency: str) -> Phrase:
    line = each.line
    return comparison.phrase_of(
        field=line.field,
        comparison=line.comparison,
        value=line.value,
        currency=currency,
        kind=each.facts.kind,
    )


def _in_words(group: Sequence[Phrase]) -> str:
    of_it = [phrase.words for phrase in group if not phrase.is_plain]
    plain = [phrase.words for phrase in group if phrase.is_plain]
    return " ".join([f"with {' and '.join(of_it)}" if of_it else "", *plain]).strip()


def as_built(rule: RuleFacts, currency: str) -> list[Known] | None:
    """Return the lines under which the form builds exactly this condition; None when written by hand."""
    lines = lines_of(rule)
    if not lines:
        return None
    for chosen in product(*(list(_candidates(line, rule.condition, currency)) for line in lines)):
        if condition_of(chosen, currency) == rule.condition:
            return list(chosen)
    return None


def _candidates(line: Line, condition: str, currency: str) -> Iterator[Known]:
    """Yield what a field may be, so that its comparison stands in the condition at all: one or two of ten."""
    kinds = (Kind.MONEY,) if line.field == "amount" else tuple(it for it in Kind if it != Kind.MONEY)
    for kind, optional in product(kinds, (True, False)):
        found = Known(line, FieldFacts(kind, optional))
        try:
            written = _condition(found, currency)
        except ValueError:
            continue
        if written in condition:
            yield found
