"""Fill a Tryton with Northwind Pumps GmbH, or add what an older one lacks. Run by the ERP's own Python.

    VENV/bin/python setup_company.py http://127.0.0.1:PORT/DATABASE/rpc/ FACTS < admin-password > ids.json

Every step looks first, so that doing it again changes nothing. FACTS is company_facts.json: what the ERP and
the demo's invoices agree on. Speaks XML-RPC to a running server through proteus (LGPL-3), the client library
that Tryton publishes; no module of the server (GPL-3) is imported, here or anywhere else in this repository.
"""

from __future__ import annotations

import base64
import datetime
import json
import secrets
import sys
import xmlrpc.client
from decimal import Decimal
from pathlib import Path
from typing import Any

from proteus import Model, Wizard, config

COMPANY = "Northwind Pumps GmbH"
# Units for one euro; none for the franc, on purpose: an invoice in francs shows what becomes of it then.
CURRENCIES = {
    "EUR": ("Euro", "€", "978", "1"),
    "USD": ("US dollar", "$", "840", "1.08"),
    "GBP": ("Pound sterling", "£", "826", "0.86"),
    "SEK": ("Swedish krona", "kr", "752", "11.25"),
    "NOK": ("Norwegian krone", "kr", "578", "11.60"),
    "DKK": ("Danish krone", "kr", "208", "7.46"),
    "CHF": ("Swiss franc", "CHF", "756", None),
}
# Old invoices are posted on their own date: one long year of one period comes before the calendar years.
EARLIEST = datetime.date(2000, 1, 1)
COUNTRIES = (
    "AT BE BG CH CY CZ DE DK EE ES FI FR GB GR HR HU IE IS IT LI LT LU LV MT NL NO PL PT RO SE SI SK "
    "AU CA CN IN JP KR NZ SG TR UA US"
)
CUSTOMER = {"code": "CUS-001", "name": "Harbour Utilities plc", "city": "Hull"}
# One account per role. Groups are the ERP's own second line of defence behind the portal.
USERS = (
    ("bookkeeper", "Bookkeeping agents", ("Accounting", "Party Administration", "Bank Administration")),
    ("checker", "Checking agents", ("Checkers",)),
    ("buyer", "Buying agents", ("Party Administration", "Bank Administration", "Purchase")),
    ("reader", "Reading agents", ("Readers",)),
    ("inspector", "Independent check of the books", ("Readers",)),
)
CHECKED = (
    "party.party",
    "party.address",
    "currency.currency",
    "account.invoice",
    "account.invoice.line",
    "purchase.purchase",
    "purchase.line",
)
READABLE = (
    *CHECKED,
    "company.company",
    "product.product",
    "product.template",
    "account.account",
    "account.invoice.payment_term",
    "account.journal",
    "account.move",
    "account.move.line",
    "account.payment",
)


def main(url: str, password: str, facts: dict[str, Any]) -> dict[str, Any]:
    """Create what is missing and return the ids and REST keys that a connector needs."""
    sign_in(url, password)
    countries = add_countries()
    currencies = {code: currency(code, *known) for code, known in CURRENCIES.items()}
    company = the_company(currencies["EUR"], facts["company"], countries)
    accounts = chart(company)
    for name, start, end in fiscal_years():
        fiscal_year(company, name, start, end)
    term, dated = payment_term("30 days net", 30), payment_term("On the date named", 0)
    parties = {one["code"]: party(one, countries, supplier_payment_term=term) for one in facts["suppliers"]} | {
        CUSTOMER["code"]: party(CUSTOMER, countries, customer_payment_term=term)
    }
    add_orders(company, facts["orders"], parties, currencies, term)
    payment_journal(company, currencies["EUR"])
    let_read("Readers", READABLE)
    let_read("Checkers", CHECKED)
    return {
        "company": company,
        "currencies": currencies,
        "accounts": accounts,
        "journal_expense": first("account.journal", type="expense"),
        "payment_term": term,
        "payment_term_dated": dated,
        "parties": parties,
        "keys": {login: user(company, login, name, groups) for login, name, groups in USERS},
    }


def sign_in(url: str, password: str) -> None:
    """Open one session; a password in every call would be hashed anew each time (about 0.4 s)."""
    server = xmlrpc.client.ServerProxy(url, allow_none=True, use_builtin_types=True)
    user_id, token, *_ = server.common.db.login("admin", {"password": password}, "en")
    session = base64.b64encode(f"admin:{user_id}:{token}".encode()).decode()
    config.set_xmlrpc(url, headers=[("Authorization", f"Session {session}")])


