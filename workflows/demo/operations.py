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
# Suppliers number as they like, with spaces and bars; one spelling of each character is enough.
NUMBER = {
    "type": "string",
    "minLength": 1,
    "maxLength": 100,
    "description": "The supplier's own invoice number, as printed on it.",
}
ORDER = {
    "type": "string",
    "format": "code",
    "maxLength": 40,
    "description": "The number of our purchase order, e.g. PO-1101.",
}
TAX_NUMBER = {
    "type": "string",
    "format": "code",
    "maxLength": 40,
    "description": "The tax number with its country, without spaces, e.g. DE264837152.",
}
IBAN = {
    "type": "string",
    "pattern": "^[A-Z]{2}[0-9]{2}[A-Z0-9]{10,30}$",
    "description": "An IBAN in capitals and without spaces.",
}
WORDS = {"type": "string", "format": "free-text", "minLength": 1, "maxLength": 1000}
DATE = {"type": "string", "format": "date"}
# Signed reversals are another operation: an invoice of this one always adds to what is owed.
TOTAL = {
    **MONEY,
    "properties": {**MONEY["properties"], "minor": {"type": "integer", "minimum": 1, "maximum": 10**13}},
    "description": "The total in minor units (cents) and its ISO 4217 currency.",
}
LINE = {
    "type": "object",
    "additionalProperties": False,
    "required": ["account", "amount"],
    "properties": {
        "account": {
            "enum": ["expense", "to_be_coded", "vat", "rounding"],
            "description": "Where it is booked: expense, vat (input VAT), rounding, or to_be_coded for later.",
        },
        "amount": MONEY,
        "description": WORDS,
    },
}
REFERENCE = {"type": "string", "format": "code", "maxLength": 40, "description": "The portal's own reference."}
COMPANY = {"company": {"$config": "/company"}}
# Tryton goes on by itself from confirmed; a draft or a quotation binds nobody.
ORDERED = ["confirmed", "processing", "done"]


def _object(required: list[str], **properties: Any) -> dict[str, Any]:
    return {
        "type": "object",
        "additionalProperties": False,
        "required": required,
        "properties": properties,
    }


