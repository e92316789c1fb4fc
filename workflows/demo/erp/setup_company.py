"""Fill a fresh Tryton with Northwind Pumps GmbH. Run by the ERP's own Python, never imported by the portal.

    VENV/bin/python setup_company.py http://127.0.0.1:PORT/DATABASE/rpc/ < admin-password > ids.json

Speaks XML-RPC to a running server through proteus (LGPL-3), the client library that Tryton publishes; no
module of the server (GPL-3) is imported, here or anywhere else in this repository.
"""

from __future__ import annotations

import base64
import datetime
import json
import secrets
import sys
import xmlrpc.client
from decimal import Decimal
from typing import Any

from proteus import Model, Wizard, config

COMPANY = "Northwind Pumps GmbH"
CURRENCIES = {"EUR": ("Euro", "€", "978", "1"), "USD": ("US dollar", "$", "840", "1.08")}
SUPPLIERS = (
    ("SUP-001", "Baltic Bearings UAB", "Klaipeda"),
    ("SUP-002", "Elbe Castings AG", "Dresden"),
    ("SUP-003", "Harbour Seals GmbH", "Bremerhaven"),
    ("SUP-004", "Rhine Motors KG", "Duisburg"),
    ("SUP-005", "Tatra Fasteners s.r.o.", "Poprad"),
)
CUSTOMERS = (("CUS-001", "Harbour Utilities plc", "Hull"),)
# One account per role. Groups are the ERP's own second line of defence behind the portal.
USERS = (
    ("bookkeeper", "Bookkeeping agents", ("Accounting", "Party Administration")),
    ("buyer", "Buying agents", ("Party Administration", "Purchase")),
    ("reader", "Reading agents", ("Readers",)),
    ("inspector", "Independent check of the books", ("Readers",)),
)
READABLE = (
    "party.party",
    "party.address",
    "company.company",
    "currency.currency",
    "product.product",
    "product.template",
    "account.account",
    "account.invoice",
    "account.invoice.line",
    "account.invoice.payment_term",
    "account.journal",
    "account.move",
    "account.move.line",
    "account.payment",
    "purchase.purchase",
    "purchase.line",
)


def main(url: str, password: str) -> dict[str, Any]:
    """Create everything and return the ids and REST keys that a connector needs."""
    sign_in(url, password)
    currencies = {code: currency(code, *facts) for code, facts in CURRENCIES.items()}
    company = create_company(currencies["EUR"])
    accounts = create_chart(company)
    for year in fiscal_years():
        create_fiscal_year(company, year)
    term = create_payment_term()
    parties = {code: create_party(code, name, city, supplier=term) for code, name, city in SUPPLIERS}
    parties |= {code: create_party(code, name, city, customer=term) for code, name, city in CUSTOMERS}
    create_payment_journal(company, currencies["EUR"])
    let_readers_read()
    return {
        "company": company.id,
        "currencies": {code: found.id for code, found in currencies.items()},
        "accounts": {kind: account.id for kind, account in accounts.items()},
        "journal_expense": first("account.journal", type="expense").id,
        "payment_term": term.id,
        "parties": parties,
        "keys": {login: create_user(company, login, name, groups) for login, name, groups in USERS},
    }


def sign_in(url: str, password: str) -> None:
    """Open one session; a password in every call would be hashed anew each time (about 0.4 s)."""
    server = xmlrpc.client.ServerProxy(url, allow_none=True, use_builtin_types=True)
    user_id, token, *_ = server.common.db.login("admin", {"password": password}, "en")
    session = base64.b64encode(f"admin:{user_id}:{token}".encode()).decode()
    config.set_xmlrpc(url, headers=[("Authorization", f"Session {session}")])


def first(model: str, **fields: Any) -> Any:
    """Return the first record whose fields equal these."""
    return Model.get(model).find([(name, "=", value) for name, value in fields.items()], limit=1)[0]


def currency(code: str, name: str, symbol: str, number: str, rate: str) -> Any:
    """Create one currency with a rate that is valid from the beginning of last year."""
    record = Model.get("currency.currency")(
        name=name, symbol=symbol, code=code, numeric_code=number, rounding=Decimal("0.01"), digits=2
    )
    record.save()
    valid_from = datetime.date(today().year - 1, 1, 1)
    Model.get("currency.currency.rate")(date=valid_from, rate=Decimal(rate), currency=record).save()
    return record


def create_company(currency: Any) -> Any:
    """Create the company with Tryton's own wizard and work in its context from here on."""
    party = Model.get("party.party")(name=COMPANY, code="NWP")
    party.save()
    wizard = Wizard("company.company.config")
    wizard.execute("company")
    wizard.form.party, wizard.form.currency = party, currency
    wizard.execute("add")
    current = config.get_config()
    current._context = Model.get("res.user").get_preferences(True, {})
    return first("company.company")


