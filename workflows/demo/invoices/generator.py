"""Write forty supplier invoices as they might arrive, with the cases that have to be handled planted in them.

    python3 -m workflows.demo.invoices.generator FOLDER [SEED]

Every file is UBL 2.1 as Peppol BIS Billing 3.0 has it, except the two that are broken on purpose. What is in
them and what should become of each stands in ``manifest.json`` beside them:

    {"seed", "today", "files": [{"file", "sha256", "case", "outcome", "reject", "after"?,
     "supplier" (ERP code) | null, "supplier_name", "number", "date", "due_date", "currency",
     "total" (minor units, as it is to be booked), "net", "vat", "order" | null}]}

``outcome`` is what a run should end with; ``reject`` says that whoever approves should say no; ``after`` names
the file that has to be booked before this one comes: the gate lets one of the two through, whichever is first.
The same seed on the same day gives the same bytes.
"""

from __future__ import annotations

import base64
import hashlib
import json
import random
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from workflows.demo.invoices.draft import Invoice, Line, cents
from workflows.demo.invoices.ubl_text import ATTACHMENT_BYTES, invoice_text
from workflows.demo.invoices.variations import ORDINARY

FACTS = json.loads((Path(__file__).parent / "company_facts.json").read_text(encoding="utf-8"))
SUPPLIERS = {facts["code"]: facts for facts in FACTS["suppliers"]}
ORDERS = {facts["number"]: facts for facts in FACTS["orders"]}
PREFIX = {"SUP-001": "BB-26-", "SUP-002": "EC/", "SUP-003": "HS", "SUP-004": "RM.26.", "SUP-005": "TF-"}
# Suppliers that the ERP does not have. The first one sends two invoices.
STRANGERS = (
    {
        "name": "Fjord Valves AS",
        "tax_number": "NO987654325MVA",
        "street": "Strandgata 18",
        "postal_code": "5004",
        "city": "Bergen",
        "country": "NO",
        "account": "NO9386011117947",
    },
    {
        "name": "Delta Pump Parts Ltd",
        "tax_number": "GB980780684",
        "street": "14 Dock Road",
        "postal_code": "HU9 1TA",
        "city": "Hull",
        "country": "GB",
        "account": "GB29NWBK60161331926819",
    },
)
OTHER_ACCOUNTS = {"SUP-002": "DE89370400440532013000", "SUP-005": "SK3112000000198742637541"}


@dataclass
class Item:
    """One file to write and what the manifest says about it."""

    case: str
    outcome: str
    invoice: Invoice
    reject: bool = False
    after: int | None = None  # index of the item that has to be booked first
    spoil: Callable[[bytes], bytes] | None = None


def write(folder: Path, seed: int, today: date | None = None) -> dict[str, Any]:
    """Write the forty files and their manifest; return the manifest."""
    folder.mkdir(parents=True, exist_ok=True)
    today = today or datetime.now(UTC).date()  # noqa: TID251 - this process is not the portal
    items = Desk(seed, today).items()
    order = [index for index, item in enumerate(items) if item.after is None]
    random.Random(seed).shuffle(order)  # noqa: S311 - sample data
    order += [index for index, item in enumerate(items) if item.after is not None]
    names = {index: file_name(place, items[index]) for place, index in enumerate(order, 1)}
    files = []
    for index in order:
        content = file_content(items[index], seed)
        (folder / names[index]).write_bytes(content)
        files.append(manifest_entry(items[index], names[index], content, names))
    manifest = {"seed": seed, "today": today.isoformat(), "files": files}
    (folder / "manifest.json").write_text(json.dumps(manifest, indent=2) + "\n", encoding="utf-8")
    return manifest


def file_name(place: int, item: Item) -> str:
    """Return a name that tells who sent it, not what is wrong with it."""
    words = f"{item.invoice.seller['name'].split()[0]}-{item.invoice.number}".lower()
    return f"{place:02d}-{''.join(char if char.isalnum() else '-' for char in words)}.xml"


