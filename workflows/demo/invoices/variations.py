"""What invoices come with: discounts, freight, returns, several rates of VAT, and odd ways to write the same.

Each changes an invoice that was made from an order, and leaves its total without VAT at what was ordered.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from workflows.demo.invoices.draft import Invoice, cents
from workflows.demo.invoices.ubl_text import Style


def plain(invoice: Invoice) -> Invoice:
    """Leave an invoice as it was ordered."""
    return invoice


def list_prices(invoice: Invoice) -> Invoice:
    """Show list prices, with an allowance of a tenth on the whole."""
    for line in invoice.lines:
        line.price /= Decimal("0.9")
    sums: dict[tuple[str, Decimal], Decimal] = {}
    for line in invoice.lines:
        key = (line.category, line.rate)
        sums[key] = sums.get(key, Decimal(0)) + cents(line.quantity * line.price)
    invoice.allowances = [(cents(each / 10), *key, "Loyalty discount") for key, each in sums.items()]
    return invoice


def line_discount(invoice: Invoice) -> Invoice:
    """Show the list price of the first line, with an allowance of a tenth on that line."""
    line = invoice.lines[0]
    line.price /= Decimal("0.9")
    line.allowance = cents(line.quantity * line.price / 10)
    return invoice


def freight(invoice: Invoice) -> Invoice:
    """Charge freight apart, out of the price of the first line."""
    line = invoice.lines[0]
    line.price -= Decimal("0.40")
    invoice.charges = [(cents(line.quantity * Decimal("0.40")), line.category, line.rate, "Freight")]
    return invoice


def packing(invoice: Invoice) -> Invoice:
    """Charge packing on the first line, out of its price."""
    line = invoice.lines[0]
    line.price -= Decimal("0.25")
    line.charge = cents(line.quantity * Decimal("0.25"))
    return invoice


def per_hundred(invoice: Invoice) -> Invoice:
    """State prices per hundred."""
    for line in invoice.lines:
        line.price, line.base = line.price * 100, Decimal(100)
    return invoice


def returned(invoice: Invoice) -> Invoice:
    """Send two more of the first and take two back that came before: a negative line."""
    line = invoice.lines[0]
    back = replace(line, description=f"Returned: {line.description}", quantity=Decimal(-2))
    line.quantity += 2
    invoice.lines.append(back)
    return invoice


def two_rates(invoice: Invoice) -> Invoice:
    """Put the last line at the reduced rate."""
    invoice.lines[-1].rate = Decimal(7)
    return invoice


def part_exempt(invoice: Invoice) -> Invoice:
    """Put the last line into an exempt category beside the taxed ones."""
    invoice.lines[-1].category, invoice.lines[-1].rate = "E", Decimal(0)
    return invoice


def zero_rated(invoice: Invoice) -> Invoice:
    """Put the last line at the rate of nought."""
    invoice.lines[-1].category, invoice.lines[-1].rate = "Z", Decimal(0)
    return invoice


def reverse_charge(invoice: Invoice) -> Invoice:
    """Let the buyer owe the VAT."""
    for line in invoice.lines:
        line.category, line.rate = "AE", Decimal(0)
    return invoice


def outside_vat(invoice: Invoice) -> Invoice:
    """Be outside the scope of VAT: such an invoice shows no VAT number of its seller (BR-O-02)."""
    for line in invoice.lines:
        line.category, line.rate = "O", Decimal(0)
    invoice.seller = {name: value for name, value in invoice.seller.items() if name != "tax_number"}
    return invoice


def rounded(invoice: Invoice) -> Invoice:
    """Round what is to be paid to five cents."""
    invoice.add_up()
    to = (invoice.total * 20).to_integral_value(ROUND_HALF_UP) / 20
    invoice.rounding = cents(to - invoice.total) or Decimal("0.02")
    return invoice


def paid_in_part(invoice: Invoice) -> Invoice:
    """Have a third paid in advance."""
    invoice.prepaid = cents(invoice.add_up().total / 3)
    return invoice


def styled(change: Callable[[Invoice], Invoice], **style: Any) -> Callable[[Invoice], Invoice]:
    """Change an invoice and how its file is written."""

    def both(invoice: Invoice) -> Invoice:
        invoice = change(invoice)
        invoice.style = Style(**style)
        invoice.note = "Lieferung gemäß Auftrag, zahlbar ohne Abzug." if style.get("encoding") else ""
        return invoice

    return both


ORDINARY: dict[str, Callable[[Invoice], Invoice]] = {
    "PO-1101": plain,
    "PO-1203": plain,
    "PO-1301": list_prices,
    "PO-1102": line_discount,
    "PO-1201": freight,
    "PO-1401": packing,
    "PO-1501": per_hundred,
    "PO-1302": returned,
    "PO-1202": two_rates,
    "PO-1303": part_exempt,
    "PO-1404": zero_rated,
    "PO-1103": reverse_charge,
    "PO-1304": outside_vat,
    "PO-1403": rounded,
    "PO-1104": paid_in_part,
    "PO-1502": styled(plain, attachment=True),
    "PO-1105": styled(list_prices, encoding="utf-16"),
    "PO-1402": styled(plain, encoding="iso-8859-1"),
    "PO-1503": styled(per_hundred, prefixes=("ns1", "ns2")),
    "PO-1204": styled(paid_in_part, indent=""),
}
