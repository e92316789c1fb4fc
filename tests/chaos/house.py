"""The house under chaos: servers of its own, durable as those of ``make up``, and the product's processes."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import psutil
import redis

from autonomy.launch import children, place
from autonomy.launch.postgres import Postgres, find_binaries
from autonomy.launch.valkey import Valkey, free_port

PORTAL_PROCESSES = ("portal", "worker", "beat", "sequencer")
ROOT = Path(__file__).parents[2]
MOST_LOOKS = 200  # tenths of a second that something is given to begin


class House:
    """PostgreSQL, Valkey, portal, worker, beat, sequencer, agents, and somebody else's system beside them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.place = place.open_place(folder)
        self.postgres, self.valkey = Postgres(self.place), Valkey(self.place)
        self.fake_port = free_port()
        self._beside: list[subprocess.Popen[bytes]] = []

    @property
    def fake_url(self) -> str:
        return f"http://127.0.0.1:{self.fake_port}"

    def start_servers(self) -> None:
        """Start the servers and let everything in this process, and what it starts, know them."""
        os.environ["TEST_DATA_DIR"] = str(self.folder / "data")
        self.postgres.start()
        self.valkey.start()
        os.environ["TEST_DATABASE_SERVER"] = self.postgres.superuser_url()
        os.environ["TEST_REDIS_URL"] = self.valkey.url()
        fake = [sys.executable, "-m", "tests.fakes", str(self.fake_port)]
        self._beside.append(children.spawn(fake, log=self.place.logs / "fake.log", cwd=ROOT, env=os.environ))

    def make_database(self, dump: str) -> str:
        """Return the name of a migrated database: restored from a file of pg_dump (-Fc), or made here."""
        from tests import harness

        harness._make_roles()
        if not dump:
            return harness.template()
        from autonomy.launch import roles

        with harness.superuser() as connection:
            roles.ensure_database(connection, "chaos", harness.ROLES)
        restore = [find_binaries(self.place) / "pg_restore", "--exit-on-error", "-j", "2"]
        subprocess.run([*restore, "-d", self.postgres.superuser_url("chaos"), dump], check=True)
        return "chaos"

    def start_portal(self, database: Any) -> None:
        """Start the product's processes on a database, as ``make up`` does."""
        from tests.processes import Processes

        self.processes = Processes(database, self.place.logs)
        for name in PORTAL_PROCESSES:
            self.processes._start(self.processes.programs[name])
        await_answer(f"{self.processes.url}/api/v1/runs", 90)

    def start_agents(self, credentials: list[tuple[str, str]]) -> None:
        """Start one agent process for each credential; it is given that, an address, and nothing else."""
        for number, (client_id, secret) in enumerate(credentials):
            env = {"AUTONOMY_URL": self.processes.url, "AUTONOMY_CLIENT_ID": client_id, "PATH": os.defpath}
            env["AUTONOMY_CLIENT_SECRET"] = secret
            clerk = [sys.executable, str(ROOT / "tests" / "chaos" / "clerk.py")]
            log = self.place.logs / f"clerk-{number}.log"
            self._beside.append(children.spawn(clerk, log=log, cwd=Path("/"), env=env))

    def stop(self) -> None:
        """Stop everything that was started here."""
        for process in self._beside:
            children.stop(process, patience=5)
        if hasattr(self, "processes"):
            self.processes.stop()
        self.valkey.stop()
        self.postgres.stop()

    # -- faults

    def kill_worker(self, chance: random.Random) -> None:
        """SIGKILL the worker with its pool, or one process of the pool alone; its master starts another.

        A worker that was killed before is given the time to begin: one that never works loses nothing.
        """
        # With its only process killed before it begins, Celery gives up; a supervisor starts it again.
        pool = self._pool()
        for _ in range(MOST_LOOKS):
            if pool:
                break
            time.sleep(0.1)
            pool = self._pool()
        if pool and chance.random() < 0.5:
            with contextlib.suppress(psutil.NoSuchProcess):
                chance.choice(pool).kill()
        else:
            self._again("worker")

    def kill_portal(self, chance: random.Random) -> None:
        """SIGKILL the portal, once it has answered since it was killed the last time."""
        with contextlib.suppress(httpx.TransportError):
            await_answer(f"{self.processes.url}/api/v1/runs", MOST_LOOKS / 10)
        self._again("portal")

    def restart_postgres(self, chance: random.Random, *, immediate: bool) -> None:
        """Stop PostgreSQL fast (every transaction is rolled back) or at once (it recovers), and start it."""
        process = self.postgres.process
        assert process is not None
        children.stop(process, ask=signal.SIGQUIT if immediate else signal.SIGINT, patience=60)
        self.postgres.start()

    def kill_valkey(self, chance: random.Random) -> None:
        """SIGKILL Valkey; what it had not written is gone."""
        process = self.valkey.process
        assert process is not None
        children.kill_tree(process.pid)
        process.wait()
        self.valkey.start()

    def flush_valkey(self, chance: random.Random) -> None:
        """Empty Valkey: every message, every channel and everything cached is gone."""
        with redis.Redis.from_url(self.valkey.url()) as client:
            client.flushall()

    def spoil_a_call(self, mode: str) -> None:
        """Let the next write to somebody else's system end badly."""
        httpx.post(f"{self.fake_url}/_control", json={"mode": mode, "hang_seconds": 6}, timeout=10)

    def refuse_first(self, ending: str, times: int) -> None:
        """Let somebody else's system refuse the first writes of each invoice whose number ends so."""
        asked = {"refuse_first": ending, "times": times}
        httpx.post(f"{self.fake_url}/_control", json=asked, timeout=10)

    def calm(self) -> None:
        """Let somebody else's system be well again: what it does after the last fault is no fault."""
        httpx.post(f"{self.fake_url}/_control", json={"calm": True}, timeout=10)

    def effects(self) -> list[dict[str, Any]]:
        """Return every invoice that was really made."""
        return list(httpx.get(f"{self.fake_url}/_effects", timeout=30).json()["effects"])

    def look_after(self) -> list[str]:
        """Start what has ended by itself, as a supervisor does; return the names."""
        gone = [name for name, process in self.processes.running.items() if process.poll() is not None]
        for name in gone:
            self._again(name)
        return gone

    def _pool(self) -> list[psutil.Process]:
        with contextlib.suppress(psutil.NoSuchProcess):
            return psutil.Process(self.processes.running["worker"].pid).children()
        return []

    def _again(self, name: str) -> None:
        """Kill a process of the portal and start it, without waiting until it is ready."""
        self.processes.kill(name)
        self.processes._start(self.processes.programs[name])


@contextlib.contextmanager
def opened(folder: Path) -> Iterator[House]:
    """Yield a house whose servers run; in the end everything is stopped."""
    house = House(folder)
    try:
        house.start_servers()
        await_answer(f"{house.fake_url}/_effects", 30)
        yield house
    finally:
        house.stop()


def await_answer(url: str, seconds: float) -> None:
    """Return when a server answers, whatever it says."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            httpx.get(url, timeout=10, trust_env=False)
            return
        except httpx.TransportError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)