def proxy(model: str) -> Any:
    """Return a model as its RPC shows it; proteus' own records ask for all its fields before first use."""
    return config.get_config().get_proxy(model)


def context() -> dict[str, Any]:
    """Return the context of every call: language and company."""
    return dict(config.get_config().context)


def found(model: str, *domain: tuple[str, str, Any], **fields: Any) -> int | None:
    """Return the id of the first record whose fields equal these, or None."""
    wanted = [*domain, *((name, "=", value) for name, value in fields.items())]
    ids = proxy(model).search([list(clause) for clause in wanted], 0, 1, None, context())
    return int(ids[0]) if ids else None


def first(model: str, *domain: tuple[str, str, Any], **fields: Any) -> int:
    """Return the id of the first record whose fields equal these; it is there."""
    key = found(model, *domain, **fields)
    if key is None:
        raise LookupError(f"Tryton has no {model} with {domain} {fields}.")
    return key


def rows(model: str, domain: list[Any], *fields: str) -> list[dict[str, Any]]:
    """Return these fields of every record that fits."""
    return list(proxy(model).search_read(domain, 0, None, None, ["id", *fields], context()))


def make(model: str, *values: dict[str, Any]) -> list[int]:
    """Create records in one call; it runs no on_change, so it takes every value."""
    return list(proxy(model).create(list(values), context())) if values else []


def record(model: str, values: dict[str, Any], **fields: Any) -> int:
    """Return the id of the record with these fields; it is made with these values too if it is not there."""
    return found(model, **fields) or make(model, {**values, **fields})[0]


def add_countries() -> dict[str, int]:
    """Create the countries that suppliers are in and return their ids; their names are their codes here."""
    known = {row["code"] for row in rows("country.country", [], "code")}
    make("country.country", *({"name": code, "code": code} for code in COUNTRIES.split() if code not in known))
    return {row["code"]: row["id"] for row in rows("country.country", [], "code")}


def currency(code: str, name: str, symbol: str, number: str, rate: str | None) -> int:
    """Return one currency, with a rate that is valid on every date in the books."""
    facts = {"name": name, "symbol": symbol, "numeric_code": number, "rounding": Decimal("0.01"), "digits": 2}
    key = record("currency.currency", facts, code=code)
    if rate:
        record("currency.currency.rate", {"rate": Decimal(rate)}, currency=key, date=EARLIEST)
    return key


def the_company(currency: int, facts: dict[str, str], countries: dict[str, int]) -> int:
    """Return the company, made with Tryton's own wizard, and work in its context from here on."""
    if not found("company.company"):
        own = party({**facts, "name": COMPANY, "code": "NWP"}, countries)
        wizard = Wizard("company.company.config")
        wizard.execute("company")
        wizard.form.party = Model.get("party.party")(own["party"])
        wizard.form.currency = Model.get("currency.currency")(currency)
        wizard.execute("add")
    company = first("company.company")
    config.get_config()._context = {**proxy("res.user").get_preferences(True, {}), "company": company}
    return company


def chart(company: int) -> dict[str, int]:
    """Return the account of each kind: those of the universal chart, and those that invoices are coded to."""
    kinds = ("receivable", "payable", "revenue", "expense")
    if not found("account.account", company=company):
        create_chart(company, kinds)
    standard = {kind: standard_account(company, kind) for kind in kinds}
    (of_expense,) = rows("account.account", [["id", "=", standard["expense"]]], "type")
    (of_payable,) = rows("account.account", [["id", "=", standard["payable"]]], "type.parent")
    beside = {"statement": "balance", "debt": True, "parent": of_payable["type."]["parent"]}
    # Tryton lets bills be booked to what the tax office owes as debt.
    input_vat = record("account.account.type", beside, name="Input VAT", company=company)
    own = {
        kind: record("account.account", {"name": name, "type": type_}, code=code, company=company)
        for kind, code, name, type_ in (
            ("vat", "1400", "Input VAT", input_vat),
            ("to_be_coded", "5900", "To be coded", of_expense["type"]),
            ("rounding", "5910", "Rounding of invoices", of_expense["type"]),
            ("exchange", "5920", "Exchange differences", of_expense["type"]),
        )
    }
    differences = {f"currency_exchange_{side}_account": own["exchange"] for side in ("debit", "credit")}
    proxy("account.configuration").write([1], differences, context())
    return {**standard, **own}


