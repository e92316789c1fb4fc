from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import pytest

from connectors.kinds.tryton.driver import _taken, driver, plain
from connectors.models import Call
from connectors.policies.digests import reference_of
from connectors.policies.schemas import MONEY
from connectors.services import execute, look_up, publish_operation, read_back, save_account, save_system
from connectors.services import test_connection as try_connection
from connectors.vocabulary import Probe
from tests.connectors.conftest import PORTAL, authorized
from tests.connectors.fake_tryton import KEY, FakeTryton

REASON = "set up for a test"
COMPANY = {"company": {"$config": "/company"}}
TEXT = {"type": "string", "maxLength": 60}
POST: dict[str, Any] = {
    "context": COMPANY,
    "find": [
        {
            "as": "supplier",
            "model": "party.party",
            "domain": [["code", "=", {"$arg": "/supplier"}]],
            "fields": ["addresses.id"],
            "missing": "unknown_supplier",
        },
        {
            "as": "currency",
            "model": "currency.currency",
            "domain": [["code", "=", {"$arg": "/total/currency"}]],
        },
    ],
    "record": {
        "model": "account.invoice",
        "own": [["comment", "=", {"$reference": True}]],
        "values": {
            "party": {"$found": "/supplier/id"},
            "invoice_address": {"$found": "/supplier/addresses/0/id"},
            "currency": {"$found": "/currency/id"},
            "invoice_date": {"$date": {"$arg": "/date"}},
            "reference": {"$arg": "/number"},
            "comment": {"$reference": True},
            "lines": [
                [
                    "create",
                    {
                        "$each": "/lines",
                        "in": {"quantity": 1, "unit_price": {"$amount": {"$item": "/amount"}}},
                    },
                ]
            ],
        },
        "fields": ["state", "number", "total_amount"],
    },
    "check": {"/total_amount": {"$decimal": {"$arg": "/total"}}},
    "buttons": [{"click": "post", "when": {"/state": ["draft", "validated"]}}],
    "done": {"/state": ["posted", "paid"]},
    "discard": True,
    "result": {"entry": "/number"},
    "read_back": {"/items/0/total": {"$decimal": {"$arg": "/total"}}, "/items/0/number": {"$arg": "/number"}},
}
FIND: dict[str, Any] = {
    "context": COMPANY,
    "search": {
        "model": "account.invoice",
        "domain": [
            ["reference", "=", {"$arg": "/number", "optional": True}],
            ["comment", "=", {"$arg": "/reference", "optional": True}],
        ],
        "fields": ["state", "total_amount", "reference"],
    },
    "done": {"/state": ["posted", "paid"]},
    "result": {"total": "/total_amount", "number": "/reference", "state": "/state"},
}


def closed(required: list[str], **properties: Any) -> dict[str, Any]:
    return {
        "type": "object",
        "additionalProperties": False,
        "required": required,
        "properties": properties,
    }


@pytest.fixture
def tryton() -> Iterator[FakeTryton]:
    with FakeTryton() as running:
        yield running


@pytest.fixture
def erp(any_db: None, tryton: FakeTryton) -> dict[str, Any]:
    system = save_system(
        actor=PORTAL,
        reason=REASON,
        code="erp",
        name="Tryton",
        category="erp",
        kind="tryton",
        base_url=tryton.url,
        private_networks=["127.0.0.1/32"],
        config={"company": 1},
    )
    save_account(actor=PORTAL, system=system, name="clerk", secret=KEY, reason=REASON)
    find = publish_operation(
        actor=PORTAL,
        system=system,
        code="erp.invoice.find",
        name="Find",
        effect="read",
        input_schema=closed([], number=TEXT, reference=TEXT),
        mapping=FIND,
        reason=REASON,
    )
    line = closed(["amount"], amount=MONEY)
    post = publish_operation(
        actor=PORTAL,
        system=system,
        code="erp.invoice.post",
        name="Post",
        effect="financial",
        money_path="/total",
        lookup_operation=find,
        idempotent=True,
        input_schema=closed(
            ["supplier", "number", "date", "total", "lines"],
            supplier=TEXT,
            number=TEXT,
            date={"type": "string", "format": "date"},
            total=MONEY,
            lines={"type": "array", "items": line},
        ),
        mapping=POST,
        reason=REASON,
    )
    return {"system": system, "find": find, "post": post}


def money(minor: int) -> dict[str, Any]:
    return {"minor": minor, "currency": "EUR"}


def given(**changes: Any) -> dict[str, Any]:
    lines = [{"amount": money(10_000)}, {"amount": money(50)}]
    usual = {"supplier": "S-1", "number": "RE-7", "date": "2026-11-20", "total": money(10_050), "lines": lines}
    return {**usual, **changes}


