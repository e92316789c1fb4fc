from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

from agents.decision.facts import MoneyFacts, OperationFacts
from agents.decision.money import INT64_MAX, convert_minor, money_at
from agents.models import ExchangeRate
from agents.selectors.authority import PresentAuthority, company_currency


def to_company_minor(currency: str, minor: int, on_date: date) -> int | None:
    """Return an amount in minor units of the company currency, or None when the company has no rate that day.

    Fractions of a minor unit are rounded away from zero, so that no threshold is passed by rounding.
    """
    own = company_currency()
    if not own:
        return None
    if currency == own:
        return minor
    rate = rate_on(currency, on_date)
    if rate is None:
        return None
    converted = convert_minor(minor, currency, rate, own)
    return converted if abs(converted) <= INT64_MAX else None


def rate_on(currency: str, on_date: date) -> int | None:
    """Return what one unit of a currency is worth in company currency that day, in millionths, or None."""
    rates = ExchangeRate.objects.filter(currency=currency, valid_from__lte=on_date).order_by("-valid_from")
    return rates.values_list("rate", flat=True).first()


def money_facts(
    operation: OperationFacts,
    arguments: Mapping[str, Any],
    on_date: date,
    authority: PresentAuthority | None = None,
) -> MoneyFacts | None:
    """Return the amount an action moves, in its own and in company currency; None when it states none.

    With ``authority`` nothing is asked about the company's own currency.
    """
    found = money_at(arguments, operation.money_path) if operation.money_path else None
    if found is None:
        return None
    currency, minor = found
    if authority and currency == authority.snapshot.company_currency:
        return MoneyFacts(currency, minor, minor)
    return MoneyFacts(currency, minor, to_company_minor(currency, minor, on_date))
