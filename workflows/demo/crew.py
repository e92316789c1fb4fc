"""The reference agents as processes: an empty Python of their own, an address and a credential."""

from __future__ import annotations

import ctypes
import json
import os
import signal
import subprocess
import sys
import time
import venv
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

AGENT = Path(__file__).resolve().parents[2] / "examples" / "agent.py"
AGENTS = Path(__file__).resolve().parents[2] / "examples" / "invoices"
CREW = {
    "invoice-reader": "reader.py",
    "invoice-checker": "checker.py",
    "invoice-bookkeeper": "bookkeeper.py",
    "supplier-clerk": "supplier_clerk.py",
}
PR_SET_PDEATHSIG = 1
PATIENCE = 15.0
# Found before the fork: in the child of a process with threads, a lock of the loader may never be given back.
_prctl = ctypes.CDLL(None).prctl if sys.platform == "linux" else None


@dataclass
class Crew:
    """The agents at work for one portal."""

    address: str
    data: Path
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def start(self, *codes: str) -> None:
        """Start agents by code, all of them without one."""
        for code in codes or CREW:
            self.processes[code] = self._start(code)

    def is_at_work(self, code: str) -> bool:
        """Say whether the process of an agent runs."""
        process = self.processes.get(code)
        return process is not None and process.poll() is None

    def kill(self, code: str) -> None:
        """End an agent as a power cut would."""
        process = self.processes.pop(code)
        process.kill()
        process.wait()

    def keep_up(self) -> None:
        """Start anew whoever has ended: an agent that dies loses nothing, somebody has to start it again."""
        for code, process in list(self.processes.items()):
            if process.poll() is not None:
                self.processes[code] = self._start(code)

    def stop(self) -> None:
        """Let everybody give back what they hold, and end."""
        for process in self.processes.values():
            process.terminate()
        deadline = time.monotonic() + PATIENCE
        for process in self.processes.values():
            try:
                process.wait(max(0.1, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self.processes.clear()

    def _start(self, code: str) -> subprocess.Popen[bytes]:
        logs = self.data / "log"
        logs.mkdir(parents=True, exist_ok=True)
        with (logs / f"{code}.log").open("ab") as log:
            return subprocess.Popen(
                [str(self.python()), "-E", "-s", str(AGENTS / CREW[code])],
                env=self.environment(code),
                cwd="/",
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                preexec_fn=_die_with_parent,
            )

    def environment(self, code: str) -> dict[str, str]:
        """Return everything an agent knows of the world."""
        held = json.loads((self.data / "agents" / f"{code}.json").read_text())
        return {
            "AUTONOMY_URL": self.address,
            "AUTONOMY_CLIENT_ID": held["client_id"],
            "AUTONOMY_CLIENT_SECRET": held["client_secret"],
        }

    def python(self) -> Path:
        """Return the agents' own Python, made once: nothing is installed in it, not even the portal."""
        home = self.data / "agents" / "python"
        python = home / "bin" / "python"
        if not python.exists():
            venv.EnvBuilder(with_pip=False, symlinks=os.name != "nt", clear=home.exists()).create(home)
        return python


def start_agent(url: str, credential: dict[str, str], **options: Any) -> subprocess.Popen[str]:
    """Start the agent in one file (examples/agent.py), which takes its wishes from a pipe."""
    return subprocess.Popen(
        [sys.executable, "-I", str(AGENT)],
        env={
            "AUTONOMY_URL": url,
            "AUTONOMY_CLIENT_ID": credential["client_id"],
            "AUTONOMY_CLIENT_SECRET": credential["client_secret"],
        },
        stdin=subprocess.PIPE,
        text=True,
        cwd="/",
        preexec_fn=_die_with_parent,
        **options,
    )


def _die_with_parent() -> None:
    if _prctl is not None:
        _prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
