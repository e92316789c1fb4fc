"""Turn a UBL 2.1 invoice or credit note (EN 16931, Peppol BIS Billing 3.0) into plain data; guess nothing.

    data = read_invoice(file_bytes)      # raises CannotRead(code, message)

Amounts become whole minor units, other numbers stay exact decimal text, and each keeps the sign it has on
the invoice. What an invoice must have and this one lacks is a failure with a sentence that says so; what it
may have and lacks is absent. BT and BG numbers are the terms of EN 16931-1. Whether the sums are right is not
asked here: checks.py does that.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from typing import Any

from money import DIGITS, Money, decimal_of, minor_of, money, plain
from safe_xml import Element, Unreadable, read

Data = dict[str, Any]

UBL = "urn:oasis:names:specification:ubl:schema:xsd:"
NAMES = {
    f"{UBL}Invoice-2": "invoice",
    f"{UBL}CreditNote-2": "credit_note",
    f"{UBL}CommonBasicComponents-2": "cbc",
    f"{UBL}CommonAggregateComponents-2": "cac",
}
# Attachments and signatures: large, and nothing is booked from them.
SKIP = {"cac:AdditionalDocumentReference", "cac:Signature", "cbc:EmbeddedDocumentBinaryObject"}
ROOTS = {"invoice:Invoice": ("invoice", "Invoice"), "credit_note:CreditNote": ("credit_note", "CreditNote")}
# UNTDID 1001: an Invoice may be a credit note by its type, and some types ask for no money at all.
CREDIT_NOTE_TYPES = {"81", "83", "261", "262", "296", "308", "381", "396", "420", "458", "532"}
NOT_TO_BE_BOOKED = {"325": "a proforma invoice", "751": "an invoice for information only"}
# Their rate is nought by definition (UNCL 5305), so a file may leave it out.
CATEGORIES_WITHOUT_VAT = {"Z", "E", "AE", "K", "G", "O"}
CATEGORIES = CATEGORIES_WITHOUT_VAT | {"S", "L", "M", "B"}
IBAN = re.compile(r"[A-Z]{2}\d{2}[A-Z0-9]{11,30}", re.ASCII)
MOST_LINES = 1000
MOST_WORDS = 200


class CannotRead(Exception):
    """The document is not read, for good: ``code`` is malformed, hostile, not_an_invoice or unsupported."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code, self.message = code, message


def read_invoice(data: bytes) -> Data:
    """Return the data of one invoice or credit note; raise CannotRead with a code and a plain sentence."""
    try:
        root = read(data, names=NAMES, skip=SKIP)
    except Unreadable as error:
        raise CannotRead(error.code, error.message) from error
    if root.name not in ROOTS:
        raise CannotRead("not_an_invoice", f"This is {root.name.rpartition(' ')[2][:60]}, not a UBL invoice.")
    return _Invoice(root).data()