SUPPLIER_OF_IT = {
    "as": "supplier",
    "model": "party.party",
    "domain": [["code", "=", {"$arg": "/supplier"}]],
    "missing": "unknown_supplier",
}
PARTY_FIND: dict[str, Any] = {
    "name": "Find a supplier or customer",
    "description": "Finds parties by code, tax number or name. In a name % and _ stand for any text.",
    "effect": "read",
    "idempotent": True,
    "label_template": "Look for a supplier or customer",
    "input_schema": _object([], name=TEXT, code=SUPPLIER, tax_number=TAX_NUMBER, reference=REFERENCE),
    "mapping": {
        "context": COMPANY,
        "search": {
            "model": "party.party",
            "domain": [
                ["name", "ilike", {"$arg": "/name", "optional": True}],
                ["code", "=", {"$arg": "/code", "optional": True}],
                ["identifiers.code", "=", {"$arg": "/tax_number", "optional": True}],
                ["identifiers.code", "=", {"$arg": "/reference", "optional": True}],
            ],
            "fields": [
                *("code", "name", "addresses.city", "identifiers.code"),
                "bank_accounts.numbers.number_compact",
            ],
        },
        "result": {
            "id": "/id",
            "code": "/code",
            "name": "/name",
            "city": "/addresses/0/city",
            "tax_numbers": "/identifiers/*/code",
            "accounts": "/bank_accounts/*/numbers/*/number_compact",
        },
    },
}
ACCOUNT_FIND: dict[str, Any] = {
    "name": "Find a bank account of a supplier",
    "description": "Finds bank accounts by supplier, by IBAN or both.",
    "effect": "read",
    "idempotent": True,
    "label_template": "Look for a bank account",
    "input_schema": _object([], supplier=SUPPLIER, account=IBAN, reference=REFERENCE),
    "mapping": {
        "context": COMPANY,
        "search": {
            "model": "bank.account",
            "domain": [
                ["owners.code", "=", {"$arg": "/supplier", "optional": True}],
                ["numbers.number_compact", "=", {"$arg": "/account", "optional": True}],
                ["numbers.number", "=", {"$arg": "/reference", "optional": True}],
            ],
            "fields": ["active", "owners.code", "numbers.number_compact"],
        },
        "done": {"/active": [True]},
        "result": {"suppliers": "/owners/*/code", "accounts": "/numbers/*/number_compact"},
    },
}
ORDER_FIND: dict[str, Any] = {
    "name": "Find a purchase order",
    "description": "Finds confirmed purchase orders by number, and by supplier if one is named.",
    "effect": "read",
    "idempotent": True,
    "label_template": "Look for order {number}",
    "input_schema": _object(["number"], number=ORDER, supplier=SUPPLIER),
    "mapping": {
        "context": COMPANY,
        "search": {
            "model": "purchase.purchase",
            "domain": [
                ["number", "=", {"$arg": "/number"}],
                ["party.code", "=", {"$arg": "/supplier", "optional": True}],
                ["state", "in", ORDERED],
            ],
            "fields": [
                *("number", "state", "total_amount", "party.code", "currency.code"),
                *("lines.description", "lines.quantity", "lines.unit_price", "lines.amount"),
            ],
        },
        "result": {
            "number": "/number",
            "supplier": "/party/code",
            "state": "/state",
            "currency": "/currency/code",
            "total": "/total_amount",
            "amount": {"amount": "/total_amount", "currency": "/currency/code"},
            "lines": "/lines",
        },
    },
}
INVOICE_FIND: dict[str, Any] = {
    "name": "Find a supplier invoice",
    "description": "Finds supplier invoices by supplier, number or both.",
    "effect": "read",
    "idempotent": True,
    "label_template": "Look for invoices of a supplier",
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
            "amount": {"amount": "/total_amount", "currency": "/currency/code"},
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
        ["name"],
        name=TEXT,
        city=TEXT,
        street=TEXT,
        postal_code={"type": "string", "maxLength": 20},
        country={"type": "string", "pattern": "^[A-Z]{2}$", "description": "ISO 3166, two letters: DE."},
        tax_number=TAX_NUMBER,
        account=IBAN,
    ),
    "mapping": {
        "context": COMPANY,
        "find": [
            {
                "as": "country",
                "model": "country.country",
                "domain": [["code", "=", {"$arg": "/country"}]],
                "when": "/country",
                # A country that the ERP does not know is no reason to refuse the supplier.
                "optional": True,
            }
        ],
        "record": {
            "model": "party.party",
            "own": [["identifiers.code", "=", {"$reference": True}]],
            "values": {
                "name": {"$arg": "/name"},
                "supplier_payment_term": {"$config": "/payment_term"},
                "identifiers": [
                    [
                        "create",
                        [
                            {"code": {"$reference": True}},
                            {"$when": "/tax_number", "then": {"code": {"$arg": "/tax_number"}}},
                        ],
                    ]
                ],
                "bank_accounts": {
                    "$when": "/account",
                    "then": [
                        [
                            "create",
                            [{"numbers": [["create", [{"type": "iban", "number": {"$arg": "/account"}}]]]}],
                        ]
                    ],
                },
                "addresses": [
                    [
                        "create",
                        [
                            {
                                "city": {"$arg": "/city", "optional": True},
                                "street_unstructured": {"$arg": "/street", "optional": True},
                                "postal_code": {"$arg": "/postal_code", "optional": True},
                                "country": {"$found": "/country/id", "optional": True},
                            }
                        ],
                    ]
                ],
            },
            "fields": ["code", "name", "active"],
        },
        "done": {"/active": [True]},
        "result": {"code": "/code", "name": "/name"},
        "read_back": {
            "/items/0/name": {"$arg": "/name"},
            "/items/0/city": {"$arg": "/city"},
            "/items/0/tax_numbers/0": {"$arg": "/tax_number", "optional": True},
            "/items/0/accounts/0": {"$arg": "/account", "optional": True},
        },
    },
}
ACCOUNT_ADD: dict[str, Any] = {
    "name": "Add a bank account of a supplier",
    "description": "Puts an IBAN on file, so that invoices may ask to be paid there.",
    "effect": "write",
    "lookup": "erp.supplier_account.find",
    "reference_field": "numbers.number",
    "label_template": "Pay {supplier} at {account}",
    "input_schema": _object(["supplier", "account"], supplier=SUPPLIER, account=IBAN),
    "mapping": {
        "context": COMPANY,
        "find": [{**SUPPLIER_OF_IT, "fields": ["name"]}],
        "record": {
            "model": "bank.account",
            "own": [["numbers.number", "=", {"$reference": True}]],
            "values": {
                "owners": [["add", [{"$found": "/supplier/id"}]]],
                "numbers": [
                    [
                        "create",
                        [
                            {"type": "iban", "number": {"$arg": "/account"}},
                            {"type": "other", "number": {"$reference": True}},
                        ],
                    ]
                ],
            },
            "fields": ["active", "owners.code"],
        },
        "done": {"/active": [True]},
        "result": {"supplier": "/owners/0/code"},
        "read_back": {
            "/items/0/suppliers/0": {"$arg": "/supplier"},
            "/items/0/accounts/0": {"$arg": "/account"},
        },
    },
}
# The order is linked from what it bought, so that Tryton shows its invoices; VAT and rounding were not ordered.
LINK = {"$link": ["purchase.line", {"$found": "/order/lines/0/id", "optional": True}]}
BOOKED_LINE = {
    "type": "line",
    "currency": {"$found": "/currency/id"},
    "account": {
        "$map": {
            word: {"$config": f"/accounts/{word}"} for word in ("expense", "to_be_coded", "vat", "rounding")
        },
        "of": {"$item": "/account"},
    },
    "quantity": 1,
    "unit_price": {"$amount": {"$item": "/amount"}},
    "description": {"$item": "/description", "optional": True},
    "origin": {
        "$map": {"expense": LINK, "to_be_coded": LINK, "vat": None, "rounding": None},
        "of": {"$item": "/account"},
    },
}
WHOLE_LINE = {
    "type": "line",
    "currency": {"$found": "/currency/id"},
    "account": {"$config": "/accounts/expense"},
    "quantity": 1,
    "unit_price": {"$amount": {"$arg": "/total"}},
    "description": {"$arg": "/description", "optional": True},
    "origin": LINK,
}
CURRENCIES_OF_IT = [
    {"$arg": "/total/currency"},
    {"$each": "/lines", "in": {"$item": "/amount/currency"}},
]
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
        date={**DATE, "description": "The date of the invoice, YYYY-MM-DD."},
        due_date={**DATE, "description": "When it is to be paid; without it 30 days after its date."},
        total=TOTAL,
        lines={
            "type": "array",
            "items": LINE,
            "minItems": 1,
            "maxItems": 100,
            "description": "What is booked where; adds up to the total. Without it all of it is an expense.",
        },
        order=ORDER,
        account={**IBAN, "description": "Where the supplier asks to be paid: an IBAN that is on file there."},
        new_account={**IBAN, "description": "Instead of account, an IBAN that is not on file yet."},
        description=WORDS,
    ),
    "mapping": {
        "context": COMPANY,
        "agree": [{"values": CURRENCIES_OF_IT, "refused": "currencies_differ"}],
        "find": [
            {**SUPPLIER_OF_IT, "fields": ["name", "addresses.id"]},
            {
                "as": "currency",
                "model": "currency.currency",
                "domain": [["code", "=", {"$arg": "/total/currency"}]],
                "missing": "unknown_currency",
            },
            {
                "as": "order",
                "model": "purchase.purchase",
                "domain": [
                    ["number", "=", {"$arg": "/order"}],
                    ["party.code", "=", {"$arg": "/supplier"}],
                    ["state", "in", ORDERED],
                ],
                "fields": ["lines.id"],
                "missing": "unknown_order",
                "when": "/order",
            },
            {
                "as": "account",
                "model": "bank.account",
                "domain": [
                    ["numbers.number_compact", "=", {"$arg": "/account"}],
                    ["owners.code", "=", {"$arg": "/supplier"}],
                ],
                "missing": "unknown_account",
                "when": "/account",
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
                "payment_term": {
                    "$when": "/due_date",
                    "then": {"$config": "/payment_term_dated"},
                    "else": {"$config": "/payment_term"},
                },
                "payment_term_date": {"$date": {"$arg": "/due_date", "optional": True}},
                "invoice_date": {"$date": {"$arg": "/date"}},
                "reference": {"$arg": "/number"},
                "comment": {"$reference": True},
                "description": {"$arg": "/description", "optional": True},
                "lines": [
                    [
                        "create",
                        {
                            "$when": "/lines",
                            "then": {"$each": "/lines", "in": BOOKED_LINE},
                            "else": [WHOLE_LINE],
                        },
                    ]
                ],
            },
            "fields": ["state", "number", "reference", "total_amount", "currency.code"],
        },
        "check": {
            "/total_amount": {"$decimal": {"$arg": "/total"}},
            "/currency/code": {"$arg": "/total/currency"},
        },
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
    "erp.supplier_account.find": ACCOUNT_FIND,
    "erp.purchase_order.find": ORDER_FIND,
    "erp.supplier_invoice.find": INVOICE_FIND,
    "erp.party.create": PARTY_CREATE,
    "erp.supplier_account.add": ACCOUNT_ADD,
    "erp.supplier_invoice.post": INVOICE_POST,
}