def run(erp: dict[str, Any], **changes: Any) -> Any:
    arguments = given(**changes)
    passed = authorized(erp["post"], arguments)
    return execute(actor=PORTAL, authorization_id=passed.pk, arguments=arguments, stop_scopes=[])


def looked_up(erp: dict[str, Any]) -> Any:
    probe = Probe(PORTAL, "look_up", action_id="action-1")
    return look_up(probe=probe, operation=erp["post"], arguments=given())


@pytest.mark.django_db
def test_an_invoice_is_created_checked_and_posted(erp: dict[str, Any], tryton: FakeTryton) -> None:
    result = run(erp)
    assert (result.outcome, result.remote_ref, result.output) == (
        "confirmed",
        "account.invoice,1",
        {"id": 1, "entry": "1"},
    )
    invoice = tryton.invoices[1]
    assert (invoice["state"], invoice["reference"], invoice["party"]) == ("posted", "RE-7", 2)
    assert invoice["comment"] == reference_of("action-1")
    assert invoice["invoice_date"] == {"__class__": "date", "year": 2026, "month": 11, "day": 20}
    steps = [step["step"] for step in Call.objects.get(pk=result.call_id).request_summary]
    assert steps == ["search", "search", "search", "create", "search", "read", "post", "read"]


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("changes", "code", "word"),
    [
        ({"supplier": "nobody"}, "unknown_supplier", "nobody"),
        ({"date": "2031-01-01"}, "refused", "period"),
        ({"total": money(1)}, "record_differs", "100.50"),
        ({"total": {"minor": 1, "currency": "USD"}}, "not_found", "USD"),
    ],
)
def test_a_refusal_leaves_nothing_behind(
    erp: dict[str, Any], tryton: FakeTryton, changes: dict[str, Any], code: str, word: str
) -> None:
    result = run(erp, **changes)
    assert (result.outcome, result.error_code, word in result.error_message) == ("failed", code, True)
    assert tryton.invoices == {}


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("step", "mode", "outcome", "code"),
    [
        ("create", "403", "failed", "no_right"),
        ("create", "400", "failed", "refused"),
        ("create", "500", "unknown", "status_500"),
        ("post", "403", "failed", "no_right"),
        ("post", "500", "unknown", "status_500"),
        ("read", "500", "unknown", "status_500"),
        ("search", "500", "failed", "status_500"),
    ],
)
def test_each_step_fails_as_what_is_known(
    erp: dict[str, Any], tryton: FakeTryton, step: str, mode: str, outcome: str, code: str
) -> None:
    tryton.fail[step] = mode
    result = run(erp)
    assert (result.outcome, result.error_code) == (outcome, code)
    if outcome == "failed":
        assert tryton.invoices == {}


@pytest.mark.django_db
def test_a_draft_that_cannot_be_removed_is_for_a_person(erp: dict[str, Any], tryton: FakeTryton) -> None:
    tryton.fail.update(post="400", delete="403")
    result = run(erp)
    assert (result.outcome, result.error_code) == ("unknown", "record_left")
    assert "account.invoice 1 was left" in result.error_message
    assert looked_up(erp).result == "partial"


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("step", "mode", "found", "stage"),
    [
        ("create", "500", "absent", ""),
        ("create", "done_500", "partial", "draft"),
        ("post", "500", "partial", "draft"),
        ("post", "done_500", "found", "posted"),
    ],
)
def test_an_attempt_that_broke_off_is_found_where_it_stopped_and_resumed_not_repeated(
    erp: dict[str, Any], tryton: FakeTryton, step: str, mode: str, found: str, stage: str
) -> None:
    tryton.fail[step] = mode
    assert run(erp).outcome == "unknown"
    tryton.fail.clear()
    seen = looked_up(erp)
    assert (seen.result, seen.stage, seen.resumable) == (found, stage, True)
    for _ in range(2):
        assert run(erp).outcome == "confirmed"
        assert tryton.states() == ["posted"]


@pytest.mark.django_db
def test_read_back_names_what_differs(erp: dict[str, Any], tryton: FakeTryton) -> None:
    run(erp)
    probe = Probe(PORTAL, "read_back", action_id="action-1")
    agreeing = read_back(probe=probe, operation=erp["post"], arguments=given())
    assert (agreeing.result, agreeing.differences) == ("found", ())
    tryton.invoices[1]["total_amount"]["decimal"] = "999.00"
    differing = read_back(probe=probe, operation=erp["post"], arguments=given())
    assert differing.differences == ({"pointer": "/items/0/total", "expected": "100.50", "found": "999.00"},)


@pytest.mark.django_db
def test_two_records_with_our_reference_are_for_a_person(erp: dict[str, Any], tryton: FakeTryton) -> None:
    run(erp)
    tryton.invoices[2] = {**copy.deepcopy(tryton.invoices[1]), "id": 2}
    result = run(erp)
    assert (result.outcome, result.error_code) == ("unknown", "several_records")