class _Invoice:
    """One document; every method reads one part of it."""

    def __init__(self, root: Element) -> None:
        self.root = root
        self.kind, self.line_name = ROOTS[root.name]
        self.currency = self._currency()

    def data(self) -> Data:
        """Return the whole."""
        found = {
            "kind": self._kind(),
            "number": self._number_of_it(),
            "date": self._date("cbc:IssueDate", "date", needed=True),
            "due_date": self._date("cbc:DueDate", "due date")
            or self._date("cac:PaymentMeans/cbc:PaymentDueDate", "due date"),
            "currency": self.currency,
            "seller": self._party("cac:AccountingSupplierParty", "seller"),
            "buyer": self._party("cac:AccountingCustomerParty", "buyer"),
            "payee": self._payee(),
            "order": words(self.root.text("cac:OrderReference/cbc:ID"), most=120, form="NFKC"),
            **self._accounts(),
            "note": words(" ".join(found.content for found in self.root.all("cbc:Note")), most=500),
            "lines": self._lines(),
            "adjustments": list(self._adjustments()),
            **self._totals(),
            "vat_breakdown": list(self._vat_breakdown()),
        }
        return {name: value for name, value in found.items() if value not in (None, "", {})}

    def _kind(self) -> str:
        """Return invoice or credit_note, by the root and by the type code (BT-3)."""
        code = self._needed(f"cbc:{self.line_name}TypeCode", "type code")
        if code in NOT_TO_BE_BOOKED:
            raise CannotRead("unsupported", f"This is {NOT_TO_BE_BOOKED[code]} (type {code}): nothing is owed.")
        return "credit_note" if code in CREDIT_NOTE_TYPES else self.kind

    def _number_of_it(self) -> str:
        """Return the number (BT-1) as people see it; one that nobody can see is none."""
        if number := words(self._needed("cbc:ID", "number"), most=120, form="NFKC"):
            return number
        raise CannotRead("malformed", "The number of the invoice has no visible character.")

    def _currency(self) -> str:
        code = self._needed("cbc:DocumentCurrencyCode", "currency")
        if code not in DIGITS:
            raise CannotRead("unsupported", f"The currency {code[:10]!r} is not known (ISO 4217).")
        return code

    def _party(self, path: str, who: str) -> Data:
        """Return seller (BG-4) or buyer (BG-7): the legal name before the trading name."""
        party = self.root.first(f"{path}/cac:Party")
        name = party and (
            words(party.text("cac:PartyLegalEntity/cbc:RegistrationName"))
            or words(party.text("cac:PartyName/cbc:Name"))
        )
        if not party or not name:
            raise CannotRead("malformed", f"The invoice does not name its {who}.")
        found = {
            "name": name,
            "tax_number": _tax_number(party),
            "company_number": words(party.text("cac:PartyLegalEntity/cbc:CompanyID"), most=60, form="NFKC"),
            "street": words(party.text("cac:PostalAddress/cbc:StreetName")),
            "city": words(party.text("cac:PostalAddress/cbc:CityName"), most=100),
            "postal_code": words(party.text("cac:PostalAddress/cbc:PostalZone"), most=20),
            "country": words(
                party.text("cac:PostalAddress/cac:Country/cbc:IdentificationCode"), most=2
            ).upper(),
        }
        return {name: value for name, value in found.items() if value}

    def _payee(self) -> str:
        """Return who is to be paid, if that is somebody else than the seller (BG-10)."""
        return words(self.root.text("cac:PayeeParty/cac:PartyName/cbc:Name"))

    def _accounts(self) -> Data:
        """Return the first IBAN to pay to (BT-84) and any others; what is no IBAN is not an account here."""
        texts = (found.content for found in self.root.all("cac:PaymentMeans/cac:PayeeFinancialAccount/cbc:ID"))
        accounts = list(dict.fromkeys(text for text in map(compact, texts) if IBAN.fullmatch(text)))
        return {"account": accounts[0] if accounts else "", "other_accounts": accounts[1:10] or None}

    def _lines(self) -> list[Data]:
        lines = list(self.root.all(f"cac:{self.line_name}Line"))
        if not lines:
            raise CannotRead("malformed", "The invoice has no lines.")
        if len(lines) > MOST_LINES:
            raise CannotRead(
                "unsupported", f"The invoice has {len(lines)} lines; at most {MOST_LINES} are read."
            )
        return [self._line(line, index) for index, line in enumerate(lines, 1)]

    def _line(self, line: Element, index: int) -> Data:
        """Return one line (BG-25). Net = quantity x price / base quantity - allowances + charges."""
        name = words(line.text("cbc:ID"), most=60) or str(index)
        what = f"line {name[:20]}"
        quantity = "cbc:InvoicedQuantity" if line.first("cbc:InvoicedQuantity") else "cbc:CreditedQuantity"
        category = line.first("cac:Item/cac:ClassifiedTaxCategory")
        own = self._line_adjustments(line, what)
        found = {
            "id": name,
            "description": words(line.text("cac:Item/cbc:Name") or line.text("cac:Item/cbc:Description")),
            "quantity": self._number(line, quantity, f"quantity of {what}"),
            "unit_price": self._price(line, what),
            "base_quantity": self._base_quantity(line, what),
            "net": self._amount(line, "cbc:LineExtensionAmount", f"net amount of {what}"),
            **{name: money(minor, self.currency) for name, minor in own.items() if minor},
            **_category(category, what, "vat_category", "vat_rate"),
            "order_line": words(line.text("cac:OrderLineReference/cbc:LineID"), most=60),
        }
        return {name: value for name, value in found.items() if value not in (None, "")}

    def _price(self, line: Element, what: str) -> str:
        """Return the net price (BT-146), which may have more digits than an amount."""
        self._check_currency(line.first("cac:Price/cbc:PriceAmount"), f"price of {what}")
        return self._number(line, "cac:Price/cbc:PriceAmount", f"price of {what}")

    def _base_quantity(self, line: Element, what: str) -> str:
        """Return for how many the price stands (BT-149), '' for one."""
        text = line.text("cac:Price/cbc:BaseQuantity")
        if not text:
            return ""
        number = _decimal(text, f"base quantity of {what}")
        if number <= 0:
            raise CannotRead(
                "malformed", f"The base quantity of {what} is {plain(number)}; it must be above zero."
            )
        return "" if number == 1 else plain(number)

    def _line_adjustments(self, line: Element, what: str) -> dict[str, int]:
        """Return the sums of a line's own allowances (BG-27) and charges (BG-28)."""
        sums = {"allowance": 0, "charge": 0}
        for found in line.all("cac:AllowanceCharge"):
            sums[_kind_of(found, what)] += self._amount(found, "cbc:Amount", f"allowance or charge of {what}")[
                "minor"
            ]
        return sums

    def _adjustments(self) -> Iterator[Data]:
        """Yield the allowances (BG-20) and charges (BG-21) of the document, with their VAT category."""
        for found in self.root.all("cac:AllowanceCharge"):
            kind = _kind_of(found, "the invoice")
            yield {
                "kind": kind,
                "amount": self._amount(found, "cbc:Amount", f"{kind} of the invoice"),
                **_category(
                    found.first("cac:TaxCategory"), f"an {kind} of the invoice", "vat_category", "vat_rate"
                ),
                "reason": words(found.text("cbc:AllowanceChargeReason")),
            }

    def _totals(self) -> Data:
        """Return the totals of the document (BG-22); those it may leave out are nought."""
        sums = self.root.first("cac:LegalMonetaryTotal")
        if not sums:
            raise CannotRead("malformed", "The invoice has no totals.")
        amounts = {
            "lines_net": ("LineExtensionAmount", "sum of the lines"),
            "allowances": ("AllowanceTotalAmount", ""),
            "charges": ("ChargeTotalAmount", ""),
            "net": ("TaxExclusiveAmount", "total without VAT"),
            "total": ("TaxInclusiveAmount", "total with VAT"),
            "prepaid": ("PrepaidAmount", ""),
            "rounding": ("PayableRoundingAmount", ""),
            "payable": ("PayableAmount", "amount to be paid"),
        }
        found = {
            name: self._amount(sums, f"cbc:{element}", what or name, needed=bool(what))
            for name, (element, what) in amounts.items()
        }
        return {**found, "vat": self._amount(self._tax_total(), "cbc:TaxAmount", "total VAT")}

    def _tax_total(self) -> Element:
        """Return the VAT total in the document's currency (BT-110), not that for the tax office (BT-111)."""
        own = [
            found
            for found in self.root.all("cac:TaxTotal")
            if (amount := found.first("cbc:TaxAmount")) and amount.attributes.get("currencyID") == self.currency
        ]
        if not own:
            raise CannotRead("malformed", f"The invoice has no VAT total in {self.currency}.")
        if len(own) > 1:
            raise CannotRead(
                "malformed", f"The invoice has {len(own)} VAT totals in {self.currency}; one is meant."
            )
        return own[0]

    def _vat_breakdown(self) -> Iterator[Data]:
        """Yield the VAT of each category and rate (BG-23)."""
        for found in self._tax_total().all("cac:TaxSubtotal"):
            yield {
                **_category(found.first("cac:TaxCategory"), "the VAT breakdown", "category", "rate"),
                "taxable": self._amount(found, "cbc:TaxableAmount", "taxable amount of the VAT breakdown"),
                "tax": self._amount(found, "cbc:TaxAmount", "tax amount of the VAT breakdown"),
            }

    def _amount(self, place: Element, path: str, what: str, *, needed: bool = True) -> Money:
        found = place.first(path)
        if not found:
            if needed:
                raise CannotRead("malformed", f"The {what} is missing ({path}).")
            return money(0, self.currency)
        self._check_currency(found, what)
        try:
            return money(minor_of(found.content.strip(), self.currency), self.currency)
        except ValueError as error:
            raise CannotRead("unsupported", f"The {what}: {error}.") from error

    def _check_currency(self, found: Element | None, what: str) -> None:
        currency = found.attributes.get("currencyID") if found else self.currency
        if currency != self.currency:
            named = currency[:10] if currency else "no currency"
            raise CannotRead("malformed", f"The {what} is in {named}, the invoice in {self.currency}.")

    def _number(self, place: Element, path: str, what: str) -> str:
        text = place.text(path)
        if not text:
            raise CannotRead("malformed", f"The {what} is missing ({path}).")
        return plain(_decimal(text, what))

    def _date(self, path: str, what: str, *, needed: bool = False) -> str:
        """Return YYYY-MM-DD. XML Schema lets a date carry a time zone; the day is as written."""
        text = self._needed(path, what) if needed else self.root.text(path)
        if not text:
            return ""
        try:
            if not re.fullmatch(r"\d{4}-\d\d-\d\d(Z|[+-]\d\d:\d\d)?", text, re.ASCII):
                raise ValueError(text)
            return date.fromisoformat(text[:10]).isoformat()
        except ValueError as error:
            raise CannotRead("malformed", f"The {what} {text[:20]!r} is not a date.") from error

    def _needed(self, path: str, what: str) -> str:
        if text := self.root.text(path):
            return text
        raise CannotRead("malformed", f"The invoice has no {what} ({path}).")


