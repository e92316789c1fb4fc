"""The main job as one command plays it: invoices, three agents, a real ERP; killed in between, the same end."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from autonomy.launch.programs import manage
from tests.conftest import LiveDatabase
from tests.demo.conftest import Company
from tests.harness import ROOT
from tests.processes import Processes
from workflows.demo.crew import CREW, Crew
from workflows.demo.day.__main__ import SEED
from workflows.demo.invoices import generator

PATIENCE_SECONDS = 300
FEW = ("ordinary", "ordinary", "over_threshold", "wrong_sum")
MANY = (
    *("ordinary", "ordinary", "ordinary", "ordinary", "over_threshold", "over_threshold"),
    *("unknown_supplier", "missing_order", "wrong_sum", "malformed", "entity_bomb", "currency_without_rate"),
)


def some_invoices(tmp_path: Path, cases: tuple[str, ...], *, newest: bool = False) -> Path:
    """Write a few of the forty, with their manifest; return their folder.

    The tests of a worker share the books, and what one has booked is a duplicate to another.
    """
    every, chosen = tmp_path / "every", tmp_path / "invoices"
    chosen.mkdir()
    manifest = generator.write(every, SEED)
    left, files = list(cases), []
    for entry in manifest["files"][:: -1 if newest else 1]:
        if entry["case"] in left:
            left.remove(entry["case"])
            files.append(entry)
            shutil.copy(every / entry["file"], chosen / entry["file"])
    (chosen / "manifest.json").write_text(json.dumps({**manifest, "files": files}))
    return chosen


def play(company: Company, invoices: Path) -> subprocess.Popen[str]:
    """Start the day in a process of its own, as ``make demo`` does."""
    return subprocess.Popen(
        [sys.executable, "-m", "workflows.demo.day"],
        cwd=ROOT,
        env={
            "AUTONOMY_URL": company.url,
            "AUTONOMY_DATA_DIR": str(company.data),
            "INVOICES": str(invoices),
            "PATH": "/usr/bin:/bin",
        },
        stdout=subprocess.PIPE,
        text=True,
    )


@pytest.fixture
def days() -> Iterator[list[subprocess.Popen[str]]]:
    """What was started; none of it outlives the test."""
    started: list[subprocess.Popen[str]] = []
    yield started
    for day in started:
        if day.poll() is None:
            for child in psutil.Process(day.pid).children(recursive=True):
                child.kill()
            day.kill()
        day.wait()


def told(day: subprocess.Popen[str]) -> dict[str, Any]:
    output, _ = day.communicate(timeout=PATIENCE_SECONDS)
    result = json.loads(output.splitlines()[-1])
    assert result.get("ok") is True, output[-4000:]
    assert day.returncode == 0
    return dict(result)


def kill_an_agent(day: subprocess.Popen[str]) -> None:
    for child in psutil.Process(day.pid).children():
        if any(part.endswith("bookkeeper.py") for part in child.cmdline()):
            child.kill()
            return


def strike(day: subprocess.Popen[str], processes: Processes, pause: float) -> None:
    """Kill a worker, an agent and the portal, one after the other, in the middle of the day."""
    strikes = (
        lambda: processes.restart("worker"),
        lambda: kill_an_agent(day),
        lambda: processes.restart("portal"),
    )
    for blow in strikes:
        time.sleep(pause)
        assert day.poll() is None, "the day was over before everything had been killed"
        blow()


def require_invariants(live_db: LiveDatabase) -> None:
    checked = subprocess.run(
        manage("check_invariants"), cwd=ROOT, env=live_db.environ(), capture_output=True, text=True, check=False
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr


def require_whole(result: dict[str, Any], cases: tuple[str, ...]) -> None:
    assert (result["invoices"], result["mismatches"], result["unexpected"]) == (len(cases), 0, [])
    assert sum(result[word] for word in ("posted", "rejected", "denied", "exceptions")) == len(cases)


@pytest.mark.full
@pytest.mark.timeout(400)
def test_a_few_invoices_end_as_they_should_though_everything_is_killed_once(
    company: Company,
    processes: Processes,
    live_db: LiveDatabase,
    tmp_path: Path,
    days: list[subprocess.Popen[str]],
) -> None:
    processes.start("beat")
    days.append(day := play(company, some_invoices(tmp_path, FEW, newest=True)))
    strike(day, processes, 2)
    require_whole(told(day), FEW)
    require_invariants(live_db)


@pytest.mark.full
@pytest.mark.timeout(600)
def test_whatever_is_killed_meanwhile_it_ends_the_same_and_once_more_posts_nothing(
    company: Company,
    processes: Processes,
    live_db: LiveDatabase,
    tmp_path: Path,
    days: list[subprocess.Popen[str]],
) -> None:
    processes.start("beat")
    invoices = some_invoices(tmp_path, MANY)
    days.append(day := play(company, invoices))
    strike(day, processes, 4)
    result = told(day)
    require_whole(result, MANY)
    days.append(again := play(company, invoices))
    repeated = told(again)
    assert repeated["new_runs"] == 0
    assert (repeated["in_erp"], repeated["posted"]) == (result["in_erp"], result["posted"])
    require_invariants(live_db)


def test_a_reference_agent_knows_an_address_and_a_credential_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "agents").mkdir()
    for code in CREW:
        (tmp_path / "agents" / f"{code}.json").write_text(
            json.dumps({"client_id": code, "client_secret": "aos_cs_x"})
        )
    crew = Crew("http://127.0.0.1:1", tmp_path)
    crew.start()
    try:
        for code, process in crew.processes.items():
            seen = psutil.Process(process.pid)
            names = {"AUTONOMY_URL", "AUTONOMY_CLIENT_ID", "AUTONOMY_CLIENT_SECRET"}
            assert set(seen.environ()) - {"LC_CTYPE"} == names, code
    finally:
        crew.stop()
    found = subprocess.run(
        [str(crew.python()), "-E", "-s", "-c", "import django"], capture_output=True, text=True, check=False
    )
    assert "No module named 'django'" in found.stderr
