"""Read the totals of a UBL file once more, by other means than the agents use, to compare the books with it.

    totals(data) -> {"kind", "supplier_name", "number", "date", "currency", "total", "vat", "net"}

Shares no code with examples/ on purpose: what two readers agree on is not one reader's mistake. It works on a
tree of the standard library and paths, without the care that hostile files need, so give it only files whose
run ended with a posting. Amounts are in minor units; ``total`` is what is booked: VAT and rounding included.
"""

from __future__ import annotations

import re
import xml.etree.ElementTree as Tree
from fractions import Fraction
from typing import Any

MINOR_UNITS = {
    **dict.fromkeys(("CLP", "ISK", "JPY", "KRW", "PYG", "UGX", "VND", "XAF", "XOF", "XPF"), 1),
    **dict.fromkeys(("BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"), 1000),
}
NAME = re.compile(r"\{urn:oasis:names:specification:ubl:schema:xsd:(\w+)-2\}(\w+)")


def totals(data: bytes) -> dict[str, Any]:
    """Return what the books should show for this file; raise ValueError if it has no such totals."""
    if b"<!DOCTYPE" in data.replace(b"\0", b""):
        raise ValueError("a document type is not read here")
    flat = _flattened(Tree.fromstring(data))  # noqa: S314 - no document type, so no entities
    currency = _one(flat, "DocumentCurrencyCode")
    sums = {name: _minor(flat, f"LegalMonetaryTotal/{name}", currency) for name in _SUMS}
    party = "AccountingSupplierParty/Party/"
    name = _one(flat, f"{party}PartyLegalEntity/RegistrationName", f"{party}PartyName/Name")
    return {
        "kind": "credit_note" if "CreditNoteTypeCode" in flat else "invoice",
        "supplier_name": " ".join(name.split()),
        "number": " ".join(_one(flat, "ID").split()),
        "date": _one(flat, "IssueDate")[:10],
        "currency": currency,
        "total": sums["TaxInclusiveAmount"] + sums["PayableRoundingAmount"],
        "vat": sums["TaxInclusiveAmount"] - sums["TaxExclusiveAmount"],
        "net": sums["TaxExclusiveAmount"],
    }


_SUMS = ("TaxExclusiveAmount", "TaxInclusiveAmount", "PayableRoundingAmount")


def _flattened(root: Tree.Element) -> dict[str, list[tuple[str, str]]]:
    """Return every text with its currency under its path, as a table: LegalMonetaryTotal/PayableAmount."""
    table: dict[str, list[tuple[str, str]]] = {}

    def walk(element: Tree.Element, path: str) -> None:
        for child in element:
            match = NAME.fullmatch(str(child.tag))
            if match and match[1].startswith("Common"):
                here = f"{path}{match[2]}"
                text = (child.text or "").strip()
                if text:
                    table.setdefault(here, []).append((text, child.get("currencyID", "")))
                walk(child, f"{here}/")

    walk(root, "")
    return table


def _one(flat: dict[str, list[tuple[str, str]]], *paths: str) -> str:
    for path in paths:
        if path in flat:
            return flat[path][0][0]
    raise ValueError(f"there is no {paths[0]}")


def _minor(flat: dict[str, list[tuple[str, str]]], path: str, currency: str) -> int:
    """Return an amount in minor units, exactly; nought if it is not stated."""
    if path not in flat:
        return 0
    text, stated = flat[path][0]
    if stated != currency:
        raise ValueError(f"{path} is in {stated}, not in {currency}")
    minor = Fraction(text) * MINOR_UNITS.get(currency, 100)
    if minor.denominator != 1:
        raise ValueError(f"{path} is no whole number of minor units: {text}")
    return int(minor)
