"""Money is integer minor units with an ISO 4217 code; no fraction of a minor unit ever enters a rule."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

# ISO 4217 list one: every currency whose minor unit is not a hundredth.
_EXPONENTS = {
    "BIF": 0, "CLP": 0, "DJF": 0, "GNF": 0, "ISK": 0, "JPY": 0, "KMF": 0, "KRW": 0, "PYG": 0, "RWF": 0,
    "UGX": 0, "UYI": 0, "VND": 0, "VUV": 0, "XAF": 0, "XOF": 0, "XPF": 0,
    "BHD": 3, "IQD": 3, "JOD": 3, "KWD": 3, "LYD": 3, "OMR": 3, "TND": 3,
    "CLF": 4, "UYW": 4,
}  # fmt: skip
_CURRENCY = re.compile(r"^[A-Z]{3}$")
_MAJOR = re.compile(r"^([0-9]{1,15})(?:\.([0-9]{1,4}))?$")
MILLION = 1_000_000
INT64_MAX = 2**63 - 1


def exponent(currency: str) -> int:
    """Return how many decimal places the minor unit of a currency has (ISO 4217)."""
    return _EXPONENTS.get(currency, 2)


def format_minor(minor: int, currency: str) -> str:
    """Return an amount as people read it, e.g. ``12,500.00 EUR``."""
    digits = exponent(currency)
    whole, rest = divmod(abs(minor), 10**digits)
    tail = f".{rest:0{digits}d}" if digits else ""
    return f"{'-' if minor < 0 else ''}{whole:,}{tail} {currency}"


# Points between thousands and a comma before the rest, as much of Europe writes it: with both, with two points,
# or with a comma that stands before fewer digits than a thousand has.
_COMMA_DECIMAL = re.compile(r"[0-9]{1,3}(\.[0-9]{3})+,[0-9]{1,4}|[0-9]{1,3}(\.[0-9]{3}){2,}|[0-9]+,[0-9]{1,2}")


def major_to_minor(text: str, currency: str) -> int:
    """Return the minor units of an amount in major units (``10,000.00``, ``10000``); raises ValueError.

    The other way of writing it (``10.000,00``, ``10000,5``) is read where it is nothing else; not ``10.000``.
    """
    bare = text.strip().removesuffix(currency).strip()
    if _COMMA_DECIMAL.fullmatch(bare):
        bare = bare.replace(".", "").replace(",", ".")
    grouped = re.fullmatch(r"[0-9]{1,3}(,[0-9]{3})+(\.[0-9]{1,4})?", bare)
    match = _MAJOR.fullmatch(bare.replace(",", "") if grouped else bare)
    digits = exponent(currency)
    if match is None or len(match.group(2) or "") > digits:
        example = format_minor(10**digits * 10_000, currency).replace(",", "").removesuffix(f" {currency}")
        raise ValueError(f"{text!r} is not an amount in {currency}. Write it as {example}")
    return int(match.group(1)) * 10**digits + int((match.group(2) or "").ljust(digits, "0") or "0")


def convert_minor(minor: int, currency: str, rate: int, company_currency: str) -> int:
    """Return an amount in minor units of the company currency.

    ``rate``: company currency for one unit of ``currency``, in millionths. A fraction of a minor unit is
    rounded away from zero, so that no threshold is passed by rounding.
    """
    above = abs(minor) * rate * 10 ** exponent(company_currency)
    below = MILLION * 10 ** exponent(currency)
    return (-(-above // below)) * (1 if minor >= 0 else -1)


def at_path(document: Any, path: str) -> Any:
    """Return what stands at a JSON pointer (RFC 6901) or a dotted path, or None when nothing does."""
    if path.startswith("/"):
        parts = [part.replace("~1", "/").replace("~0", "~") for part in path[1:].split("/")]
    else:
        parts = path.split(".")
    for part in parts:
        if isinstance(document, Mapping):
            document = document.get(part)
        elif isinstance(document, Sequence) and not isinstance(document, str) and part.isdecimal():
            document = document[int(part)] if int(part) < len(document) else None
        else:
            return None
    return document


def money_at(arguments: Mapping[str, Any], money_path: str) -> tuple[str, int] | None:
    """Return (currency, minor units) at a JSON pointer or dotted path of the arguments, or None when not there.

    Money is an object ``{"currency": "EUR", "minor": 1250000}``.
    """
    found = at_path(arguments, money_path)
    if not isinstance(found, Mapping):
        return None
    currency, minor = found.get("currency"), found.get("minor")
    if not isinstance(currency, str) or not _CURRENCY.fullmatch(currency):
        return None
    if not isinstance(minor, int) or isinstance(minor, bool) or abs(minor) > INT64_MAX:
        return None
    return currency, minor
