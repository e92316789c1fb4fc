"""What publishing refuses: rules that cannot work, before they ever meet a call."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from agents.decision.facts import MeasureDefinition, OperationFacts, RuleFacts


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong with a rule: the field it concerns, a stable code and what to do about it."""

    field: str
    code: str
    message: str


def lint_rule(
    rule: RuleFacts, operations: Sequence[OperationFacts], measures: Sequence[MeasureDefinition] = ()
) -> list[Finding]:
    """Return everything that keeps a rule from being published against the operations that exist now."""
    raise NotImplementedError


def lint_measure(measure: MeasureDefinition, operations: Sequence[OperationFacts]) -> list[Finding]:
    """Return everything that keeps a limit from being published against the operations that exist now."""
    raise NotImplementedError
