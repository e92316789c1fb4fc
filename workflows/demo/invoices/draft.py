"""An invoice before it is written: lines, and the sums that EN 16931 makes of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date as day
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from workflows.demo.invoices.ubl_text import Style

CENT = Decimal("0.01")


@dataclass
class Line:
    """One line before its sums are made."""

    description: str
    quantity: Decimal
    price: Decimal
    base: Decimal = Decimal(1)
    allowance: Decimal = Decimal(0)
    charge: Decimal = Decimal(0)
    category: str = "S"
    rate: Decimal = Decimal(19)
    net: Decimal = Decimal(0)


@dataclass
class Invoice:
    """One invoice; ``add_up`` makes its sums as EN 16931 wants them."""

    seller: dict[str, Any]
    number: str
    date: day
    currency: str
    order: str
    lines: list[Line]
    kind: str = "Invoice"
    account: str = ""
    due_date: day | None = None
    allowances: list[tuple[Decimal, str, Decimal, str]] = field(default_factory=list)
    charges: list[tuple[Decimal, str, Decimal, str]] = field(default_factory=list)
    prepaid: Decimal = Decimal(0)
    rounding: Decimal = Decimal(0)
    note: str = ""
    tax_currency: tuple[str, Decimal] | None = None
    breakdown: list[tuple[str, Decimal, Decimal, Decimal]] = field(default_factory=list)
    lines_net: Decimal = Decimal(0)
    net: Decimal = Decimal(0)
    vat: Decimal = Decimal(0)
    total: Decimal = Decimal(0)
    style: Style = field(default_factory=Style)

    def add_up(self) -> Invoice:
        """Make every sum from the lines, allowances and charges."""
        bases: dict[tuple[str, Decimal], Decimal] = {}
        for line in self.lines:
            line.net = cents(line.quantity * line.price / line.base) - line.allowance + line.charge
            key = (line.category, line.rate)
            bases[key] = bases.get(key, Decimal(0)) + line.net
        for sign, found in ((-1, self.allowances), (1, self.charges)):
            for amount, category, rate, _ in found:
                bases[category, rate] += sign * amount
        self.breakdown = [(*key, base, cents(base * key[1] / 100)) for key, base in bases.items()]
        self.lines_net = sum((line.net for line in self.lines), Decimal(0))
        self.net = sum(bases.values(), Decimal(0))
        self.vat = sum((entry[3] for entry in self.breakdown), Decimal(0))
        self.total = self.net + self.vat
        return self

    @property
    def payable(self) -> Decimal:
        """Return what is still to be paid."""
        return self.total - self.prepaid + self.rounding


def cents(amount: Decimal) -> Decimal:
    """Round half up to hundredths."""
    return amount.quantize(CENT, rounding=ROUND_HALF_UP)
