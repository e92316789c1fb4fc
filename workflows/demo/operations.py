"""What agents may ask of Northwind's ERP: schemas for the agent, mappings for the driver. All of it is data."""

from __future__ import annotations

from typing import Any

from connectors.policies.schemas import MONEY

TEXT = {"type": "string", "format": "free-text", "minLength": 1, "maxLength": 200}
SUPPLIER = {
    "type": "string",
    "format": "code",
    "maxLength": 40,
    "description": "The supplier's code, e.g. SUP-001. erp.party.find tells it.",
}
NUMBER = {
    "type": "string",
    "format": "code",
    "maxLength": 60,
    "description": "The supplier's own invoice number, as printed on it.",
}
# Signed reversals are another operation: an invoice of this one always adds to what is owed.
TOTAL = {
    **MONEY,
    "properties": {**MONEY["properties"], "minor": {"type": "integer", "minimum": 1, "maximum": 10**13}},
    "description": "The total in minor units (cents) and its ISO 4217 currency.",
}
REFERENCE = {"type": "string", "format": "code", "maxLength": 40, "description": "The portal's own reference."}
COMPANY = {"company": {"$config": "/company"}}


def _object(required: list[str], **properties: Any) -> dict[str, Any]:
    return {
        "type": "object",
        "additionalProperties": False,
        "required": required,
        "properties": properties,
    }


