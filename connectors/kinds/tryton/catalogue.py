"""What Tryton has to be told, and the operations that every Tryton has: looking up who and what is on file."""

from __future__ import annotations

from typing import Any

from connectors.vocabulary import Needs, Offer

NEEDS = Needs(
    title="Tryton ERP",
    summary="The ERP Tryton from version 8, over its REST interface.",
    address="https://erp.example.com/database",
    settings={
        "type": "object",
        "additionalProperties": False,
        "required": ["company"],
        "properties": {
            "company": {
                "type": "integer",
                "minimum": 1,
                "default": 1,
                "title": "Number of the company in Tryton",
                "description": "1, unless several companies are kept there.",
            },
            "test_model": {
                "type": "string",
                "maxLength": 80,
                "title": "What is read to test it",
                "description": "A model the key may read. Empty: res.user.",
            },
        },
    },
    schemes=("bearer",),
    account="In Tryton, make a user for this portal with the rights the work needs; in its preferences add an "
    "application key for REST and confirm it.",
)
TEXT = {"type": "string", "format": "free-text", "minLength": 1, "maxLength": 200}
CODE = {"type": "string", "format": "code", "maxLength": 40}
COMPANY = {"company": {"$config": "/company"}}


def _object(required: list[str], **properties: Any) -> dict[str, Any]:
    return {"type": "object", "additionalProperties": False, "required": required, "properties": properties}


def _optional(name: str) -> dict[str, Any]:
    return {"$arg": f"/{name}", "optional": True}


CATALOGUE = (
    Offer(
        key="party.find",
        name="Find a supplier or customer",
        description="Finds parties by code, tax number or name. In a name % and _ stand for any text.",
        idempotent=True,
        label_template="Look for a supplier or customer",
        input_schema=_object([], name=TEXT, code=CODE, tax_number=CODE),
        mapping={
            "context": COMPANY,
            "search": {
                "model": "party.party",
                "domain": [
                    ["name", "ilike", _optional("name")],
                    ["code", "=", _optional("code")],
                    ["identifiers.code", "=", _optional("tax_number")],
                ],
                "fields": ["code", "name", "addresses.city", "identifiers.code"],
            },
            "result": {
                "id": "/id",
                "code": "/code",
                "name": "/name",
                "city": "/addresses/0/city",
                "tax_numbers": "/identifiers/*/code",
            },
        },
    ),
    Offer(
        key="supplier_invoice.find",
        name="Find a supplier invoice",
        description="Finds supplier invoices by supplier, number or both.",
        idempotent=True,
        label_template="Look for invoices of a supplier",
        input_schema=_object([], supplier=CODE, number={"type": "string", "minLength": 1, "maxLength": 100}),
        mapping={
            "context": COMPANY,
            "search": {
                "model": "account.invoice",
                "domain": [
                    ["type", "=", "in"],
                    ["party.code", "=", _optional("supplier")],
                    ["reference", "=", _optional("number")],
                ],
                "fields": [
                    *("state", "number", "reference", "invoice_date", "total_amount"),
                    *("party.code", "party.name", "currency.code"),
                ],
            },
            "result": {
                "entry": "/number",
                "number": "/reference",
                "supplier": "/party/code",
                "supplier_name": "/party/name",
                "date": "/invoice_date",
                "amount": {"amount": "/total_amount", "currency": "/currency/code"},
                "state": "/state",
            },
        },
    ),
    Offer(
        key="order.find",
        name="Find a purchase order",
        description="Finds confirmed purchase orders by number, and by supplier if one is named.",
        idempotent=True,
        label_template="Look for order {number}",
        input_schema=_object(["number"], number=CODE, supplier=CODE),
        mapping={
            "context": COMPANY,
            "search": {
                "model": "purchase.purchase",
                "domain": [
                    ["number", "=", {"$arg": "/number"}],
                    ["party.code", "=", _optional("supplier")],
                    ["state", "in", ["confirmed", "processing", "done"]],
                ],
                "fields": ["number", "state", "total_amount", "party.code", "currency.code"],
            },
            "result": {
                "number": "/number",
                "supplier": "/party/code",
                "state": "/state",
                "amount": {"amount": "/total_amount", "currency": "/currency/code"},
            },
        },
    ),
)
