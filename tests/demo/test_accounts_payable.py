"""Invoices on the real ERP under the rules of accounts payable: what goes through, is held, is refused."""

from __future__ import annotations

import itertools
import time
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connections
from django.utils import timezone

from agents.models import Agent, ExchangeRate, Measure
from agents.services import policies
from connectors.models import Operation
from connectors.policies.schemas import argument_errors
from tests import harness
from tests.conftest import on_database, use_database
from tests.demo.conftest import Erp, Seed
from tests.harness import ROOT
from workflows.actions.models import Action
from workflows.actions.services import Ask, request_action, run_action
from workflows.approvals import services as approvals
from workflows.approvals.models import Approval
from workflows.demo import company
from workflows.runs import engine

pytestmark = [pytest.mark.django_db, pytest.mark.full]
POST = "erp.supplier_invoice.post"
ON_FILE, NOT_ON_FILE = "LT107300010073119834", "DE89370400440532013000"
_numbers = itertools.count(time.time_ns())


@pytest.fixture(scope="module")
def office(django_db_blocker: Any, seed: Seed) -> Iterator[str]:
    """The demo company with the real ERP."""
    with harness.copy_of(seed.database) as name, django_db_blocker.unblock(), on_database(name):
        yield name


@pytest.fixture
def django_db_setup(office: str, django_db_blocker: Any) -> None:
    """Each test works in it in a transaction of its own, which is undone."""
    with django_db_blocker.unblock():
        if connections["default"].settings_dict["NAME"] != office:
            use_database(office)


def money(minor: int, currency: str = "EUR") -> dict[str, Any]:
    return {"minor": minor, "currency": currency}


def invoice(**changes: Any) -> dict[str, Any]:
    """Return a wish that needs nobody: ordered, known supplier, known account, small."""
    usual = {
        "supplier": "SUP-001",
        "number": f"AP-{next(_numbers)}",
        "date": f"{timezone.now().date()}",
        "due_date": f"{timezone.now().date()}",
        "total": money(119_00),
        "lines": [
            {"account": "expense", "amount": money(100_00), "description": "Net, VAT S 19 %"},
            {"account": "vat", "amount": money(19_01), "description": "VAT"},
            {"account": "rounding", "amount": money(-1), "description": "Rounding"},
        ],
        "order": "PO-1101",
        "account": ON_FILE,
    }
    return {name: value for name, value in {**usual, **changes}.items() if value is not None}


def ask(code: str, operation: str, arguments: dict[str, Any]) -> Action:
    agent = Agent.objects.get(code=code)
    wish = Ask(operation=operation, arguments=arguments)
    return request_action(actor=agent.user.as_actor(), agent=agent, key=str(uuid.uuid4()), ask=wish)


def done(action: Action) -> Action:
    return run_action(action_id=action.pk)


def approve(action: Action) -> Action:
    question = Approval.objects.get(subject_kind="actions.action", subject_id=str(action.pk))
    bob = company.person("bob").as_actor()
    approvals.cast_vote(
        actor=bob, approval_id=question.pk, verdict="approve", reason="Seen and checked", digest=question.digest
    )
    return done(action)


def found(code: str, operation: str, **arguments: Any) -> list[dict[str, Any]]:
    return done(ask(code, operation, arguments)).result["items"]


def test_an_ordered_invoice_is_posted_line_by_line_and_linked_to_its_order(erp: Erp) -> None:
    wish = invoice()
    action = done(ask("invoice-bookkeeper", POST, wish))
    assert (action.state, action.outcome) == ("confirmed", "agrees"), action.next_step
    assert action.label == f"Invoice {wish['number']} of SUP-001: 119.00 EUR"
    (bill,) = erp.inspector.bills(wish["number"])
    assert (bill.state, bill.date, bill.order) == ("posted", wish["date"], "PO-1101")
    assert (bill.supplier_name, bill.currency, str(bill.total)) == ("Baltic Bearings UAB", "EUR", "119.00")
    assert [(line.account, str(line.amount), line.description) for line in bill.lines] == [
        ("expense", "100.00", "Net, VAT S 19 %"),
        ("vat", "19.01", "VAT"),
        ("rounding", "-0.01", "Rounding"),
    ]


