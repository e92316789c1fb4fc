"""The reference agents as the processes they are, with an address and a credential and nothing else."""

from __future__ import annotations

import copy
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import portal as agent_portal
import pytest
from ubl import read_invoice

from connectors.policies.schemas import argument_errors
from tests.examples.fake_portal import FakePortal, serve
from tests.examples.snippets import INVOICE, changed
from tests.harness import ROOT
from workflows.demo.invoices.answers import ANSWERS

FOLDER = ROOT / "examples" / "invoices"
# -S and -E: no packages and no variables of whoever starts it. An agent needs Python and nothing else.
PYTHON = [sys.executable, "-S", "-E"]
NAMES = {"AUTONOMY_URL", "AUTONOMY_CLIENT_ID", "AUTONOMY_CLIENT_SECRET"}
ELBE = {
    "code": "SUP-002",
    "name": "Elbe Castings AG",
    "tax_numbers": ["DE264837152"],
    "accounts": ["DE02850503000221098764"],
}
ORDER = {"number": "PO-7", "supplier": "SUP-002", "currency": "EUR", "total": "200.00", "state": "confirmed"}
DATA = read_invoice(INVOICE.encode())
OTHER = ["GB29NWBK60161331926819"]
OTHER_NUMBER = {**ELBE, "tax_numbers": ["DE1"]}
TWINS = [ELBE, {**ELBE, "code": "SUP-009"}]
UNKNOWN = {"verdict": "unknown_supplier", "findings": [], "known_account": False}
OK = {"verdict": "ok", "findings": [], "supplier": "SUP-002", "order": "PO-7", "known_account": True}

Start = Callable[[str], subprocess.Popen[bytes]]


@pytest.fixture
def portal() -> FakePortal:
    return FakePortal(parties=[copy.deepcopy(ELBE)], orders=[ORDER])


@pytest.fixture
def start(portal: FakePortal) -> Iterator[Start]:
    server, started = serve(portal), []

    def run(script: str) -> subprocess.Popen[bytes]:
        values = [f"http://127.0.0.1:{server.server_port}", "id", "secret"]
        environment = dict(
            zip(("AUTONOMY_URL", "AUTONOMY_CLIENT_ID", "AUTONOMY_CLIENT_SECRET"), values, strict=True)
        )
        process = subprocess.Popen([*PYTHON, str(FOLDER / script)], env=environment, cwd="/")
        started.append(process)
        return process

    yield run
    for process in started:
        process.kill()
        process.wait()
    server.shutdown()
    server.server_close()


def moves(portal: FakePortal, count: int = 1) -> list[tuple[str, dict[str, Any]]]:
    """Wait until the agent has handed in so many times, and return what."""
    deadline = time.monotonic() + 30
    while len(portal.moves) < count:
        assert time.monotonic() < deadline, portal.moves
        time.sleep(0.02)
    return portal.moves


def answer(portal: FakePortal, node: str) -> dict[str, Any]:
    """Return the answer that completed the only task, after a look at its schema."""
    verb, body = moves(portal)[-1]
    assert verb == "complete", body
    assert argument_errors(ANSWERS[node], body["answer"]) == []
    return body["answer"]


def test_an_agent_has_three_variables_and_no_packages(portal: FakePortal, start: Start) -> None:
    document = portal.keep(INVOICE.encode())
    portal.offer(documents=(document,), document=document)
    process = start("reader.py")
    moves(portal)
    seen = Path(f"/proc/{process.pid}/environ").read_bytes().split(b"\0")
    assert {entry.partition(b"=")[0].decode() for entry in seen if entry} == NAMES
    assert subprocess.run([*PYTHON, "-c", "import django"], env={}, capture_output=True, check=False).returncode


def test_the_reader_answers_with_the_data_of_the_invoice(portal: FakePortal, start: Start) -> None:
    document = portal.keep(INVOICE.encode())
    portal.offer(documents=(document,), document=document)
    start("reader.py")
    assert answer(portal, "read") == DATA
    assert portal.wishes == []


@pytest.mark.parametrize("script", ["reader.py", "checker.py", "bookkeeper.py"])
def test_what_somebody_asks_is_answered_and_is_no_mistake(
    portal: FakePortal, start: Start, script: str
) -> None:
    portal.offer(question="Is there an order for it?", asked_by="Bob", action="one")
    start(script)
    ((verb, body),) = moves(portal)
    assert (verb, "cannot talk" in body["answer"]["answer"]) == ("complete", True)


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"<Invoice", "malformed"),
        (b"<!DOCTYPE x [<!ENTITY a 'b'>]><x/>", "hostile"),
        (b"<html/>", "not_an_invoice"),
        (changed((">EUR<", ">XXX<")), "unsupported"),
    ],
)
def test_the_reader_says_what_it_cannot_read(
    portal: FakePortal, start: Start, content: bytes, code: str
) -> None:
    document = portal.keep(content)
    portal.offer(documents=(document,), document=document)
    start("reader.py")
    verb, body = moves(portal)[0]
    assert (verb, body["code"], body["retry"]) == ("fail", code, False)