def create_chart(company: int, kinds: tuple[str, ...]) -> None:
    """Create the universal chart of accounts and name the account of each kind in its properties."""
    template = proxy("ir.model.data").get_id("account.account_template_root_en", {})
    wizard = Wizard("account.create_chart")
    wizard.execute("account")
    wizard.form.account_template = Model.get("account.account.template")(template)
    wizard.form.company = Model.get("company.company")(company)
    wizard.execute("create_account")
    accounts = {kind: Model.get("account.account")(standard_account(company, kind)) for kind in kinds}
    wizard.form.account_receivable = accounts["receivable"]
    wizard.form.account_payable = accounts["payable"]
    wizard.form.category_account_expense = accounts["expense"]
    wizard.form.category_account_revenue = accounts["revenue"]
    wizard.execute("create_properties")


def standard_account(company: int, kind: str) -> int:
    """Return the account of a kind that came with the chart, not one of ours."""
    of_kind: dict[str, Any] = {f"type.{kind}": True, "company": company, "closed": False}
    return first("account.account", ("template", "!=", None), **of_kind)


def fiscal_years() -> list[tuple[str, datetime.date, datetime.date]]:
    """Return what came before, last, this and next year: an invoice needs an open period on its date."""
    this = today().year
    years = [
        (str(year), datetime.date(year, 1, 1), datetime.date(year, 12, 31))
        for year in range(this - 1, this + 2)
    ]
    return [(f"{EARLIEST.year}-{this - 2}", EARLIEST, datetime.date(this - 2, 12, 31)), *years]


def fiscal_year(company: int, name: str, start: datetime.date, end: datetime.date) -> None:
    """Create one year with its periods (monthly, unless it is long), journal entry and invoice sequences."""
    if found("account.fiscalyear", ("start_date", "<=", end), ("end_date", ">=", start)):
        return
    entries = create_sequence(company, "Account Move", f"Entries {name}", f"{name}-")
    bills = create_sequence(company, "Invoice", f"Bills {name}", f"B{name}-")
    invoices = create_sequence(company, "Invoice", f"Invoices {name}", f"I{name}-")
    numbers = {
        "company": company,
        "in_invoice_sequence": bills,
        "in_credit_note_sequence": bills,
        "out_invoice_sequence": invoices,
        "out_credit_note_sequence": invoices,
    }
    dates = {"name": name, "start_date": start, "end_date": end}
    facts = {
        **dates,
        "company": company,
        "move_sequence": entries,
        "invoice_sequences": [["create", [numbers]]],
    }
    (year,) = make("account.fiscalyear", facts)
    if start.year == end.year:
        proxy("account.fiscalyear").create_period([year], context())
    else:
        make("account.period", {**dates, "fiscalyear": year, "type": "standard"})


def create_sequence(company: int, kind: str, name: str, prefix: str) -> int:
    """Create a gapless sequence."""
    facts = {"name": name, "sequence_type": first("ir.sequence.type", name=kind), "company": company}
    return make("ir.sequence.strict", {**facts, "prefix": prefix, "padding": 5})[0]


def payment_term(name: str, days: int) -> int:
    """Return a payment term: all of it, so many days after the date it counts from."""
    line = {"type": "remainder", "relativedeltas": [["create", [{"days": days}]]]}
    return record("account.invoice.payment_term", {"lines": [["create", [line]]]}, name=name)


def party(facts: dict[str, str], countries: dict[str, int], **terms: int) -> dict[str, int]:
    """Return a party with an address that can stand on an invoice, its tax number and its bank account."""
    tax, iban = facts.get("tax_number"), facts.get("account")
    where = [["create", [address(facts, countries)]]]
    known = record("party.party", {"name": facts["name"], "addresses": where, **terms}, code=facts["code"])
    missing: dict[str, Any] = {}
    if tax and not found("party.identifier", party=known, code=tax):
        # Without a type: Tryton would ask the registry of the EU about a typed one, and ours are invented.
        missing["identifiers"] = [["create", [{"code": tax}]]]
    if iban and not found("bank.account.number", number_compact=iban):
        missing["bank_accounts"] = [["create", [{"numbers": [["create", [{"type": "iban", "number": iban}]]]}]]]
    if missing:
        proxy("party.party").write([known], missing, context())
    return {"party": known, "address": first("party.address", party=known)}