def test_an_order_never_drafts_an_invoice(erp: Erp) -> None:
    orders = erp.inspector.orders("PO-")
    assert len(orders) >= 35
    assert {order["state"] for order in orders} == {"processing"}
    assert {order["invoice_method"] for order in orders} == {"manual"}
    states = [bill["state"] for order in orders for bill in order["invoices"]]
    assert set(states) <= {"posted"}


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"supplier": "SUP-404"}, "unknown_supplier"),
        ({"order": "PO-9999"}, "unknown_order"),
        # It is an order of another supplier.
        ({"order": "PO-1201"}, "unknown_order"),
        ({"account": NOT_ON_FILE}, "unknown_account"),
        ({"total": money(119_01)}, "record_differs"),
        ({"lines": [{"account": "expense", "amount": money(119_00, "USD")}]}, "currencies_differ"),
    ],
)
def test_what_does_not_fit_is_refused_and_leaves_nothing_in_the_books(
    erp: Erp, changes: dict[str, Any], code: str
) -> None:
    wish = invoice(**changes)
    action = done(ask("invoice-bookkeeper", POST, wish))
    assert (action.state, action.code) == ("failed", code)
    assert erp.inspector.bills(wish["number"]) == []


def test_an_old_call_without_lines_is_one_expense_over_the_total(erp: Erp) -> None:
    wish = invoice(lines=None, order=None, account=None, due_date=None, description="Bearings")
    assert done(ask("ledger-clerk", POST, wish)).state == "confirmed"
    (bill,) = erp.inspector.bills(wish["number"])
    assert [(line.account, str(line.amount)) for line in bill.lines] == [("expense", "119.00")]


def test_an_invoice_of_long_ago_is_posted_on_its_own_date(erp: Erp) -> None:
    wish = invoice(date="2017-11-13", due_date="2017-12-13", order=None, account=None)
    assert done(ask("ledger-clerk", POST, wish)).outcome == "agrees"
    (bill,) = erp.inspector.bills(wish["number"])
    assert (bill.state, bill.date) == ("posted", "2017-11-13")


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"order": None}, "Invoices without an order need a person."),
        ({"account": None, "new_account": NOT_ON_FILE}, "Invoices to be paid at a new account need a person."),
        (
            {"total": money(10_000_01), "lines": [{"account": "expense", "amount": money(10_000_01)}]},
            "Invoices above 10,000.00 EUR need a person.",
        ),
    ],
)
def test_the_rogue_bookkeeper_is_held_by_policy_alone(erp: Erp, changes: dict[str, Any], sentence: str) -> None:
    wish = invoice(**changes)
    action = ask("invoice-bookkeeper", POST, wish)
    assert action.state == "held"
    assert sentence in action.sentence
    assert erp.inspector.bills(wish["number"]) == []


def test_a_duplicate_is_denied_however_its_number_is_written(erp: Erp) -> None:
    first = invoice(number=f"Ap-{next(_numbers)}")
    assert done(ask("invoice-bookkeeper", POST, first)).state == "confirmed"
    for again in (first, {**first, "number": first["number"].upper(), "total": money(1_00)}):
        action = ask("invoice-bookkeeper", POST, again)
        assert (action.state, action.code) == ("denied", "duplicate")
    assert len(erp.inspector.bills(first["number"])) == 1


def test_francs_are_held_for_want_of_a_rate_and_dollars_are_not(erp: Erp) -> None:
    assert set(ExchangeRate.objects.values_list("currency", flat=True)) == {"USD", "GBP", "SEK", "NOK", "DKK"}
    lines = [{"account": "expense", "amount": money(119_00, "CHF")}]
    wish = invoice(total=money(119_00, "CHF"), lines=lines)
    francs = ask("invoice-bookkeeper", POST, wish)
    assert (francs.state, "exchange rate for CHF" in francs.sentence) == ("held", True)
    # The books have no rate either: even a person's yes leads to a refusal that leaves nothing behind.
    assert (approve(francs).state, erp.inspector.bills(wish["number"])) == ("failed", [])
    lines = [
        {"account": "expense", "amount": money(3_33, "USD")},
        {"account": "vat", "amount": money(64, "USD")},
    ]
    wish = invoice(total=money(3_97, "USD"), lines=lines)
    assert done(ask("invoice-bookkeeper", POST, wish)).outcome == "agrees"
    (bill,) = erp.inspector.bills(wish["number"])
    assert (bill.currency, str(bill.total)) == ("USD", "3.97")


@pytest.mark.parametrize("code", ["payables_hourly", "payables_daily"])
def test_what_exceeds_a_ceiling_is_held(code: str) -> None:
    measure = Measure.objects.get(code=code)
    ceiling = {"payables_hourly": 1, "payables_daily": 200_00}[code]
    alice = company.person("alice").as_actor()
    policies.propose_measure_change(
        actor=alice, measure=measure, changes={"ceiling": ceiling}, reason="Only these"
    )
    assert ask("invoice-bookkeeper", POST, invoice()).state == "authorized"
    assert ask("invoice-bookkeeper", POST, invoice()).state == "held"