def posted(**more: Any) -> dict[str, Any]:
    return {
        "entry": "B1",
        "state": "posted",
        "supplier": "SUP-002",
        "number": "RE-1",
        "currency": "EUR",
        **more,
    }


@pytest.mark.parametrize(
    ("change", "verdict", "codes"),
    [
        ({}, "ok", []),
        ({"invoices": [posted(total="238.00")]}, "duplicate", ["duplicate"]),
        ({"invoices": [posted(total="240.00")]}, "duplicate", ["number_reused"]),
        ({"invoices": [posted(total="238.00", state="cancelled")]}, "ok", []),
        ({"parties": []}, "unknown_supplier", ["unknown_supplier"]),
        ({"parties": TWINS}, "exception", ["ambiguous_supplier", "unknown_supplier"]),
        ({"parties": [{**ELBE, "tax_numbers": []}]}, "ok", []),
        ({"parties": [OTHER_NUMBER]}, "unknown_supplier", ["other_tax_number", "unknown_supplier"]),
        ({"parties": [{**ELBE, "name": "Elbe Guss"}]}, "exception", ["other_name"]),
        ({"parties": [{**ELBE, "accounts": OTHER}]}, "new_account", ["changed_account"]),
        ({"orders": []}, "missing_order", ["missing_order"]),
        ({"orders": [{**ORDER, "total": "199.99"}]}, "missing_order", ["order_differs"]),
        ({"orders": [{**ORDER, "currency": "USD"}]}, "missing_order", ["order_differs"]),
        ({"orders": [{**ORDER, "total": {"minor": 20000, "currency": "EUR"}}]}, "ok", []),
    ],
)  # fmt: skip
def test_the_checker_compares_with_the_books(
    portal: FakePortal, start: Start, change: dict[str, Any], verdict: str, codes: list[str]
) -> None:
    for name, value in change.items():
        setattr(portal, name, value)
    portal.offer(invoice=DATA)
    start("checker.py")
    found = answer(portal, "check")
    assert (found["verdict"], [each["code"] for each in found["findings"]]) == (verdict, codes)
    if codes == ["other_name"]:
        return  # everything else about it is in order
    assert ("order" in found) == ("order_total" in found) == (verdict in ("ok", "duplicate", "new_account"))
    assert found["known_account"] == (verdict in ("ok", "duplicate", "missing_order"))


def test_the_checker_leaves_wrong_sums_to_a_person(portal: FakePortal, start: Start) -> None:
    portal.offer(invoice=read_invoice(changed((">238.00<", ">283.00<"))))
    start("checker.py")
    assert answer(portal, "check")["verdict"] == "exception"


def test_the_bookkeeper_posts_net_vat_and_total(portal: FakePortal, start: Start) -> None:
    portal.offer(invoice=DATA, check=OK)
    start("bookkeeper.py")
    found = answer(portal, "post")
    assert {**found, "action": ""} == {
        "outcome": "posted", "action": "", "code": "confirmed", "sentence": "It was confirmed.",
        "supplier": "SUP-002", "entry": "B2026-00001",
    }  # fmt: skip
    [(key, arguments)] = portal.asked("erp.supplier_invoice.post")
    assert key == "run:node:1/post"
    assert arguments == {
        "supplier": "SUP-002", "number": "RE-1", "date": "2026-05-03", "order": "PO-7",
        "account": "DE02850503000221098764", "description": "Impellers",
        "total": {"minor": 23800, "currency": "EUR"},
        "lines": [
            {"account": "expense", "amount": DATA["net"], "description": "Net, VAT S 19 %"},
            {"account": "vat", "amount": DATA["vat"], "description": "VAT"},
        ],
    }  # fmt: skip


def test_rounding_is_booked_and_a_new_account_is_named_as_new(portal: FakePortal, start: Start) -> None:
    portal.parties[0]["accounts"] = []
    rounded = {**DATA, "rounding": {"minor": -2, "currency": "EUR"}}
    portal.offer(invoice=rounded, check={**OK, "verdict": "missing_order", "order": ""})
    start("bookkeeper.py")
    answer(portal, "post")
    [(_, arguments)] = portal.asked("erp.supplier_invoice.post")
    assert arguments["total"]["minor"] == 23798 == sum(line["amount"]["minor"] for line in arguments["lines"])
    assert [line["account"] for line in arguments["lines"]] == ["to_be_coded", "vat", "rounding"]
    assert arguments["new_account"] == "DE02850503000221098764"
    assert "order" not in arguments
    assert "account" not in arguments


