"""What the three agents of *invoice to ledger* answer, as JSON Schemas for its definition.

They are exact: an answer with anything else in it is refused, and the work fails where it was done.
"""

from __future__ import annotations

from typing import Any

from connectors.policies.schemas import MONEY

Schema = dict[str, Any]

TEXT: Schema = {"type": "string", "format": "free-text", "minLength": 1, "maxLength": 500}
DATE: Schema = {"type": "string", "format": "date"}
# A price may have more digits than the format "decimal" of operations has (six).
DECIMAL: Schema = {"type": "string", "pattern": "^-?[0-9]+([.][0-9]+)?$", "maxLength": 40}
CURRENCY: Schema = {"type": "string", "pattern": "^[A-Z]{3}$"}
CATEGORY: Schema = {"enum": ["S", "Z", "E", "AE", "K", "G", "O", "L", "M", "B"]}


def _object(required: str, more: Schema | None = None, **properties: Schema) -> Schema:
    return {
        "type": "object",
        "additionalProperties": False,
        "required": required.split(),
        "properties": properties | (more or {}),
    }


def _all(names: str, schema: Schema) -> dict[str, Schema]:
    return dict.fromkeys(names.split(), schema)


_PARTY = _object("name", _all("name tax_number company_number street city postal_code country", TEXT))
_LINE = _object(
    "id quantity unit_price net vat_category vat_rate",
    {
        **_all("id description order_line", TEXT),
        **_all("quantity unit_price base_quantity vat_rate", DECIMAL),
        **_all("net allowance charge", MONEY),
        "vat_category": CATEGORY,
    },
)
_ADJUSTMENT = _object(
    "kind amount vat_category vat_rate",
    kind={"enum": ["allowance", "charge"]},
    amount=MONEY,
    vat_category=CATEGORY,
    vat_rate=DECIMAL,
    reason=TEXT,
)
_VAT = _object("category rate taxable tax", category=CATEGORY, rate=DECIMAL, taxable=MONEY, tax=MONEY)
_TOTALS = "lines_net allowances charges net vat total prepaid rounding payable"

READ = _object(
    f"kind number date currency seller buyer lines adjustments vat_breakdown {_TOTALS}",
    {
        **_all("number order account payee note", TEXT),
        **_all("date due_date", DATE),
        **_all(_TOTALS, MONEY),
        **_all("seller buyer", _PARTY),
    },
    kind={"enum": ["invoice", "credit_note"]},
    currency=CURRENCY,
    other_accounts={"type": "array", "items": TEXT},
    lines={"type": "array", "items": _LINE, "minItems": 1, "maxItems": 1000},
    adjustments={"type": "array", "items": _ADJUSTMENT},
    vat_breakdown={"type": "array", "items": _VAT},
)
CHECK = _object(
    "verdict findings known_account",
    verdict={"enum": ["ok", "duplicate", "unknown_supplier", "missing_order", "new_account", "exception"]},
    findings={
        "type": "array",
        "items": _object("code message", code=TEXT, message={**TEXT, "maxLength": 1000}),
    },
    known_account={"type": "boolean"},
    supplier=TEXT,
    order=TEXT,
    order_total=MONEY,
)
POST = _object(
    "outcome",
    {**_all("action code supplier entry", TEXT), "sentence": {**TEXT, "maxLength": 2000}},
    outcome={"enum": ["posted", "rejected", "denied", "failed", "expired"]},
)
ANSWERS = {"read": READ, "check": CHECK, "post": POST}
