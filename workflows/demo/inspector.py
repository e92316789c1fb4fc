"""An independent look into the ERP's books: plain urllib and a key of its own, none of the portal's code.

Whatever the portal claims about the ERP is checked with this reader. It must never import the driver it checks.
"""

from __future__ import annotations

import base64
import json
import urllib.parse
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Line:
    """One line of an invoice: ``account`` is the word of keys.json for it (expense, vat ...), or its name."""

    account: str
    amount: Decimal
    description: str


@dataclass(frozen=True)
class Bill:
    """One supplier invoice as the books show it; ``order`` is the number of ours that it belongs to, or ''."""

    id: int
    number: str
    reference: str
    supplier: str
    state: str
    total: Decimal
    currency: str
    supplier_name: str = ""
    date: str = ""
    order: str = ""
    lines: tuple[Line, ...] = ()


@dataclass(frozen=True)
class Inspector:
    """Reads the books as the user ``inspector``, who may change nothing."""

    keys: Mapping[str, Any]

    @classmethod
    def of(cls, data: Path) -> Inspector:
        """Return the inspector of the ERP in one data folder."""
        return cls(json.loads((data / "erp" / "keys.json").read_text()))

    def bills(self, reference: str = "") -> list[Bill]:
        """Return the supplier invoices whose supplier's number begins so, oldest first."""
        fields = (
            *("number", "reference", "state", "total_amount", "invoice_date", "party.code", "party.name"),
            *("currency.code", "purchases.number", "lines.account.name", "lines.amount", "lines.description"),
        )
        domain = [["type", "=", "in"], ["reference", "like", f"{reference}%"]]
        return [self._bill(row) for row in self._search("account.invoice", fields, domain)]

    def parties(self, name: str) -> list[dict[str, Any]]:
        """Return id, code and name of the parties whose name begins so."""
        return self._search("party.party", ("code", "name"), [["name", "like", f"{name}%"]])

    def orders(self, number: str = "") -> list[dict[str, Any]]:
        """Return number, state and invoices of the purchase orders whose number begins so."""
        fields = ("number", "state", "invoice_method", "party.code", "invoices.state")
        return self._search("purchase.purchase", fields, [["number", "like", f"{number}%"]])

    def _bill(self, row: Mapping[str, Any]) -> Bill:
        return Bill(
            id=row["id"],
            number=row["number"] or "",
            reference=row["reference"] or "",
            supplier=row["party"]["code"],
            state=row["state"],
            total=Decimal(row["total_amount"]["decimal"]),
            currency=row["currency"]["code"],
            supplier_name=row["party"]["name"],
            date=_iso(row["invoice_date"]),
            order=", ".join(sorted(order["number"] for order in row["purchases"])),
            lines=tuple(self._line(line) for line in row["lines"]),
        )

    def _line(self, row: Mapping[str, Any]) -> Line:
        words = {key: word for word, key in self.keys["accounts"].items()}
        account = row["account"]
        return Line(
            account=words.get(account["id"], account["name"]),
            amount=Decimal(row["amount"]["decimal"]),
            description=row["description"] or "",
        )

    def _search(self, model: str, fields: Sequence[str], domain: Sequence[Any]) -> list[dict[str, Any]]:
        query = urllib.parse.urlencode(
            [("d", _packed(domain)), ("o", _packed([["id", "ASC"]])), *(("f", name) for name in fields)]
        )
        request = urllib.request.Request(
            f"{self.keys['base_url']}/{self.keys['database']}/rest/model/{model}?{query}",
            headers={
                "Authorization": f"Bearer {self.keys['keys']['inspector']}",
                "X-Tryton-Context": _packed({"company": self.keys["company"]}),
            },
        )
        with urllib.request.urlopen(request, timeout=30) as reply:
            return json.load(reply)


def _iso(day: Mapping[str, int] | None) -> str:
    return f"{day['year']:04d}-{day['month']:02d}-{day['day']:02d}" if day else ""


def _packed(value: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode()