def test_a_new_supplier_is_always_held_and_known_with_its_account_afterwards(erp: Erp) -> None:
    name = f"Fjordpumper AS {next(_numbers)}"
    tax = f"NO{next(_numbers)}MVA"
    wish = {"name": name, "city": "Bergen", "country": "NO", "tax_number": tax, "account": "NO9386011117947"}
    action = ask("invoice-bookkeeper", "erp.party.create", wish)
    assert (action.state, "New suppliers need a person." in action.sentence) == ("held", True)
    # While people think about it, the same tax number is not asked for a second time.
    again = ask("invoice-bookkeeper", "erp.party.create", {**wish, "name": f"{name} AS"})
    action = approve(action)
    assert (action.state, action.outcome) == ("confirmed", "agrees"), action.next_step
    assert ask("supplier-clerk", "erp.party.create", {**wish, "city": "Oslo"}).code == "duplicate"
    assert again.state in ("held", "denied")
    (party,) = found("invoice-checker", "erp.party.find", tax_number=tax)
    assert (party["name"], party["tax_numbers"], party["accounts"]) == (name, [tax], [wish["account"]])
    assert party["code"] == action.result["code"]


def test_the_checker_finds_orders_suppliers_and_invoices_and_changes_nothing(erp: Erp) -> None:
    (party,) = found("invoice-checker", "erp.party.find", tax_number="LT119834212")
    assert (party["code"], party["accounts"]) == ("SUP-001", [ON_FILE])
    (order,) = found("invoice-checker", "erp.purchase_order.find", number="PO-1101", supplier="SUP-001")
    assert (order["total"], order["currency"], order["state"]) == ("1934.10", "EUR", "processing")
    assert (order["lines"][0]["quantity"], order["lines"][0]["unit_price"]) == ("5.0", "107.10")
    assert found("invoice-checker", "erp.purchase_order.find", number="PO-1101", supplier="SUP-002") == []
    assert ask("invoice-checker", POST, invoice()).code == "no_grant"
    keys = erp.keys["keys"]
    assert keys["checker"] != keys["bookkeeper"]


def test_an_account_is_put_on_file_by_the_supplier_clerk_when_a_person_agrees(erp: Erp) -> None:
    wish = {"supplier": "SUP-005", "account": "SK3112000000198742637541"}
    action = ask("supplier-clerk", "erp.supplier_account.add", wish)
    assert action.state == "held"
    action = approve(action)
    assert (action.state, action.outcome) == ("confirmed", "agrees"), action.next_step
    (known,) = found("supplier-clerk", "erp.supplier_account.find", account=wish["account"])
    assert (known["suppliers"], known["accounts"]) == (["SUP-005"], [wish["account"]])


def test_the_story_keeps_its_rules(erp: Erp) -> None:
    """Agents of finance post without an order, and create suppliers, as they always did."""
    assert ask("ledger-clerk", POST, invoice(order=None)).state == "authorized"
    clerk = Agent.objects.get(code="ledger-clerk")
    assert clerk.department.code == "finance"
    assert {operation.code for operation in Operation.objects.all()} >= {"erp.party.find", POST}


class Desk:
    """A task of the supplier clerk whose looks go through the gate to the real ERP."""

    def __init__(self, **wish: str) -> None:
        usual = {"name": "Weser Pumpen GmbH", "city": "Bremen", "country": "DE", "tax_number": "DE811907980"}
        self.input = {**usual, "account": "DE89370400440532013000", **wish}

    def look(self, operation: str, arguments: dict[str, Any], *, reason: str) -> list[dict[str, Any]]:
        return found("supplier-clerk", operation, **arguments)


@pytest.mark.parametrize(
    ("wish", "verdict", "codes"),
    [
        ({}, "new", []),
        ({"name": "Baltic Bearings UAB", "tax_number": "LT119834212"}, "known", ["known"]),
        ({"name": "Baltic Bearings UAB"}, "odd", ["other_tax_number"]),
        ({"tax_number": "LT119834212"}, "odd", ["other_name", "other_country"]),
        ({"country": "LT", "tax_number": "LT1", "account": ON_FILE}, "odd", ["account_taken"]),
        ({"account": "DE00370400440532013000"}, "odd", ["wrong_account"]),
        ({"account": "GB29NWBK60161331926819"}, "odd", ["foreign_account"]),
    ],
)
def test_the_supplier_clerk_tells_new_from_known_and_odd(
    monkeypatch: pytest.MonkeyPatch, wish: dict[str, str], verdict: str, codes: list[str]
) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "examples" / "invoices"))
    from supplier_clerk import work

    answer = work(Desk(**wish))
    assert (answer["verdict"], [finding["code"] for finding in answer["findings"]]) == (verdict, codes)
    text = (ROOT / "workflows" / "demo" / "workflows" / "supplier-onboarding.yaml").read_text()
    schema = engine.parse(engine.read_yaml(text)).nodes["look"].facts["answer"]
    assert argument_errors(schema, answer) == []
