"""The product's own processes, on one test's database: start, kill and look at them from outside."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import subprocess
import time
from pathlib import Path
from typing import Any

import httpx
from filelock import FileLock

from autonomy.launch import children
from autonomy.launch.keys import ensure_ledger_key
from autonomy.launch.options import Options
from autonomy.launch.programs import Program, manage, portal_programs
from autonomy.launch.valkey import free_port
from tests import harness

READY_SECONDS = 90


class Processes:
    """Portal, worker, beat and sequencer as ``make up`` runs them, one at a time."""

    def __init__(self, database: Any, folder: Path) -> None:
        options = Options(data=folder, port=free_port(), workers=1)
        ensure_ledger_key(options.ledger_key)
        self.url = options.address
        self.logs = folder
        self.environ = database.environ(PUBLIC_URL=self.url, AUTONOMY_URL=self.url, LOG_LEVEL="INFO")
        self.programs = {program.name: program for program in portal_programs(options, folder)}
        self.running: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, *names: str) -> None:
        """Start processes by name (portal, worker, beat, sequencer); wait for the portal to answer."""
        for name in names:
            self._start(self.programs[name])
        if "portal" in names:
            self._await_portal()

    def kill(self, name: str) -> None:
        """End a process as a power cut would: SIGKILL, nothing of it survives."""
        process = self.running.pop(name)
        children.kill_tree(process.pid)
        process.wait()

    def restart(self, name: str) -> None:
        """Kill a process and start it anew."""
        self.kill(name)
        self.start(name)

    def stop(self) -> None:
        """End everything that runs."""
        for process in self.running.values():
            process.terminate()
        for process in self.running.values():
            children.stop(process, patience=10)
        self.running.clear()

    def log(self, name: str) -> str:
        """Return what a process has written so far."""
        path = self.logs / f"{name}.log"
        return path.read_text(errors="replace") if path.exists() else ""

    def _start(self, program: Program) -> None:
        self.running[program.name] = children.spawn(
            program.command,
            log=self.logs / f"{program.name}.log",
            cwd=harness.ROOT,
            env={**self.environ, **program.env},
        )

    def _await_portal(self) -> None:
        deadline = time.monotonic() + READY_SECONDS
        while time.monotonic() < deadline:
            if self.running["portal"].poll() is not None:
                break
            with contextlib.suppress(httpx.TransportError):
                if (
                    httpx.get(f"{self.url}/admin/login/", trust_env=False, timeout=10).status_code
                    == httpx.codes.OK
                ):
                    return
            time.sleep(0.05)
        raise AssertionError(f"The portal does not answer at {self.url}:\n{self.log('portal')[-4000:]}")


def collect_static() -> None:
    """Collect pages, styles and scripts once for all workers and runs, and anew when one of them changes."""
    shared = Path(os.environ.get("TEST_DATA_DIR", harness.ROOT / "var" / "test")) / "static"
    shared.mkdir(parents=True, exist_ok=True)
    link = harness.data_folder() / "static"
    with FileLock(f"{shared}.lock"):
        if not link.is_symlink():
            # Another test may have collected into a folder of its own here.
            shutil.rmtree(link, ignore_errors=True)
            link.symlink_to(shared)
        digest, stamp = _static_digest(), Path(f"{shared}.digest")
        if stamp.exists() and stamp.read_text() == digest:
            return
        environ = {**os.environ, **harness.environment(), "DJANGO_SETTINGS_MODULE": "autonomy.settings"}
        done = subprocess.run(
            manage("collectstatic", "--no-input", "--clear", "--verbosity", "0"),
            cwd=harness.ROOT,
            env=environ,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise RuntimeError(f"The static files cannot be collected:\n{done.stderr[-4000:]}")
        stamp.write_text(digest)


def _static_digest() -> str:
    digest = hashlib.sha256((harness.ROOT / "requirements.lock").read_bytes())
    for file in sorted(harness.ROOT.glob("*/static/**/*")):
        if file.is_file():
            digest.update(str(file.relative_to(harness.ROOT)).encode() + b"\0" + file.read_bytes())
    return digest.hexdigest()


def chromium() -> str:
    """Return the path of the browser for the tests; raise if there is none, because no skip hides it."""
    for name in (os.environ.get("CHROMIUM", ""), "chromium", "chromium-browser", "google-chrome"):
        if name and (found := shutil.which(name)):
            return found
    raise RuntimeError(
        "No Chromium here. Run: sudo apt-get install chromium, or leave out: BROWSER=0 make test"
    )
