"""Limits of model use: they count what agents report of it, and bind whatever the agent wants next.

What is spent is spent: a report is counted though it passes the ceiling, and from then on nothing goes through.
Tokens are whole numbers; cost is in millionths of the company currency, because a call costs less than a cent.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import ROUND_CEILING, Decimal, InvalidOperation

from agents.decision.facts import AgentFacts, MeasureDefinition, MeasureFacts, Mode
from agents.decision.money import INT64_MAX, MILLION, exponent
from agents.decision.patterns import scope_binds

TOKENS, COST = "tokens", "cost"
UNITS = frozenset({TOKENS, COST})
PER_RUN = "run"
_STOPPING = ("deny", "pause")


@dataclass(frozen=True, slots=True)
class Budget:
    """One budget as it stands, in tokens or in millionths of the company currency; ``added``: by a report."""

    definition: MeasureDefinition
    facts: MeasureFacts
    added: int = 0

    @property
    def is_spent(self) -> bool:
        """Tell whether nothing is left."""
        return self.facts.exceeded

    @property
    def is_crossed(self) -> bool:
        """Tell whether this report has spent it; the counter is locked, so exactly one can say so."""
        ceiling = self.facts.ceiling
        used = self.facts.reserved + self.facts.settled
        return ceiling is not None and used - self.added < ceiling <= used

    @property
    def stops_work(self) -> bool:
        """Tell whether work stops for it now."""
        definition = self.definition
        return self.is_spent and definition.mode == Mode.ENFORCED and definition.on_exceed in _STOPPING


def is_budget(measure: MeasureDefinition) -> bool:
    """Tell whether a limit counts model use instead of calls."""
    return measure.unit in UNITS


def budgets_of(measures: Iterable[MeasureDefinition], agent: AgentFacts) -> list[MeasureDefinition]:
    """Return the budgets that count for an agent, in the one order in which counters are locked."""
    found = (
        it
        for it in measures
        if is_budget(it) and it.mode != Mode.DRAFT and scope_binds(it.scope_kind, it.scope_id, agent)
    )
    return sorted(found, key=lambda it: it.measure_id)


def key_of(measure: MeasureDefinition, run_id: str) -> str | None:
    """Return which counter of a budget is meant: one for all, or that of the run; None: it needs a run."""
    if measure.key.strip() != PER_RUN:
        return ""
    return run_id or None


def why_not_a_budget(measure: MeasureDefinition) -> tuple[str, str] | None:
    """Return (field, message) when a limit of model use is not one as it is written."""
    if measure.key.strip() not in ("", PER_RUN):
        return "key", "Model use is counted together, or apart for each run. Leave it empty, or write run."
    if measure.amount.strip() != "1":
        return "amount", "What a report adds is what it says. Leave it empty."
    if measure.operations != "*":
        return "operations", "Model use belongs to no operation. Write * for it."
    return None


def millionths_of(text: str, currency: str, rate: int = MILLION) -> int:
    """Return a stated cost (``"0.0042"``, major units) in millionths of the company currency, rounded up.

    ``rate``: what one unit of the stated currency is worth in company currency, in millionths.
    Raises ValueError.
    """
    try:
        stated = Decimal(text)
    except InvalidOperation:
        stated = Decimal(-1)
    if not stated.is_finite() or stated < 0:
        raise ValueError(f"{text!r} is no amount of {currency}. Write it like 0.0042")
    found = int((stated * rate).to_integral_value(ROUND_CEILING))
    if found > INT64_MAX:
        raise ValueError(f"{text!r} is more than can be counted")
    return found


def cost_words(millionths: int, currency: str) -> str:
    """Return a cost as people read it: ``12.34 EUR``, with more digits below a cent: ``0.0042 EUR``."""
    amount = Decimal(millionths) / MILLION
    digits = exponent(currency)
    plain = f"{amount:,.{digits}f}"
    if Decimal(plain.replace(",", "")) == amount or amount >= 1:
        return f"{plain} {currency}".rstrip()
    return f"{amount.normalize():f} {currency}".rstrip()
