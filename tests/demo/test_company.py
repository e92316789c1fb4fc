"""The demo company: seeded once, its agents in a clean environment, and the walk that the README promises."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest
from django.utils import timezone

from autonomy.launch.programs import manage
from tests.conftest import LiveDatabase
from tests.demo.conftest import Company, Erp
from tests.harness import ROOT

AGENT = ROOT / "examples" / "agent.py"
SECTION = "## Connect an agent of your own with curl"


def wish(number: str, minor: int) -> str:
    arguments = {
        "supplier": "SUP-001",
        "number": number,
        "date": f"{timezone.now():%Y-%m-%d}",
        "total": {"minor": minor, "currency": "EUR"},
        "description": "Bearings 6204, box of 50",
    }
    return json.dumps({"operation": "erp.supplier_invoice.post", "arguments": arguments})


def test_the_example_agent_needs_an_address_and_a_credential_and_nothing_else(company: Company) -> None:
    number = f"CLEAN-{time.time_ns()}"
    wishes = [
        '{"operation": "erp.party.find", "arguments": {"code": "SUP-001"}}',
        wish(number, 12_345),
        wish(number, 12_345),
        '{"operation": "erp.party.create", "arguments": {"name": "Me", "city": "Kiel"}}',
        '{"operation": "erp.party.create", "arguments": {"name": "Me", "city": "Kiel"}}',
    ]
    done = subprocess.run(
        [sys.executable, "-I", "-S", str(AGENT)],
        env=company.agent_environment("ledger-clerk"),
        cwd="/",
        input="\n".join(wishes),
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    found, posted, again, denied, learned = (json.loads(line) for line in done.stdout.splitlines())
    assert found["result"]["items"][0]["name"] == "Baltic Bearings UAB"
    assert posted["state"] == "confirmed"
    assert (again["status"], again["code"]) == (409, "duplicate")
    assert (denied["status"], denied["code"]) == (403, "no_grant")
    assert denied["next"]
    assert (learned["state"], learned["code"]) == ("not_asked", "no_grant")
    (bill,) = company.erp.inspector.bills(number)
    assert (bill.state, str(bill.total)) == ("posted", "123.45")


@pytest.mark.full
def test_the_walk_of_the_readme_works_as_it_stands(company: Company, tmp_path: Path) -> None:
    held = company.credential("ledger-clerk")
    text = (ROOT / "README.md").read_text().split(SECTION)[1]
    commands = re.findall(r"```sh\n(.*?)```", text, re.DOTALL)
    assert len(commands) >= 6
    script = "\n".join(["set -eu", *commands])
    for placeholder, value in {
        "http://127.0.0.1:8000": company.url,
        "the-client-id": held["client_id"],
        "the-secret": held["client_secret"],
    }.items():
        assert placeholder in script
        script = script.replace(placeholder, value)
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=False, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    listed, schema, posted, denied, waiting = _documents(done.stdout)
    assert "erp.supplier_invoice.post" in [operation["code"] for operation in listed["results"]]
    assert schema["input_schema"]["required"] == ["supplier", "number", "date", "total"]
    assert posted["state"] == "confirmed"
    assert denied["code"] == "no_grant"
    assert waiting["results"] == []


def test_seeding_again_changes_nothing(seeded: Erp, live_db: LiveDatabase) -> None:
    def rows() -> int:
        with live_db.connect() as connection:
            found = connection.execute(
                "SELECT count(*) FROM audit_event WHERE verb NOT LIKE 'actions.%'"
            ).fetchone()
        assert found
        return int(found[0])

    before = rows()
    environ = live_db.environ(AUTONOMY_DATA_DIR=str(seeded.data), ERP_PORT=str(seeded.port))
    done = subprocess.run(
        manage("seed_demo"), cwd=ROOT, env=environ, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
    assert rows() == before
    for kept in ("sign-ins.json", "agents/ledger-clerk.json", "erp/keys.json"):
        assert (seeded.data / kept).stat().st_mode & 0o777 == 0o600


def _documents(text: str) -> list[dict]:
    decoder, found, at = json.JSONDecoder(), [], 0
    while at < len(text.rstrip()):
        document, end = decoder.raw_decode(text, at)
        found.append(document)
        at = end + len(text[end:]) - len(text[end:].lstrip())
    return found
