"""Money and dates inside a sentence, as a language writes them."""

from __future__ import annotations

import re
from collections.abc import Callable

# As ``agents.decision.money.format_minor`` writes it: 12,500.00 EUR.
_MONEY = re.compile(r"(?<![\w.,])(-?\d{1,3}(?:,\d{3})*)(?:\.(\d+))? ([A-Z]{3})(?!\w)")
_MONTHS_DE = {
    "Jan": "Jan.", "Feb": "Feb.", "Mar": "März", "Apr": "Apr.", "May": "Mai", "Jun": "Juni", "Jul": "Juli",
    "Aug": "Aug.", "Sep": "Sept.", "Oct": "Okt.", "Nov": "Nov.", "Dec": "Dez.",
    "January": "Januar", "February": "Februar", "March": "März", "April": "April", "June": "Juni",
    "July": "Juli", "August": "August", "September": "September", "October": "Oktober",
    "November": "November", "December": "Dezember",
}  # fmt: skip
_DAYS_DE = {
    "Monday": "Montag", "Tuesday": "Dienstag", "Wednesday": "Mittwoch", "Thursday": "Donnerstag",
    "Friday": "Freitag", "Saturday": "Samstag", "Sunday": "Sonntag",
}  # fmt: skip
_DATE = re.compile(rf"(?:\b({'|'.join(_DAYS_DE)}) )?\b(\d{{1,2}}) ({'|'.join(_MONTHS_DE)}) (\d{{4}})\b")


def _german_money(match: re.Match[str]) -> str:
    whole, rest, currency = match.groups()
    return f"{whole.replace(',', '.')}{f',{rest}' if rest else ''} {currency}"


def _german_date(match: re.Match[str]) -> str:
    day_of_week, day, month, year = match.groups()
    return f"{f'{_DAYS_DE[day_of_week]}, ' if day_of_week else ''}{day}. {_MONTHS_DE[month]} {year}"


def german(text: str) -> str:
    """Return a sentence with its money and dates in German: ``12.500,00 EUR``, ``30. Nov. 2026``."""
    return _DATE.sub(_german_date, _MONEY.sub(_german_money, text))


# How a language writes the day before its month, in the letters of Django's filter ``date``.
DAYS_OF: dict[str, tuple[tuple[str, str], ...]] = {"de": (("j F", "j. F"), ("j M", "j. N"))}

FIGURES: dict[str, Callable[[str], str]] = {"de": german}
