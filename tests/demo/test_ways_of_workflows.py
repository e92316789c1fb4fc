"""Where an invoice goes after each step, and what people are shown; without a database."""

from __future__ import annotations

from typing import Any

import pytest

from tests.harness import ROOT
from workflows.runs import engine

FOLDER = ROOT / "workflows" / "demo" / "workflows"
ITEM = {
    "state": "posted",
    "supplier": "SUP-001",
    "number": "INV-7",
    "date": "2026-11-20",
    "entry": "B2026-00001",
    "amount": {"minor": 11_900, "currency": "EUR"},
}
READ = {
    "number": "INV-7",
    "date": "2026-11-20",
    "currency": "EUR",
    "seller": {"name": "Baltic Bearings UAB"},
    "total": {"minor": 11_901, "currency": "EUR"},
    "rounding": {"minor": -1, "currency": "EUR"},
    "payable": {"minor": 11_900, "currency": "EUR"},
}


def definition(code: str) -> engine.Definition:
    return engine.parse(engine.read_yaml((FOLDER / f"{code}.yaml").read_text()))


def done(**answer: Any) -> dict[str, Any]:
    return {"state": "done", "answer": answer, "error": {}, "action": {}, "actions": []}


def posted(**changes: Any) -> dict[str, Any]:
    action = {"operation": "erp.supplier_invoice.post", "state": "confirmed", "outcome": "agrees", **changes}
    return {**done(outcome="posted", supplier="SUP-001"), "actions": [action]}


def found(**changes: Any) -> dict[str, Any]:
    items = [{**ITEM, **changes}]
    return {
        "state": "done",
        "answer": {"items": items},
        "error": {},
        "action": {"state": "confirmed"},
    }


def failed(code: str) -> dict[str, Any]:
    return {
        "state": "failed",
        "answer": {},
        "error": {"code": code, "message": "It is not well-formed."},
        "action": {},
    }


def facts(**steps: Any) -> dict[str, Any]:
    run = {"id": "1", "key": "abc", "workflow": "invoice-to-ledger", "label": "INV-7"}
    return engine.context_of(run=run, input={"document": "d"}, steps=steps)


@pytest.mark.parametrize(
    ("after", "steps", "to"),
    [
        ("read", {"read": done(**READ)}, "check"),
        ("read", {"read": failed("malformed")}, "settle"),
        ("check", {"check": done(verdict="exception")}, "settle"),
        ("check", {"check": done(verdict="duplicate")}, "post"),
        ("check", {"check": done(verdict="ok")}, "post"),
        ("post", {"post": posted()}, "read_back"),
        # What it says it did and did not do is for a person.
        ("post", {"post": done(outcome="posted")}, "settle"),
        ("post", {"post": posted(outcome="differs")}, "settle"),
        ("post", {"post": done(outcome="rejected")}, "rejected"),
        ("post", {"post": done(outcome="denied")}, "denied"),
        ("post", {"post": done(outcome="expired")}, "settle"),
        ("compare", {"read_back": found()}, "posted"),
        ("compare", {"read_back": found(amount={"minor": 1, "currency": "EUR"})}, "settle"),
        ("compare", {"read_back": found(date="2026-11-21")}, "settle"),
        ("compare", {"read_back": found(state="draft")}, "settle"),
        ("read_back", {"read_back": failed("no_agent")}, "settle"),
        ("settle", {"settle": done(outcome="exception", note="Called them")}, "settled"),
        ("settle", {"settle": done(outcome="again", note="Mended")}, "read"),
    ],
)
def test_an_invoice_goes_where_it_should(after: str, steps: dict[str, Any], to: str) -> None:
    before = {"read": done(**READ), "post": done(outcome="posted", supplier="SUP-001")}
    assert engine.after(definition("invoice-to-ledger"), after, facts(**{**before, **steps})) == engine.Goto(to)


@pytest.mark.parametrize(
    ("steps", "shown"),
    [
        ({"read": failed("malformed")}, {"Document", "Why it could not be read"}),
        (
            {"read": done(**READ), "check": done(findings=[{"code": "wrong_sum", "message": "No"}])},
            {"Supplier", "Document", "Total", "What the checker found"},
        ),
        (
            {"read": done(**READ), "check": done(findings=[]), "read_back": found()},
            {"Supplier", "Document", "Total", "What the checker found", "What the ERP has"},
        ),
    ],
)
def test_who_settles_it_is_shown_what_is_known(steps: dict[str, Any], shown: set[str]) -> None:
    node = definition("invoice-to-ledger").nodes["settle"]
    assert set(engine.evaluated(node.facts["show"], facts(**steps))) == shown


def test_the_end_says_what_is_in_the_books() -> None:
    posted = done(outcome="posted", supplier="SUP-001", entry="B2026-00001")
    end = engine.after(definition("invoice-to-ledger"), "posted", facts(read=done(**READ), post=posted))
    assert isinstance(end, engine.Finish)
    assert (end.outcome, end.output["entry"]) == ("posted", "B2026-00001")
