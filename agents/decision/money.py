"""Money is integer minor units with an ISO 4217 code; no fraction of a minor unit ever enters a rule."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

# ISO 4217 list one: every currency whose minor unit is not a hundredth.
_EXPONENTS = {
    **dict.fromkeys(
        [
            "BIF",
            "CLP",
            "DJF",
            "GNF",
            "ISK",
            "JPY",
            "KMF",
            "KRW",
            "PYG",
            "RWF",
            "UGX",
            "UYI",
            "VND",
            "VUV",
            "XAF",
            "XOF",
            "XPF",
        ],
        0,
    ),
    **dict.fromkeys(["BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"], 3),
    **dict.fromkeys(["CLF", "UYW"], 4),
}


def exponent(currency: str) -> int:
    """Return how many decimal places the minor unit of a currency has (ISO 4217)."""
    return _EXPONENTS.get(currency, 2)


def format_minor(minor: int, currency: str) -> str:
    """Return an amount as people read it, e.g. ``12,500.00 EUR``."""
    digits = exponent(currency)
    whole, rest = divmod(abs(minor), 10**digits)
    tail = f".{rest:0{digits}d}" if digits else ""
    return f"{'-' if minor < 0 else ''}{whole:,}{tail} {currency}"


def money_at(arguments: Mapping[str, Any], money_path: str) -> tuple[str, int] | None:
    """Return (currency, minor units) at a dotted path of the arguments, or None when it is not there.

    The path names either an object ``{"currency": "EUR", "minor": 1250000}`` or an integer in minor units whose
    neighbour is called ``currency``.
    """
    raise NotImplementedError
