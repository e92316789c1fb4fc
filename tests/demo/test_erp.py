"""The ERP is real, keeps what it was told, and holds its own rights."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
import urllib.error
import urllib.request
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone

from tests.demo.conftest import Erp, copy_of_the_books
from tests.harness import ROOT
from workflows.demo.erp import server

TODAY = timezone.now().date()


def call(erp: Erp, user: str, method: str, path: str, body: Any = None) -> tuple[int, Any]:
    keys = erp.keys
    request = urllib.request.Request(
        f"{keys['base_url']}/{keys['database']}/rest/model/{path}",
        None if body is None else json.dumps(body).encode(),
        {
            "Authorization": f"Bearer {keys['keys'].get(user, user)}",
            "Content-Type": "application/json",
            "X-Tryton-Context": base64.urlsafe_b64encode(
                json.dumps({"company": keys["company"]}).encode()
            ).decode(),
        },
        method=method,
    )
    try:
        with urllib.request.urlopen(request, timeout=30) as reply:
            return reply.status, json.loads(reply.read() or b"null")
    except urllib.error.HTTPError as refused:
        return refused.code, refused.read()


def bill(erp: Erp, reference: str, amount: str = "480.00", day: date | None = None) -> dict[str, Any]:
    keys, day = erp.keys, day or TODAY
    supplier = keys["parties"]["SUP-001"]
    line = {
        "type": "line",
        "account": keys["accounts"]["expense"],
        "quantity": 1,
        "unit_price": {"__class__": "Decimal", "decimal": amount},
    }
    return {
        "type": "in",
        "company": keys["company"],
        "party": supplier["party"],
        "invoice_address": supplier["address"],
        "currency": keys["currencies"]["EUR"],
        "account": keys["accounts"]["payable"],
        "journal": keys["journal_expense"],
        "payment_term": keys["payment_term"],
        "invoice_date": {"__class__": "date", "year": day.year, "month": day.month, "day": day.day},
        "reference": reference,
        "lines": [["create", [line]]],
    }


def post(erp: Erp, reference: str, **changes: Any) -> int:
    status, made = call(erp, "bookkeeper", "POST", "account.invoice", bill(erp, reference, **changes))
    assert status == 200, made
    status, answer = call(erp, "bookkeeper", "POST", f"account.invoice/{made['id']}/post", {})
    assert status == 200, answer
    return made["id"]


def test_a_bookkeeper_posts_an_invoice_and_the_inspector_finds_it(erp: Erp) -> None:
    post(erp, "T-1")
    (found,) = erp.inspector.bills("T-1")
    assert (found.supplier, found.state, str(found.total), found.currency) == (
        "SUP-001",
        "posted",
        "480.00",
        "EUR",
    )
    assert found.number.startswith(f"B{TODAY.year}-")


@pytest.mark.parametrize("years", [-1, 1])
def test_last_and_next_year_have_open_periods(erp: Erp, years: int) -> None:
    day = date(TODAY.year + years, 6, 15)
    made = call(erp, "bookkeeper", "POST", "account.invoice", bill(erp, f"Y{years}", day=day))[1]
    status, answer = call(erp, "bookkeeper", "POST", f"account.invoice/{made['id']}/validate_invoice", {})
    assert status == 200, answer


@pytest.mark.parametrize("user", ["reader", "checker", "inspector", "buyer"])
def test_only_bookkeepers_write_the_books(erp: Erp, user: str) -> None:
    status, answer = call(erp, user, "POST", "account.invoice", bill(erp, "no"))
    assert status == 400, answer
    assert b"not allowed" in answer


@pytest.mark.parametrize("user", ["reader", "inspector"])
def test_readers_read_and_change_nothing(erp: Erp, user: str) -> None:
    assert call(erp, user, "GET", "party.party?f=name")[0] == 200
    assert call(erp, user, "POST", "party.party", {"name": "New"})[0] == 400


@pytest.mark.parametrize(
    ("model", "allowed"),
    [
        ("party.party", True),
        ("purchase.purchase", True),
        ("account.invoice", True),
        ("account.move", False),
        ("account.payment", False),
    ],
)
def test_a_checker_reads_what_it_compares_and_nothing_else(erp: Erp, model: str, allowed: bool) -> None:
    assert (call(erp, "checker", "GET", f"{model}?s=1")[0] == 200) is allowed
    assert call(erp, "checker", "POST", model, {"name": "New"})[0] == 400


@pytest.mark.full
def test_books_of_an_older_release_are_brought_up_to_date_and_lose_nothing(tmp_path: Path) -> None:
    layout = copy_of_the_books(tmp_path / "data")
    before = server.read_keys(layout)
    server.write_private(layout.keys, json.dumps({**before, "edition": 1}))
    said: list[str] = []
    server.prepare(layout, say=said.append)
    after = server.read_keys(layout)
    assert (said[0], after["edition"]) == (
        "Bringing the books of an older release up to date (once)",
        server.EDITION,
    )
    for name in ("keys", "parties", "accounts", "currencies", "payment_term"):
        assert after[name] == before[name], name


def test_a_wrong_key_opens_nothing(erp: Erp) -> None:
    assert call(erp, "0" * 32, "GET", "party.party")[0] == 401


def test_a_second_start_loses_nothing(erp: Erp) -> None:
    post(erp, "KEEP-1")
    erp.stop()
    erp.start()
    assert [found.state for found in erp.inspector.bills("KEEP-1")] == ["posted"]


def test_keys_are_private_and_the_portals_secrets_stay_at_home(erp: Erp) -> None:
    assert server.Layout(erp.data).keys.stat().st_mode & 0o777 == 0o600
    assert erp.process is not None
    environ = Path(f"/proc/{erp.process.pid}/environ")
    if environ.exists():
        assert b"ERP_TEST_SECRET" not in environ.read_bytes()
        assert b"DATABASE_URL=postgres" not in environ.read_bytes()


def test_a_taken_port_is_named_with_its_cure(erp: Erp) -> None:
    command = [
        sys.executable,
        "-m",
        "workflows.demo.erp",
        "serve",
        "--data",
        str(erp.data),
        "--port",
        str(erp.port),
    ]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert str(erp.port) in done.stderr
    assert "ERP_PORT" in done.stderr


def test_no_file_of_ours_imports_the_server() -> None:
    for room in ("audit", "agents", "connectors", "workflows", "autonomy", "examples"):
        for path in (ROOT / room).rglob("*.py"):
            lines = path.read_text().splitlines()
            assert not [
                line for line in lines if line.lstrip().startswith(("import trytond", "from trytond"))
            ], path