def test_a_held_posting_gives_the_task_back_and_is_asked_again_under_its_key(
    portal: FakePortal, start: Start
) -> None:
    portal.fates["erp.supplier_invoice.post"] = [("held", "held_by_rule")]
    portal.offer(invoice=DATA, check=OK)
    start("bookkeeper.py")
    verb, body = moves(portal)[0]
    assert verb == "release"
    [held] = [found for found in portal.actions.values() if found["state"] == "held"]
    assert body["wait_for_action"] == held["id"]
    # Meanwhile the books have changed, so that the same wish would be worded differently.
    portal.parties[0]["accounts"] = []
    portal.end(held["id"], "confirmed", "confirmed")
    assert moves(portal, 2)[1][1]["answer"]["outcome"] == "posted"
    assert [key for key, _ in portal.asked("erp.supplier_invoice.post")] == ["run:node:1/post"] * 2
    assert moves(portal, 2)[1][1]["answer"]["action"] == held["id"]


@pytest.mark.parametrize(
    ("state", "code", "outcome"),
    [
        ("rejected", "rejected", "rejected"),
        ("expired", "approval_expired", "expired"),
        ("denied", "duplicate", "denied"),
        ("failed", "unknown_order", "failed"),
    ],
)
def test_a_refusal_is_an_answer(portal: FakePortal, start: Start, state: str, code: str, outcome: str) -> None:
    portal.fates["erp.supplier_invoice.post"] = [(state, code)]
    portal.offer(invoice=DATA, check=OK)
    start("bookkeeper.py")
    found = answer(portal, "post")
    assert (found["outcome"], found["code"]) == (outcome, code)
    assert "entry" not in found
    assert len(portal.asked("erp.supplier_invoice.post")) == 1


def test_an_unknown_supplier_is_created_when_people_agree(portal: FakePortal, start: Start) -> None:
    portal.parties.clear()
    portal.fates["erp.party.create"] = [("held", "held_by_rule")]
    portal.offer(invoice=DATA, check=UNKNOWN)
    start("bookkeeper.py")
    action = moves(portal)[0][1]["wait_for_action"]
    assert portal.asked("erp.supplier_invoice.post") == []
    portal.end(action, "confirmed", "confirmed")
    assert moves(portal, 2)[1][1]["answer"]["outcome"] == "posted"
    assert portal.asked("erp.party.create") == [
        (
            "run:node:1/supplier",
            {
                "name": "Elbe Castings AG", "city": "Dresden", "street": "Kai 1", "postal_code": "01067",
                "country": "DE", "tax_number": "DE264837152", "account": "DE02850503000221098764",
            },
        )
    ]  # fmt: skip
    [(_, arguments)] = portal.asked("erp.supplier_invoice.post")
    assert (arguments["supplier"], arguments["account"]) == ("NEW-0", "DE02850503000221098764")
    assert arguments["lines"][0]["account"] == "to_be_coded"


def test_a_supplier_that_people_refuse_is_not_posted_to(portal: FakePortal, start: Start) -> None:
    portal.parties.clear()
    portal.fates["erp.party.create"] = [("rejected", "rejected")]
    portal.offer(invoice=DATA, check=UNKNOWN)
    start("bookkeeper.py")
    found = answer(portal, "post")
    assert (found["outcome"], "supplier" in found) == ("rejected", False)
    assert portal.asked("erp.supplier_invoice.post") == []


def test_a_supplier_that_another_invoice_is_creating_is_waited_for(portal: FakePortal, start: Start) -> None:
    party = portal.parties.pop()
    portal.fates["erp.party.create"] = [("denied", "duplicate"), ("denied", "duplicate")]
    task = portal.offer(
        invoice=DATA, check={"verdict": "unknown_supplier", "findings": [], "known_account": False}
    )
    process = start("bookkeeper.py")
    released = moves(portal, 2)
    assert [(verb, body["after_seconds"]) for verb, body in released[:2]] == [("release", 10), ("release", 20)]
    with portal.lock:
        portal.parties.append(party)
    deadline = time.monotonic() + 20
    while not task.get("closed") and time.monotonic() < deadline:
        time.sleep(0.02)
    assert portal.moves[-1][1]["answer"]["outcome"] == "posted"
    assert process.poll() is None


def test_an_erp_that_is_down_gives_the_task_back_for_a_while(portal: FakePortal, start: Start) -> None:
    portal.fates["erp.party.find"] = [("failed", "unreachable"), ("failed", "breaker_open")]
    portal.fates["erp.supplier_invoice.post"] = [("failed", "connect_timeout")]
    portal.offer(invoice=DATA, check=OK)
    start("bookkeeper.py")
    assert [(verb, body.get("after_seconds")) for verb, body in moves(portal, 3)] == [
        ("release", 10), ("release", 20), ("complete", None)
    ]  # fmt: skip
    # What failed is asked again under the next key; what was decided keeps its own.
    keys = [key for key, _ in portal.asked("erp.supplier_invoice.post")]
    assert keys == ["run:node:1/post", "run:node:1/post/2"]