def words(text: str, *, most: int = MOST_WORDS, form: str = "NFC") -> str:
    """Return text as people see it, on one line: normalised (Unicode UAX 15), without invisible characters."""
    seen = unicodedata.normalize(form, text)  # type: ignore[arg-type]
    kept = (char for char in seen if char.isspace() or unicodedata.category(char)[0] != "C")
    return " ".join("".join(kept).split())[:most].strip()


def compact(text: str) -> str:
    """Return an identifier without the spaces people put into it: DE89 3704 becomes DE893704."""
    return "".join(words(text, form="NFKC").split()).upper()


def _tax_number(party: Element) -> str:
    """Return the VAT identifier (BT-31, BT-48); other tax registrations are something else."""
    for scheme in party.all("cac:PartyTaxScheme"):
        if scheme.text("cac:TaxScheme/cbc:ID").upper() == "VAT" and scheme.text("cbc:CompanyID"):
            return compact(scheme.text("cbc:CompanyID"))[:60]
    return ""


def _category(found: Element | None, what: str, category: str, rate: str) -> Data:
    """Return VAT category and rate under the given names."""
    code = found.text("cbc:ID") if found else ""
    if not found or not code:
        raise CannotRead("malformed", f"The VAT category of {what} is missing.")
    if code not in CATEGORIES:
        raise CannotRead("unsupported", f"The VAT category {code[:10]!r} of {what} is not one of EN 16931.")
    scheme = found.text("cac:TaxScheme/cbc:ID").upper()
    if scheme not in ("VAT", ""):
        raise CannotRead("unsupported", f"The tax {scheme[:20]!r} of {what} is not VAT.")
    percent = found.text("cbc:Percent")
    if not percent and code not in CATEGORIES_WITHOUT_VAT:
        raise CannotRead("malformed", f"The VAT rate of {what} is missing.")
    return {category: code, rate: plain(_decimal(percent or "0", f"VAT rate of {what}"))}


def _kind_of(found: Element, where: str) -> str:
    """Return allowance or charge, as the indicator of an AllowanceCharge says."""
    text = found.text("cbc:ChargeIndicator")
    if text not in ("true", "false", "1", "0"):
        raise CannotRead(
            "malformed", f"One amount of {where} does not say whether it is an allowance or a charge."
        )
    return "charge" if text in ("true", "1") else "allowance"


def _decimal(text: str, what: str) -> Decimal:
    try:
        return decimal_of(text)
    except ValueError as error:
        raise CannotRead("malformed", f"The {what}: {error}.") from error