def file_content(item: Item, seed: int) -> bytes:
    """Return the bytes of one file."""
    attachment = ""
    if item.invoice.style.attachment:
        noise = random.Random(f"{seed} {item.invoice.number}").randbytes(ATTACHMENT_BYTES)  # noqa: S311
        attachment = base64.b64encode(noise).decode()
    content = invoice_text(item.invoice, FACTS["company"], attachment)
    return item.spoil(content) if item.spoil else content


def manifest_entry(item: Item, name: str, content: bytes, names: dict[int, str]) -> dict[str, Any]:
    """Return what the manifest says about one file."""
    invoice, readable = item.invoice, item.spoil is None
    entry = {
        "file": name,
        "sha256": hashlib.sha256(content).hexdigest(),
        "case": item.case,
        "outcome": item.outcome,
        "reject": item.reject,
        "supplier": invoice.seller.get("code"),
        "supplier_name": invoice.seller["name"],
        "number": invoice.number,
        "date": invoice.date.isoformat(),
        "due_date": invoice.due_date.isoformat() if invoice.due_date else None,
        "currency": invoice.currency,
        "total": minor(invoice.total + invoice.rounding),
        "net": minor(invoice.net),
        "vat": minor(invoice.vat),
        "order": invoice.order or None,
    }
    if not readable:
        unread = ("supplier", "number", "date", "due_date", "currency", "total", "net", "vat", "order")
        entry |= dict.fromkeys(unread)
    if item.after is not None:
        entry["after"] = names[item.after]
    return entry


