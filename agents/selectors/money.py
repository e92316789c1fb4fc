from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

from agents.decision.facts import MoneyFacts, OperationFacts


def to_company_minor(currency: str, minor: int, on_date: date) -> int | None:
    """Return an amount in minor units of the company currency, or None when the company has no rate that day.

    Fractions of a minor unit are rounded away from zero, so that no threshold is passed by rounding.
    """
    raise NotImplementedError


def money_facts(operation: OperationFacts, arguments: Mapping[str, Any], on_date: date) -> MoneyFacts | None:
    """Return the amount an action moves, in its own and in company currency; None when it states none."""
    raise NotImplementedError
