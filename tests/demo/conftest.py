"""A real ERP for the tests: installed and filled once per machine, copied for each worker."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from autonomy.launch.programs import manage
from tests import harness
from tests.conftest import LiveDatabase
from tests.harness import ROOT
from tests.processes import Processes
from workflows.demo.erp import server
from workflows.demo.inspector import Inspector

SHARED = Path(os.environ.get("TEST_DATA_DIR", ROOT / "var" / "test")) / "demo"


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What needs the ERP is long by nature: it is installed and filled first."""
    for item in items:
        if {"erp", "seed"} & set(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.full)


@dataclass
class Erp:
    """One ERP of a test worker's own."""

    data: Path
    port: int
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        command = [
            sys.executable,
            "-m",
            "workflows.demo.erp",
            "serve",
            "--data",
            str(self.data),
            "--port",
            str(self.port),
        ]
        self.process = subprocess.Popen(command, cwd=ROOT, env={**os.environ, "ERP_TEST_SECRET": "hidden"})
        deadline = time.monotonic() + 60
        while not server.answers(self.keys):
            assert self.process.poll() is None, "the ERP stopped while it was starting"
            assert time.monotonic() < deadline, "the ERP did not answer within 60 s"
            time.sleep(0.1)

    def stop(self) -> None:
        if self.process:
            self.process.terminate()
            self.process.wait(20)
            self.process = None

    @property
    def keys(self) -> dict:
        return {**server.read_keys(server.Layout(self.data)), "base_url": server.base_url(self.port)}

    @property
    def inspector(self) -> Inspector:
        return Inspector(self.keys)


def copy_of_the_books(data: Path) -> server.Layout:
    """Make a data folder with the filled ERP in it; the environment is shared, the books are not."""
    server.prepare(server.Layout(SHARED), say=print)
    filled, own = server.Layout(SHARED), server.Layout(data)
    own.database.parent.mkdir(parents=True)
    own.venv.symlink_to(filled.venv)
    shutil.copy(filled.database, own.database)
    shutil.copy(filled.keys, own.keys)
    return own


@pytest.fixture(scope="session")
def erp(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Erp]:
    """A running ERP with the demo company's books, for this worker alone."""
    data = tmp_path_factory.mktemp("erp")
    copy_of_the_books(data)
    running = Erp(data, server.free_port())
    running.start()
    yield running
    running.stop()


@dataclass
class Company:
    """The demo company at work: portal, worker and sequencer on a database of the test's own, and its ERP."""

    url: str
    data: Path
    erp: Erp

    def credential(self, code: str) -> dict[str, str]:
        return json.loads((self.data / "agents" / f"{code}.json").read_text())

    def agent_environment(self, code: str) -> dict[str, str]:
        """What an agent process is given, and nothing else."""
        held = self.credential(code)
        return {
            "AUTONOMY_URL": self.url,
            "AUTONOMY_CLIENT_ID": held["client_id"],
            "AUTONOMY_CLIENT_SECRET": held["client_secret"],
        }


@dataclass(frozen=True)
class Seed:
    """The demo company as a database to copy, with the files that belong to it."""

    database: str
    files: dict[str, bytes]


@pytest.fixture(scope="session")
def seed(erp: Erp, template_database: str) -> Iterator[Seed]:
    """The demo company, set up once for this worker's ERP."""
    with harness.copy_of(template_database) as name:
        found = LiveDatabase(name)
        environ = found.environ(AUTONOMY_DATA_DIR=str(erp.data), ERP_PORT=str(erp.port))
        done = subprocess.run(
            manage("seed_demo"), cwd=ROOT, env=environ, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        files = [erp.data / "sign-ins.json", *(erp.data / "agents").iterdir()]
        yield Seed(name, {str(path.relative_to(erp.data)): path.read_bytes() for path in files})


@pytest.fixture
def live_template(seed: Seed) -> str:
    """What a database of a test's own is copied from: here the demo company is in it already."""
    return seed.database


@pytest.fixture
def seeded(erp: Erp, live_db: LiveDatabase, seed: Seed) -> Erp:
    """The demo company in a database of the test's own; nothing of the portal runs."""
    for name, content in seed.files.items():
        server.write_private(erp.data / name, content.decode())
    return erp


@pytest.fixture
def company(seeded: Erp, processes: Processes) -> Company:
    """The seeded demo company with its processes running."""
    processes.start("portal", "worker", "sequencer")
    return Company(processes.url, seeded.data, seeded)