class Desk:
    """Makes the forty items, each from an order of the company."""

    def __init__(self, seed: int, today: date) -> None:
        self.random = random.Random(seed)  # noqa: S311 - sample data
        self.today = today
        self.numbers = dict.fromkeys([*PREFIX, *(facts["name"] for facts in STRANGERS)], 0)
        for name in self.numbers:
            self.numbers[name] = self.random.randint(1000, 4000)

    def items(self) -> list[Item]:
        """Return all items; those that repeat another one name it by its index."""
        items = [*self.ordinary(), *self.held(), *self.foreign(), *self.exceptions()]
        first, second = items[0].invoice, items[1].invoice
        again = replace(first, style=replace(first.style, indent="", prefixes=("c", "a"), comment="Copy"))
        items.append(Item("exact_duplicate", "denied", again, after=0))
        reused = self.from_order("PO-1205")
        reused.number = second.number
        items.append(Item("number_reused", "denied", reused.add_up(), after=1))
        return items

    def ordinary(self) -> list[Item]:
        """Return the invoices that are in order, each with something that invoices come with."""
        return [
            Item("ordinary", "posted", change(self.from_order(number)).add_up())
            for number, change in ORDINARY.items()
        ]

    def held(self) -> list[Item]:
        """Return what waits for a person."""
        items = [
            Item("over_threshold", "rejected" if reject else "posted", self.from_order(number).add_up(), reject)
            for number, reject in (("PO-1107", False), ("PO-1207", True), ("PO-1307", False), ("PO-1407", True))
        ]
        for stranger, amount in ((0, "418.50"), (0, "1260.00"), (1, "742.30")):
            items.append(Item("unknown_supplier", "posted", self.from_stranger(STRANGERS[stranger], amount)))
        for number, order in (("PO-1305", ""), ("PO-1505", "PO-1999")):
            invoice = self.from_order(number)
            invoice.order = order
            items.append(Item("missing_order", "posted", invoice.add_up()))
        for number, reject in (("PO-1206", True), ("PO-1504", False)):
            invoice = self.from_order(number)
            invoice.account = OTHER_ACCOUNTS[invoice.seller["code"]]
            outcome = "rejected" if reject else "posted"
            items.append(Item("changed_account", outcome, invoice.add_up(), reject))
        return items

    def foreign(self) -> list[Item]:
        """Return one invoice in a currency that the company has a rate for and one in another."""
        dollars = self.from_order("PO-1106").add_up()
        dollars.tax_currency = ("EUR", Decimal("0.00"))
        francs = self.from_order("PO-1506")
        francs.currency = "CHF"
        return [
            Item("currency_with_rate", "posted", dollars),
            Item("currency_without_rate", "rejected", francs.add_up(), reject=True),
        ]

    def exceptions(self) -> list[Item]:
        """Return what a person has to settle."""
        wrong_sum = self.from_order("PO-1306").add_up()
        wrong_sum.total += Decimal("90.00")
        wrong_vat = self.from_order("PO-1405").add_up()
        category, rate, base, _ = wrong_vat.breakdown[0]
        wrong_vat.vat = cents(base * 16 / 100)
        wrong_vat.breakdown = [(category, rate, base, wrong_vat.vat)]
        wrong_vat.total = wrong_vat.net + wrong_vat.vat
        credit = self.from_order("PO-1202")
        credit.kind, credit.lines = "CreditNote", credit.lines[:1]
        broken, bomb = self.from_order("PO-1401").add_up(), self.from_order("PO-1501").add_up()
        return [
            Item("wrong_sum", "exception", wrong_sum),
            Item("wrong_vat", "exception", wrong_vat),
            Item("credit_note", "exception", credit.add_up()),
            Item("malformed", "exception", broken, spoil=cut_short),
            Item("entity_bomb", "exception", bomb, spoil=with_entities),
        ]

    def from_order(self, number: str) -> Invoice:
        """Return an invoice over what was ordered, line by line."""
        order = ORDERS[number]
        seller = SUPPLIERS[order["supplier"]]
        category, rate = ("S", Decimal(19)) if seller["country"] == "DE" else ("K", Decimal(0))
        lines = [
            Line(
                line["description"],
                Decimal(line["quantity"]),
                Decimal(line["unit_price"]),
                category=category,
                rate=rate,
            )
            for line in order["lines"]
        ]
        return self._invoice(seller, seller["code"], order["currency"], number, lines)

    def from_stranger(self, seller: dict[str, Any], amount: str) -> Invoice:
        """Return an invoice of a supplier that the ERP does not have."""
        line = Line("Check valves DN 50", Decimal(1), Decimal(amount), category="G", rate=Decimal(0))
        return self._invoice(seller, seller["name"], "EUR", "", [line]).add_up()

    def _invoice(
        self, seller: dict[str, Any], sender: str, currency: str, order: str, lines: list[Line]
    ) -> Invoice:
        self.numbers[sender] += self.random.randint(1, 9)
        number = f"{PREFIX.get(sender, sender[:2].upper() + '-')}{self.numbers[sender]}"
        dated = self._day()
        return Invoice(
            seller,
            number,
            dated,
            currency,
            order,
            lines,
            account=seller["account"],
            due_date=dated + timedelta(days=self.random.choice((14, 30, 30, 45))),
        )

    def _day(self) -> date:
        """Return a day of this month or the last one, not after today."""
        first = (self.today.replace(day=1) - timedelta(days=1)).replace(day=1)
        return first + timedelta(days=self.random.randint(0, (self.today - first).days))


def cut_short(content: bytes) -> bytes:
    """End a file in the middle, as a broken transfer does."""
    return content[: len(content) * 2 // 3]


def with_entities(content: bytes) -> bytes:
    """Put a billion laughs into a file: ten entities, each ten times the one before."""
    laughs = [b'<!ENTITY l0 "lol">']
    laughs += [b'<!ENTITY l%d "%s">' % (step, b"&l%d;" % (step - 1) * 10) for step in range(1, 10)]
    doctype = b"<!DOCTYPE Invoice [" + b"".join(laughs) + b"]>"
    head, _, rest = content.partition(b"?>")
    return head + b"?>" + doctype + rest.replace(b"<cbc:ID>", b"<cbc:ID>&l9;", 1)


def minor(amount: Decimal) -> int:
    """Return an amount in hundredths."""
    return int(amount * 100)


if __name__ == "__main__":
    for entry in write(Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 1)["files"]:
        print(f"{entry['file']:44} {entry['case']:22} {entry['outcome']}")
