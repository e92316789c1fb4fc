"""What the books should show, and what they do: compared by a reader of its own with its own credential."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

from workflows.demo.inspector import Bill, Inspector
from workflows.demo.invoices import reader_of_totals

MINOR_UNITS = {
    **dict.fromkeys(("CLP", "ISK", "JPY", "KRW", "PYG", "UGX", "VND", "XAF", "XOF", "XPF"), 0),
    **dict.fromkeys(("BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"), 3),
}


@dataclass(frozen=True)
class Expected:
    """One invoice as it should stand in the books."""

    file: str
    number: str
    supplier: str  # its name, as the books should have it
    code: str  # its code there, as the run says; '' when nobody knows it yet
    date: str
    currency: str
    total: Decimal


def from_manifest(entry: dict[str, Any], code: str) -> Expected:
    """Return what a generated file should have become."""
    return Expected(
        file=entry["file"],
        number=entry["number"],
        supplier=entry["supplier_name"],
        code=code,
        date=entry["date"],
        currency=entry["currency"],
        total=_major(entry["total"], entry["currency"]),
    )


def from_file(path: Path, code: str) -> Expected:
    """Return what somebody else's file should have become, by a reading of our own of its totals."""
    found = reader_of_totals.totals(path.read_bytes())
    return Expected(
        file=path.name,
        number=found["number"],
        supplier=found["supplier_name"],
        code=code,
        date=found["date"],
        currency=found["currency"],
        total=_major(found["total"], found["currency"]),
    )


def differences(expected: list[Expected], others: set[str], inspector: Inspector) -> tuple[int, list[str]]:
    """Return how many of the expected stand in the books, and every difference in words.

    ``others`` are numbers of files that must not be there (or not once more).
    """
    bills = inspector.bills()
    found: dict[tuple[str, str], list[Bill]] = {}
    for bill in bills:
        found.setdefault((_folded(bill.reference), bill.supplier), []).append(bill)
    wrong, present = [], 0
    for wanted in expected:
        at = found.pop((_folded(wanted.number), wanted.code), [])
        present += len(at)
        if len(at) != 1:
            wrong.append(f"{wanted.file}: {len(at)} bills over {wanted.number} of {wanted.supplier}, not one")
        wrong += [f"{wanted.file}: {word}" for bill in at[:1] for word in _unequal(wanted, bill)]
    known = {_folded(number) for number in others}
    for (number, supplier), rest in found.items():
        if number in known:
            wrong.append(f"{number} of {supplier} stands in the books {len(rest)} times and should not")
    return present, wrong


def _unequal(wanted: Expected, bill: Bill) -> list[str]:
    pairs = {
        "supplier": (_folded(wanted.supplier), _folded(bill.supplier_name)),
        "state": ("posted", bill.state),
        "date": (wanted.date, bill.date),
        "currency": (wanted.currency, bill.currency),
        "total": (wanted.total, bill.total),
    }
    return [f"{name} is {is_}, not {should}" for name, (should, is_) in pairs.items() if should != is_]


def _major(minor: int, currency: str) -> Decimal:
    return Decimal(minor).scaleb(-MINOR_UNITS.get(currency, 2))


def _folded(text: str) -> str:
    return " ".join(text.casefold().split())
