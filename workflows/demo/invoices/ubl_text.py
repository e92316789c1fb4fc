"""Write an invoice as UBL 2.1 text: Peppol BIS Billing 3.0, in the order of elements that the schema wants."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Protocol
from xml.sax.saxutils import escape, quoteattr

ATTACHMENT_BYTES = 3 * 1024 * 1024
UBL = "urn:oasis:names:specification:ubl:schema:xsd:"
PROFILE = "urn:fdc:peppol.eu:2017:poacc:billing:01:1.0"
CUSTOMIZATION = "urn:cen.eu:en16931:2017#compliant#urn:fdc:peppol.eu:2017:poacc:billing:3.0"
# The schemes of electronic addresses (EAS) by country: VAT numbers, mostly.
SCHEMES = {"DE": "9930", "LT": "9937", "SK": "9950", "NO": "0192", "GB": "9932"}
EXEMPTIONS = {
    "E": "Exempt under article 132 of Directive 2006/112/EC",
    "AE": "Reverse charge",
    "K": "Intra-community supply",
    "G": "Export outside the EU",
    "O": "Not subject to VAT",
}
TYPES = {"Invoice": "380", "CreditNote": "381"}

# An element: its name, its content (text or elements) and its attributes. None is left out.
Part = tuple[str, Any, dict[str, str]] | None


@dataclass(frozen=True)
class Style:
    """How the same invoice can be written; a reader must not care."""

    prefixes: tuple[str, str] = ("cbc", "cac")
    indent: str = "  "
    encoding: str = "utf-8"
    comment: str = ""
    attachment: bool = False


class Written(Protocol):
    """What is written; the sums are already made."""

    seller: dict[str, Any]
    number: str
    date: Any
    due_date: Any
    currency: str
    order: str
    account: str
    note: str
    kind: str
    lines: Any
    allowances: Any
    charges: Any
    breakdown: Any
    tax_currency: Any
    lines_net: Decimal
    net: Decimal
    vat: Decimal
    total: Decimal
    prepaid: Decimal
    rounding: Decimal
    style: Style

    @property
    def payable(self) -> Decimal:
        """Return what is still to be paid."""
        ...


def invoice_text(invoice: Written, buyer: dict[str, Any], attachment: str = "") -> bytes:
    """Return the file."""
    style = invoice.style
    basic, aggregate = style.prefixes
    spaces = {
        "xmlns": f"{UBL}{invoice.kind}-2",
        f"xmlns:{basic}": f"{UBL}CommonBasicComponents-2",
        f"xmlns:{aggregate}": f"{UBL}CommonAggregateComponents-2",
    }
    pieces = [f'<?xml version="1.0" encoding="{style.encoding.upper()}"?>']
    if style.comment:
        pieces.append(f"<!-- {style.comment} -->")
    _render((invoice.kind, _parts(invoice, buyer, attachment), spaces), style, 0, pieces)
    return (("\n" if style.indent else "").join(pieces) + "\n").encode(style.encoding)


def _render(part: Part, style: Style, depth: int, pieces: list[str]) -> None:
    if part is None:
        return
    name, content, attributes = part
    kind, _, local = name.rpartition(":")
    tag = f"{style.prefixes[kind == 'cac']}:{local}" if kind else local
    opened = tag + "".join(f" {key}={quoteattr(value)}" for key, value in attributes.items())
    space = style.indent * depth
    if isinstance(content, list):
        pieces.append(f"{space}<{opened}>")
        for inner in content:
            _render(inner, style, depth + 1, pieces)
        pieces.append(f"{space}</{tag}>")
    else:
        pieces.append(f"{space}<{opened}>{escape(str(content))}</{tag}>")


def _basic(name: str, content: Any, /, **attributes: str) -> Part:
    return (f"cbc:{name}", content, attributes) if content not in (None, "") else None


def _group(name: str, *content: Part) -> Part:
    return f"cac:{name}", list(content), {}


def _parts(invoice: Written, buyer: dict[str, Any], attachment: str) -> list[Part]:
    credit = invoice.kind == "CreditNote"
    type_code = _basic(f"{invoice.kind}TypeCode", TYPES[invoice.kind])
    outside = any(category == "O" for category, *_ in invoice.breakdown)
    return [
        _basic("CustomizationID", CUSTOMIZATION),
        _basic("ProfileID", PROFILE),
        _basic("ID", invoice.number),
        _basic("IssueDate", invoice.date),
        None if credit else _basic("DueDate", invoice.due_date),
        type_code,
        _basic("Note", invoice.note),
        _basic("DocumentCurrencyCode", invoice.currency),
        _basic("TaxCurrencyCode", invoice.tax_currency[0] if invoice.tax_currency else ""),
        _basic("BuyerReference", "Accounts payable"),
        _group("OrderReference", _basic("ID", invoice.order)) if invoice.order else None,
        _attachment(attachment) if attachment else None,
        _group("AccountingSupplierParty", _party(invoice.seller, invoice.seller.get("tax_number", ""))),
        _group("AccountingCustomerParty", _party(buyer, "" if outside else buyer["tax_number"])),
        _delivery(invoice, buyer),
        _group(
            "PaymentMeans",
            _basic("PaymentMeansCode", "30", name="Credit transfer"),
            _basic("PaymentID", invoice.number),
            _group("PayeeFinancialAccount", _basic("ID", invoice.account)),
        ),
        _group("PaymentTerms", _basic("Note", f"Please pay by {invoice.due_date}.")),
        *(_adjustment(invoice, "false", *found) for found in invoice.allowances),
        *(_adjustment(invoice, "true", *found) for found in invoice.charges),
        *_tax_totals(invoice),
        _totals(invoice),
        *(_line(invoice, index, line) for index, line in enumerate(invoice.lines, 1)),
    ]


def _attachment(content: str) -> Part:
    scan = {"mimeCode": "application/pdf", "filename": "scan.pdf"}
    return _group(
        "AdditionalDocumentReference",
        _basic("ID", "scan"),
        _basic("DocumentDescription", "Scan of the delivery note"),
        _group("Attachment", _basic("EmbeddedDocumentBinaryObject", content, **scan)),
    )


def _party(facts: dict[str, Any], tax_number: str) -> Part:
    return _group(
        "Party",
        _basic("EndpointID", facts.get("tax_number") or facts["account"], schemeID=SCHEMES[facts["country"]]),
        _group("PartyName", _basic("Name", facts["name"])),
        _group(
            "PostalAddress",
            _basic("StreetName", facts["street"]),
            _basic("CityName", facts["city"]),
            _basic("PostalZone", facts["postal_code"]),
            _group("Country", _basic("IdentificationCode", facts["country"])),
        ),
        _group("PartyTaxScheme", _basic("CompanyID", tax_number), _group("TaxScheme", _basic("ID", "VAT")))
        if tax_number
        else None,
        _group("PartyLegalEntity", _basic("RegistrationName", facts["name"])),
    )


def _delivery(invoice: Written, buyer: dict[str, Any]) -> Part:
    """An intra-community supply says when and where it was delivered (BR-IC-11, BR-IC-12)."""
    country = _group("Country", _basic("IdentificationCode", buyer["country"]))
    address = _group("Address", _basic("CityName", buyer["city"]), country)
    return _group("Delivery", _basic("ActualDeliveryDate", invoice.date), _group("DeliveryLocation", address))


def _adjustment(
    invoice: Written, charge: str, amount: Decimal, category: str, rate: Decimal, reason: str
) -> Part:
    return _group(
        "AllowanceCharge",
        _basic("ChargeIndicator", charge),
        _basic("AllowanceChargeReason", reason),
        _money("Amount", amount, invoice.currency),
        _category("TaxCategory", category, rate),
    )


def _tax_totals(invoice: Written) -> list[Part]:
    entries = [
        _group(
            "TaxSubtotal",
            _money("TaxableAmount", base, invoice.currency),
            _money("TaxAmount", tax, invoice.currency),
            _category("TaxCategory", category, rate, EXEMPTIONS.get(category, "")),
        )
        for category, rate, base, tax in invoice.breakdown
    ]
    totals = [_group("TaxTotal", _money("TaxAmount", invoice.vat, invoice.currency), *entries)]
    if invoice.tax_currency:
        currency, amount = invoice.tax_currency
        # First, so that whoever takes the first one takes the wrong one.
        totals.insert(0, _group("TaxTotal", _money("TaxAmount", amount, currency)))
    return totals


def _totals(invoice: Written) -> Part:
    sums = {
        "LineExtensionAmount": invoice.lines_net,
        "TaxExclusiveAmount": invoice.net,
        "TaxInclusiveAmount": invoice.total,
        "AllowanceTotalAmount": sum((found[0] for found in invoice.allowances), Decimal(0)),
        "ChargeTotalAmount": sum((found[0] for found in invoice.charges), Decimal(0)),
        "PrepaidAmount": invoice.prepaid,
        "PayableRoundingAmount": invoice.rounding,
        "PayableAmount": invoice.payable,
    }
    optional = {"AllowanceTotalAmount", "ChargeTotalAmount", "PrepaidAmount", "PayableRoundingAmount"}
    parts = (
        _money(name, amount, invoice.currency)
        for name, amount in sums.items()
        if amount or name not in optional
    )
    return _group("LegalMonetaryTotal", *parts)


def _line(invoice: Written, index: int, line: Any) -> Part:
    credit = invoice.kind == "CreditNote"
    own = [
        _group(
            "AllowanceCharge",
            _basic("ChargeIndicator", indicator),
            _basic("AllowanceChargeReason", reason),
            _money("Amount", amount, invoice.currency),
        )
        for amount, indicator, reason in (
            (line.allowance, "false", "Discount"),
            (line.charge, "true", "Packing"),
        )
        if amount
    ]
    base = _basic("BaseQuantity", _number(line.base), unitCode="C62") if line.base != 1 else None
    return _group(
        "CreditNoteLine" if credit else "InvoiceLine",
        _basic("ID", index),
        _basic("CreditedQuantity" if credit else "InvoicedQuantity", _number(line.quantity), unitCode="C62"),
        _money("LineExtensionAmount", line.net, invoice.currency),
        _group("OrderLineReference", _basic("LineID", index)) if invoice.order else None,
        *own,
        _group(
            "Item",
            _basic("Name", line.description),
            _category("ClassifiedTaxCategory", line.category, line.rate),
        ),
        _group("Price", _basic("PriceAmount", _number(line.price), currencyID=invoice.currency), base),
    )


def _category(name: str, category: str, rate: Decimal, reason: str = "") -> Part:
    return _group(
        name,
        _basic("ID", category),
        None if category == "O" else _basic("Percent", _number(rate)),
        _basic("TaxExemptionReason", reason),
        _group("TaxScheme", _basic("ID", "VAT")),
    )


def _money(name: str, amount: Decimal, currency: str) -> Part:
    return _basic(name, f"{amount:.2f}", currencyID=currency)


def _number(number: Decimal) -> str:
    text = f"{number:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