def create_chart(company: Any) -> dict[str, Any]:
    """Create the universal chart of accounts and return the account of each kind."""
    template = Model.get("ir.model.data").get_id("account.account_template_root_en", {})
    wizard = Wizard("account.create_chart")
    wizard.execute("account")
    wizard.form.account_template = Model.get("account.account.template")(template)
    wizard.form.company = company
    wizard.execute("create_account")
    accounts = {
        kind: first("account.account", **{f"type.{kind}": True, "company": company.id, "closed": False})
        for kind in ("receivable", "payable", "revenue", "expense")
    }
    wizard.form.account_receivable = accounts["receivable"]
    wizard.form.account_payable = accounts["payable"]
    wizard.form.category_account_expense = accounts["expense"]
    wizard.form.category_account_revenue = accounts["revenue"]
    wizard.execute("create_properties")
    return accounts


def fiscal_years() -> list[int]:
    """Return last, this and next year: an invoice needs an open period on its date."""
    return [today().year - 1, today().year, today().year + 1]


def create_fiscal_year(company: Any, year: int) -> None:
    """Create one calendar year with monthly periods, its journal entry and invoice sequences."""
    fiscal_year = Model.get("account.fiscalyear")(
        name=str(year),
        company=company,
        start_date=datetime.date(year, 1, 1),
        end_date=datetime.date(year, 12, 31),
    )
    fiscal_year.move_sequence = create_sequence(company, "Account Move", f"Entries {year}", f"{year}-")
    sequences = fiscal_year.invoice_sequences[0]
    sequences.in_invoice_sequence = create_sequence(company, "Invoice", f"Bills {year}", f"B{year}-")
    sequences.in_credit_note_sequence = sequences.in_invoice_sequence
    sequences.out_invoice_sequence = create_sequence(company, "Invoice", f"Invoices {year}", f"I{year}-")
    sequences.out_credit_note_sequence = sequences.out_invoice_sequence
    fiscal_year.click("create_period")


def create_sequence(company: Any, kind: str, name: str, prefix: str) -> Any:
    """Create a gapless sequence."""
    sequence = Model.get("ir.sequence.strict")(
        name=name, sequence_type=first("ir.sequence.type", name=kind), company=company, prefix=prefix, padding=5
    )
    sequence.save()
    return sequence


def create_payment_term() -> Any:
    """Create the one payment term: all of it, 30 days after the invoice."""
    term = Model.get("account.invoice.payment_term")(name="30 days net")
    line = term.lines.new(type="remainder")
    line.relativedeltas.new(days=30)
    term.save()
    return term


def create_party(
    code: str, name: str, city: str, *, supplier: Any = None, customer: Any = None
) -> dict[str, int]:
    """Create a supplier or a customer with an address that can stand on an invoice."""
    party = Model.get("party.party")(name=name, code=code)
    if supplier:
        party.supplier_payment_term = supplier
    if customer:
        party.customer_payment_term = customer
    address = party.addresses[0] if party.addresses else party.addresses.new()
    address.city = city
    party.save()
    return {"party": party.id, "address": party.addresses[0].id}


def create_payment_journal(company: Any, currency: Any) -> None:
    """Create the journal that outgoing payments will be proposed in."""
    Model.get("account.payment.journal")(
        name="Bank transfer", company=company, currency=currency, process_method="manual"
    ).save()


def let_readers_read() -> None:
    """Create the group Readers: may read the books and the parties, may change nothing."""
    group = Model.get("res.group")(name="Readers")
    group.save()
    access, models = Model.get("ir.model.access"), Model.get("ir.model")
    known = {found.name for found in models.find([("name", "in", READABLE)])}
    for name in READABLE:
        if name in known:
            access(
                model=name, group=group, perm_read=True, perm_write=False, perm_create=False, perm_delete=False
            ).save()


def create_user(company: Any, login: str, name: str, groups: tuple[str, ...]) -> str:
    """Create a user nobody can sign in as (the password is thrown away) and return its REST key."""
    user = Model.get("res.user")(name=name, login=login, password=secrets.token_urlsafe(24))
    for group in Model.get("res.group").find([("name", "in", groups)]):
        user.groups.append(group)
    user.companies.append(Model.get("company.company")(company.id))
    user.company = Model.get("company.company")(company.id)
    user.save()
    key = Model.get("res.user.application")(user=user, application="rest")
    key.save()
    return key.key


def today() -> datetime.date:
    """Return the date of this machine, the ERP's own clock."""
    return datetime.date.today()  # noqa: DTZ011 - the ERP runs on this machine, in its time zone


if __name__ == "__main__":
    json.dump(main(sys.argv[1], sys.stdin.readline().rstrip("\n")), sys.stdout)