def address(facts: dict[str, str], countries: dict[str, int]) -> dict[str, Any]:
    """Return the values of an address."""
    return {
        "street_unstructured": facts.get("street"),
        "postal_code": facts.get("postal_code"),
        "city": facts["city"],
        "country": countries.get(facts.get("country", "")),
    }


def add_orders(
    company: int,
    orders: list[dict[str, Any]],
    parties: dict[str, dict[str, int]],
    currencies: dict[str, int],
    term: int,
) -> None:
    """Create and confirm the purchase orders; invoiced by hand, so that none of them ever drafts an invoice."""
    proxy("purchase.configuration").write([1], {"purchase_invoice_method": "manual"}, context())
    known = {row["number"] for row in rows("purchase.purchase", [["number", "!=", None]], "number")}
    wanted = [order for order in orders if order["number"] not in known]
    made = make(
        "purchase.purchase",
        *(
            {
                "company": company,
                "party": parties[order["supplier"]]["party"],
                "invoice_address": parties[order["supplier"]]["address"],
                "currency": currencies[order["currency"]],
                "payment_term": term,
                "invoice_method": "manual",
                "purchase_date": today(),
                "lines": [["create", [order_line(line) for line in order["lines"]]]],
            }
            for order in wanted
        ),
    )
    if made:
        number_orders([order["number"] for order in wanted], made)
        proxy("purchase.purchase").confirm(made, context())


def number_orders(numbers: list[str], made: list[int]) -> None:
    """Quote the orders, so that they get their numbers: nobody may write a number, it comes from a sequence."""
    (settings,) = proxy("purchase.configuration").read([1], ["purchase_sequence"], context())
    run: list[int] = []
    for position, (text, order) in enumerate(zip(numbers, made, strict=True)):
        prefix, number = text.rsplit("-", 1)
        if not run:
            start = {"prefix": f"{prefix}-", "padding": len(number), "number_next": int(number)}
            proxy("ir.sequence").write([settings["purchase_sequence"]], start, context())
        run.append(order)
        following = f"{prefix}-{int(number) + 1:0{len(number)}d}"
        if numbers[position + 1 : position + 2] != [following]:
            proxy("purchase.purchase").quote(run, context())
            run = []


def order_line(line: dict[str, str]) -> dict[str, Any]:
    """Return the values of one line of an order; what is bought is no product of the stock."""
    return {
        "type": "line",
        "description": line["description"],
        "quantity": float(line["quantity"]),
        "unit_price": Decimal(line["unit_price"]),
    }


def payment_journal(company: int, currency: int) -> None:
    """Create the journal that outgoing payments will be proposed in."""
    facts = {"company": company, "currency": currency, "process_method": "manual"}
    record("account.payment.journal", facts, name="Bank transfer")


def let_read(name: str, models: tuple[str, ...]) -> None:
    """Create a group that may read these models and change nothing."""
    if found("res.group", name=name):
        return
    (group,) = make("res.group", {"name": name})
    known = {row["name"] for row in rows("ir.model", [["name", "in", list(models)]], "name")}
    nothing = {"perm_write": False, "perm_create": False, "perm_delete": False}
    access = {"group": group, "perm_read": True, **nothing}
    make("ir.model.access", *({"model": model, **access} for model in models if model in known))


def user(company: int, login: str, name: str, groups: tuple[str, ...]) -> str:
    """Return the REST key of a user nobody can sign in as (the password is thrown away)."""
    member = [["add", [row["id"] for row in rows("res.group", [["name", "in", list(groups)]])]]]
    key = found("res.user", login=login)
    if key is None:
        facts = {"name": name, "login": login, "password": secrets.token_urlsafe(24), "groups": member}
        (key,) = make("res.user", {**facts, "companies": [["add", [company]]], "company": company})
    else:
        proxy("res.user").write([key], {"groups": member}, context())
    rest = {"user": key, "application": "rest"}
    held = found("res.user.application", state="validated", **rest) or make("res.user.application", rest)[0]
    (row,) = rows("res.user.application", [["id", "=", held]], "key")
    return str(row["key"])


def today() -> datetime.date:
    """Return the date of this machine, the ERP's own clock."""
    return datetime.date.today()  # noqa: DTZ011 - the ERP runs on this machine, in its time zone


if __name__ == "__main__":
    shared = json.loads(Path(sys.argv[2]).read_text())
    json.dump(main(sys.argv[1], sys.stdin.readline().rstrip("\n"), shared), sys.stdout)