PARTY_FIND: dict[str, Any] = {
    "name": "Find a supplier or customer",
    "description": "Finds parties by code or by name. In a name % stands for any text.",
    "effect": "read",
    "idempotent": True,
    "label_template": "Look for {name}",
    "input_schema": _object([], name=TEXT, code=SUPPLIER, reference=REFERENCE),
    "mapping": {
        "context": COMPANY,
        "search": {
            "model": "party.party",
            "domain": [
                ["name", "ilike", {"$arg": "/name", "optional": True}],
                ["code", "=", {"$arg": "/code", "optional": True}],
                ["identifiers.code", "=", {"$arg": "/reference", "optional": True}],
            ],
            "fields": ["code", "name", "addresses.city"],
        },
        "result": {"id": "/id", "code": "/code", "name": "/name", "city": "/addresses/0/city"},
    },
}
INVOICE_FIND: dict[str, Any] = {
    "name": "Find a supplier invoice",
    "description": "Finds supplier invoices by supplier, number or both.",
    "effect": "read",
    "idempotent": True,
    "label_template": "Look for invoice {number} of {supplier}",
    "input_schema": _object([], supplier=SUPPLIER, number=NUMBER, reference=REFERENCE),
    "mapping": {
        "context": COMPANY,
        "search": {
            "model": "account.invoice",
            "domain": [
                ["type", "=", "in"],
                ["party.code", "=", {"$arg": "/supplier", "optional": True}],
                ["reference", "=", {"$arg": "/number", "optional": True}],
                ["comment", "=", {"$arg": "/reference", "optional": True}],
            ],
            "fields": [
                *("state", "number", "reference", "invoice_date", "total_amount"),
                *("party.code", "party.name", "currency.code"),
            ],
        },
        "done": {"/state": ["posted", "paid"]},
        "result": {
            "entry": "/number",
            "number": "/reference",
            "supplier": "/party/code",
            "supplier_name": "/party/name",
            "date": "/invoice_date",
            "total": "/total_amount",
            "currency": "/currency/code",
            "state": "/state",
        },
    },
}
PARTY_CREATE: dict[str, Any] = {
    "name": "Create a supplier or customer",
    "description": "Creates a party with one address. Look first whether it is there already.",
    "effect": "write",
    "lookup": "erp.party.find",
    "reference_field": "identifiers.code",
    "label_template": "Create {name} in {city}",
    "input_schema": _object(
        ["name", "city"], name=TEXT, city=TEXT, street=TEXT, postal_code={"type": "string", "maxLength": 20}
    ),
    "mapping": {
        "context": COMPANY,
        "record": {
            "model": "party.party",
            "own": [["identifiers.code", "=", {"$reference": True}]],
            "values": {
                "name": {"$arg": "/name"},
                "supplier_payment_term": {"$config": "/payment_term"},
                "identifiers": [["create", [{"code": {"$reference": True}}]]],
                "addresses": [
                    [
                        "create",
                        [
                            {
                                "city": {"$arg": "/city"},
                                "street_unstructured": {"$arg": "/street", "optional": True},
                                "postal_code": {"$arg": "/postal_code", "optional": True},
                            }
                        ],
                    ]
                ],
            },
            "fields": ["code", "name", "active"],
        },
        "done": {"/active": [True]},
        "result": {"code": "/code", "name": "/name"},
        "read_back": {"/items/0/name": {"$arg": "/name"}, "/items/0/city": {"$arg": "/city"}},
    },
}
INVOICE_POST: dict[str, Any] = {
    "name": "Post a supplier invoice",
    "description": "Enters an invoice that a supplier sent and posts it to the books. It cannot be taken back.",
    "effect": "financial",
    "lookup": "erp.supplier_invoice.find",
    "money_path": "/total",
    "reference_field": "comment",
    "label_template": "Invoice {number} of {supplier}: {money}",
    "input_schema": _object(
        ["supplier", "number", "date", "total"],
        supplier=SUPPLIER,
        number=NUMBER,
        date={"type": "string", "format": "date", "description": "The date of the invoice, YYYY-MM-DD."},
        total=TOTAL,
        description=TEXT,
    ),
    "mapping": {
        "context": COMPANY,
        "find": [
            {
                "as": "supplier",
                "model": "party.party",
                "domain": [["code", "=", {"$arg": "/supplier"}]],
                "fields": ["name", "addresses.id"],
                "missing": "unknown_supplier",
            },
            {
                "as": "currency",
                "model": "currency.currency",
                "domain": [["code", "=", {"$arg": "/total/currency"}]],
                "missing": "unknown_currency",
            },
        ],
        "record": {
            "model": "account.invoice",
            "own": [["comment", "=", {"$reference": True}]],
            "values": {
                "type": "in",
                "company": {"$config": "/company"},
                "party": {"$found": "/supplier/id"},
                "invoice_address": {"$found": "/supplier/addresses/0/id"},
                "currency": {"$found": "/currency/id"},
                "account": {"$config": "/accounts/payable"},
                "journal": {"$config": "/journal_expense"},
                "payment_term": {"$config": "/payment_term"},
                "invoice_date": {"$date": {"$arg": "/date"}},
                "reference": {"$arg": "/number"},
                "comment": {"$reference": True},
                "description": {"$arg": "/description", "optional": True},
                "lines": [
                    [
                        "create",
                        [
                            {
                                "type": "line",
                                "currency": {"$found": "/currency/id"},
                                "account": {"$config": "/accounts/expense"},
                                "quantity": 1,
                                "unit_price": {"$amount": {"$arg": "/total"}},
                                "description": {"$arg": "/description", "optional": True},
                            }
                        ],
                    ]
                ],
            },
            "fields": ["state", "number", "reference", "total_amount", "currency.code"],
        },
        "check": {"/total_amount": {"$decimal": {"$arg": "/total"}}},
        "buttons": [{"click": "post", "when": {"/state": ["draft", "validated"]}}],
        "done": {"/state": ["posted", "paid"]},
        "discard": True,
        "result": {"entry": "/number", "state": "/state", "total": "/total_amount"},
        "read_back": {
            "/items/0/supplier": {"$arg": "/supplier"},
            "/items/0/number": {"$arg": "/number"},
            "/items/0/date": {"$arg": "/date"},
            "/items/0/total": {"$decimal": {"$arg": "/total"}},
            "/items/0/currency": {"$arg": "/total/currency"},
        },
    },
}
# Look-ups first: what writes names the one that finds it again.
OPERATIONS = {
    "erp.party.find": PARTY_FIND,
    "erp.supplier_invoice.find": INVOICE_FIND,
    "erp.party.create": PARTY_CREATE,
    "erp.supplier_invoice.post": INVOICE_POST,
}
