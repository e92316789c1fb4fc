"""Exact money: whole minor units of an ISO 4217 currency, read from decimal text and never rounded."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any

Money = dict[str, Any]

_TWO_DIGITS = """
    AED AFN ALL AMD ANG AOA ARS AUD AWG AZN BAM BBD BDT BGN BMD BND BOB BRL BSD BTN BWP BYN BZD CAD CDF CHF
    CNY COP CRC CUP CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GTQ GYD HKD HNL HTG HUF
    IDR ILS INR IRR JMD KES KGS KHR KPW KYD KZT LAK LBP LKR LRD LSL MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR
    MWK MXN MYR MZN NAD NGN NIO NOK NPR NZD PAB PEN PGK PHP PKR PLN QAR RON RSD RUB SAR SBD SCR SDG SEK SGD
    SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TOP TRY TTD TWD TZS UAH USD UYU UZS VED VES WST XCD YER
    ZAR ZMW ZWG
"""
# How many digits a currency has behind the point (ISO 4217). A currency that does not stand here is not known.
DIGITS = {
    **dict.fromkeys("BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF".split(), 0),  # noqa: SIM905
    **dict.fromkeys("BHD IQD JOD KWD LYD OMR TND".split(), 3),  # noqa: SIM905
    **dict.fromkeys("CLF UYW".split(), 4),  # noqa: SIM905
    **dict.fromkeys(_TWO_DIGITS.split(), 2),
}
MOST_MINOR = 10**13
MOST_DIGITS = 30
# A decimal as XML Schema writes one: no exponent, no thousands separator.
DECIMAL = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)", re.ASCII)


def decimal_of(text: str) -> Decimal:
    """Return the exact number that a text states; raise ValueError if it states none, or an absurd one."""
    if len(text) > MOST_DIGITS or not DECIMAL.fullmatch(text):
        raise ValueError(f"{text[:MOST_DIGITS]!r} is not a decimal number of at most {MOST_DIGITS} characters")
    return Decimal(text)


def plain(number: Decimal) -> str:
    """Return a number as short decimal text: 19, 2.5, never 1E+2."""
    text = f"{number:f}"
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return "0" if text in ("-0", "") else text


def money(minor: int, currency: str) -> Money:
    """Return an amount as the portal takes it."""
    return {"minor": minor, "currency": currency}


def minor_of(text: str, currency: str) -> int:
    """Return whole minor units; raise ValueError if the currency is unknown or has fewer digits."""
    if currency not in DIGITS:
        raise ValueError(f"the currency {currency[:10]!r} is not known")
    shifted = decimal_of(text).scaleb(DIGITS[currency])
    if shifted != shifted.to_integral_value():
        raise ValueError(f"{text} has more digits than {currency} has ({DIGITS[currency]})")
    if abs(shifted) > MOST_MINOR:
        raise ValueError(f"{text} {currency} is beyond every amount that is booked here")
    return int(shifted)


def major_of(amount: Money) -> Decimal:
    """Return an amount in whole currency units: 12345 minor EUR is 123.45."""
    return Decimal(amount["minor"]).scaleb(-DIGITS[amount["currency"]])


def show(amount: Money) -> str:
    """Return an amount as people write it: 12,500.00 EUR."""
    return f"{major_of(amount):,.{DIGITS[amount['currency']]}f} {amount['currency']}"