@pytest.mark.django_db
def test_an_attempt_given_up_too_early_never_ends_in_two_final_records(
    erp: dict[str, Any], tryton: FakeTryton
) -> None:
    make, late = tryton.make, []

    def slow_twin(values: dict[str, Any]) -> dict[str, Any]:
        if not late:
            late.append(make(copy.deepcopy(values)))
        return make(values)

    tryton.make = slow_twin  # type: ignore[method-assign]
    result = run(erp)
    assert (result.outcome, result.error_code) == ("unknown", "several_records")
    assert tryton.states() == ["draft", "draft"]


@pytest.mark.django_db
def test_a_wrong_key_is_named_as_such(erp: dict[str, Any], tryton: FakeTryton) -> None:
    assert try_connection(actor=PORTAL, system=erp["system"]).ok
    account = erp["system"].accounts.get()
    save_account(
        actor=PORTAL, system=erp["system"], account=account, name="clerk", secret="wrong", reason=REASON
    )
    assert run(erp).error_code == "key_refused"
    assert "key" in try_connection(actor=PORTAL, system=erp["system"]).message


@pytest.mark.django_db
def test_an_empty_search_is_refused_not_everything(erp: dict[str, Any]) -> None:
    from connectors.services import read

    result = read(probe=Probe(PORTAL, "read"), operation=erp["find"], arguments={})
    assert (result.outcome, result.error_code) == ("failed", "nothing_to_find")


def test_mappings_are_checked_before_they_are_published() -> None:
    assert driver.check_mapping(POST) == []
    assert driver.check_mapping(FIND) == []
    for change in (
        {"record": {"model": "account.invoice"}},
        {"buttons": [{"click": "post; drop", "when": {}}]},
        {"search": FIND["search"]},
        {"code": "print(1)"},
        {"check": {"/a": {"$eval": "1"}}},
        {"done": {}},
        {"agree": [{"values": [1, 2]}]},
        {"check": {"/a": {"$map": {"a": {"$eval": "1"}}, "of": "a"}}},
        {"check": {"/a": {"$when": "/a"}}},
    ):
        assert driver.check_mapping({**POST, **change}), change


@pytest.mark.django_db
def test_a_look_up_of_what_was_not_named_is_left_out(erp: dict[str, Any], tryton: FakeTryton) -> None:
    entry = {"as": "order", "model": "account.invoice", "domain": [["number", "=", {"$arg": "/order"}]]}
    publish(erp, find=[*POST["find"], {**entry, "when": "/order", "missing": "unknown_order"}])
    assert run(erp).outcome == "confirmed"
    result = run(erp, order="PO-1")
    assert (result.outcome, result.error_code) == ("failed", "unknown_order")


@pytest.mark.django_db
def test_what_contradicts_itself_is_refused_before_anything_is_sent(
    erp: dict[str, Any], tryton: FakeTryton
) -> None:
    lines = {"$each": "/lines", "in": {"$item": "/amount/currency"}}
    publish(erp, agree=[{"values": [{"$arg": "/total/currency"}, lines], "refused": "currencies_differ"}])
    result = run(erp, lines=[{"amount": money(10_000)}, {"amount": {"minor": 50, "currency": "USD"}}])
    assert (result.outcome, result.error_code) == ("failed", "currencies_differ")
    assert Call.objects.get(pk=result.call_id).request_summary == []
    assert run(erp).outcome == "confirmed"


def publish(erp: dict[str, Any], **mapping: Any) -> None:
    """Publish the posting anew with other parts in its mapping, and an order as an argument."""
    schema = copy.deepcopy(erp["post"].current_revision.input_schema)
    schema["properties"]["order"] = TEXT
    erp["post"] = publish_operation(
        actor=PORTAL,
        system=erp["system"],
        code="erp.invoice.post",
        input_schema=schema,
        mapping={**POST, **mapping},
        reason=REASON,
    )


def test_a_star_opens_lists_and_leaves_out_what_is_ours() -> None:
    own = reference_of("action-1")
    record = {"ids": [{"code": "DE1"}, {"code": own}], "banks": [{"n": [{"c": "A"}, {"c": None}]}, {"n": []}]}
    assert _taken(record, "/ids/*/code") == ["DE1"]
    assert _taken(record, "/banks/*/n/*/c") == ["A"]
    assert _taken(record, "/ids/0/code") == "DE1"


def test_tagged_values_become_plain_ones() -> None:
    value = {
        "a": {"__class__": "Decimal", "decimal": "1.50"},
        "b": [{"__class__": "date", "year": 2026, "month": 1, "day": 2}],
    }
    assert plain(value) == {"a": "1.50", "b": ["2026-01-02"]}
