"""Everything of the product is killed under load: nothing is lost, nothing doubled, nothing stands still."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from autonomy.launch import place
from autonomy.launch.postgres import find_binaries
from tests.harness import ROOT

OURS = ("TEST_", "PYTEST_", "DATABASE", "REDIS", "AUTONOMY", "DJANGO")


@pytest.fixture
def dump(template_database: str, tmp_path: Path) -> Path:
    """The migrated database as a file: copying it takes a second, migrating anew half a minute."""
    from urllib.parse import urlsplit

    server = urlsplit(os.environ["TEST_DATABASE_SERVER"])._replace(path=f"/{template_database}").geturl()
    binaries = find_binaries(place.Place(tmp_path, tmp_path, place.service_user()))
    subprocess.run([binaries / "pg_dump", "-Fc", "-f", tmp_path / "dump", server], check=True)
    return tmp_path / "dump"


@pytest.fixture
def told(record_property: Any) -> Any:
    """Keep the figures with the report, so that they stand at the end of the output (tests/conftest.py)."""

    def keep(found: dict[str, Any]) -> dict[str, Any]:
        record_property("figures", json.dumps(found))
        return found

    return keep


def played(dump: Path, scale: float, *more: str) -> dict[str, Any]:
    """Run ``make chaos`` on servers of its own, so that no other test loses its database.

    A machine that runs other tests beside it may take its time to settle; the command itself gives a minute.
    """
    clean = {name: value for name, value in os.environ.items() if not name.startswith(OURS)}
    command = [
        sys.executable,
        "-m",
        "tests.chaos",
        "--scale",
        str(scale),
        "--dump",
        str(dump),
        "--settle",
        "180",
        *more,
    ]
    done = subprocess.run(command, cwd=ROOT, env=clean, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return dict(json.loads(done.stdout.splitlines()[-1]))


def require_nothing_lost(found: dict[str, Any]) -> None:
    assert (found["lost"], found["doubled"], found["unsettled"], found["broken"]) == (0, 0, 0, 0)
    assert found["effects"] > 0


@pytest.mark.timeout(400)
def test_each_part_is_killed_once_and_nothing_is_lost(dump: Path, told: Any) -> None:
    found = told(played(dump, 0, "--agents", "1", "--at-once", "5"))
    require_nothing_lost(found)
    assert found["steered"]["retry"] >= 1
    assert set(found["faults"]) >= {
        *("worker", "portal", "postgres_fast", "postgres_immediate", "valkey_kill", "flush"),
    }


@pytest.mark.full
@pytest.mark.timeout(1200)
def test_everything_is_killed_thirty_times_and_nothing_is_lost(dump: Path, told: Any) -> None:
    found = told(played(dump, 0.1))
    require_nothing_lost(found)
    assert found["steered"]["retry"] >= 3
    assert found["kills"] >= 29