def test_a_portal_that_is_away_or_busy_is_asked_again_with_the_same_key(
    portal: FakePortal, start: Start
) -> None:
    portal.troubles = [
        ("/oauth/token", 503, {}, {}),
        ("/oauth/token", 429, {"Retry-After": "1"}, {}),
        ("/tasks/claim", 0, {}, {}),
        ("/tasks/claim", 401, {}, {"code": "not_authenticated"}),
        ("/actions", 502, {}, {}),
        ("/actions", 409, {"Retry-After": "1"}, {"code": "action_in_flight"}),
        ("/actions", 0, {}, {}),
        ("/complete", 503, {"Retry-After": "1"}, {"code": "database_away"}),
        ("/complete", 0, {}, {}),
    ]
    portal.offer(invoice=DATA, check=OK)
    start("bookkeeper.py")
    assert answer(portal, "post")["outcome"] == "posted"
    assert portal.troubles == []
    assert {key for key, _ in portal.wishes} == {"run:node:1/look/1.1", "run:node:1/post"}


def test_a_claim_that_is_over_is_dropped_and_the_next_task_done(portal: FakePortal, start: Start) -> None:
    portal.troubles = [("/actions", 409, {}, {"code": "task_stale", "detail": "Your claim is over."})]
    first, second = portal.offer("a", invoice=DATA), portal.offer("b", invoice=DATA)
    start("checker.py")
    answer(portal, "check")
    assert (first.get("closed"), second.get("closed")) == (None, True)


def test_an_answer_that_is_refused_and_a_mistake_of_our_own_are_failures(
    portal: FakePortal, start: Start
) -> None:
    portal.troubles = [("/complete", 422, {}, {"code": "invalid_answer", "detail": "/findings: too many."})]
    portal.offer("a", invoice=DATA)
    portal.offer("b", nothing="useful")
    start("checker.py")
    found = [(verb, body["code"], body["retry"]) for verb, body in moves(portal, 2)]
    assert found == [("fail", "invalid_answer", False), ("fail", "agent_error", True)]


def test_sigterm_gives_back_what_is_held_and_ends(portal: FakePortal, start: Start) -> None:
    portal.slow = threading.Event()
    document = portal.keep(INVOICE.encode())
    portal.offer(documents=(document,), document=document)
    process = start("reader.py")
    assert portal.entered.wait(20)
    process.send_signal(signal.SIGTERM)
    assert process.wait(10) == 0
    assert [verb for verb, _ in portal.moves] == ["release"]
    portal.slow.set()


def test_whoever_takes_over_from_a_killed_agent_asks_for_the_same_action(
    portal: FakePortal, start: Start
) -> None:
    portal.fates["erp.supplier_invoice.post"] = [("dispatched", "dispatched")]
    task = portal.offer(invoice=DATA, check=OK)
    first = start("bookkeeper.py")
    moves(portal)
    first.kill()
    first.wait()
    task["held"] = False
    [running] = [found for found in portal.actions.values() if found["state"] == "dispatched"]
    portal.end(running["id"], "confirmed", "confirmed")
    start("bookkeeper.py")
    deadline = time.monotonic() + 30
    while len(portal.moves) < 2 and time.monotonic() < deadline:
        # The killed one may have claimed it in its last moment: its lease lapses.
        task["held"] = False
        time.sleep(1)
    assert moves(portal, 2)[1][1]["answer"]["action"] == running["id"]


def test_nothing_is_booked_at_a_party_that_appeared_since_the_check_under_another_name(
    portal: FakePortal, start: Start
) -> None:
    portal.parties[:] = [{**ELBE, "name": "Elbe Guss"}]
    portal.offer(invoice=DATA, check=UNKNOWN)
    start("bookkeeper.py")
    verb, body = moves(portal)[0]
    assert (verb, body["code"], body["retry"]) == ("fail", "other_name", False)
    assert portal.invoices == []


def test_a_refused_credential_ends_the_agent(portal: FakePortal, start: Start) -> None:
    portal.troubles = [("/oauth/token", 401, {}, {"error": "invalid_client"})]
    assert start("reader.py").wait(20) == 1


def test_a_claim_is_kept_alive_while_the_work_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(agent_portal, "HEARTBEAT_SECONDS", 0.01)
    beats: list[int] = []

    class Beaten:
        def heartbeat(self) -> None:
            beats.append(1)
            raise ConnectionError("away")

    with agent_portal.Heartbeat(Beaten()):
        deadline = time.monotonic() + 10
        while len(beats) < 3 and time.monotonic() < deadline:
            time.sleep(0.01)
    assert len(beats) >= 3
