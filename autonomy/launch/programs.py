"""The portal's processes: what each runs, under which database role, and how they live and end together."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import honcho.manager
import honcho.printer
import honcho.process
import psutil

from autonomy.launch import children
from autonomy.launch.comebacks import Comebacks
from autonomy.launch.failure import LaunchFailure, tail
from autonomy.launch.options import KEY_FILE, ROOT, Options

# Seconds the processes get to end before they are killed: more than a worker's soft shutdown.
honcho.manager.KILL_WAIT = 25
# Workers have nothing to tell each other: PostgreSQL is the truth.
QUIET_WORKER = ("--without-gossip", "--without-mingle", "--without-heartbeat", "--hostname", "worker@%h")


@dataclass(frozen=True)
class Program:
    """One process of the portal."""

    name: str
    command: list[str]
    env: Mapping[str, str] = field(default_factory=dict)


def portal_programs(options: Options, run_folder: Path) -> list[Program]:
    """Return the processes every installation has: portal, worker, beat, sequencer and exporter."""
    celery = [sys.executable, "-m", "celery", "-A", "autonomy"]
    return [
        Program(
            "portal",
            [sys.executable, "-m", "uvicorn", "autonomy.asgi:application"]
            + ["--host", options.host, "--port", str(options.port)]
            # Nobody's X-Forwarded headers are believed unless a proxy is named in FORWARDED_ALLOW_IPS.
            + (["--proxy-headers"] if os.environ.get("FORWARDED_ALLOW_IPS") else ["--no-proxy-headers"])
            + ["--lifespan", "on", "--no-server-header", "--timeout-graceful-shutdown", "5"]
            # Frames are small and many: to press each together would cost more than all the rest of them.
            + ["--ws-max-size", "65536", "--ws-per-message-deflate", "false", "--log-level", "warning"],
        ),
        Program(
            "worker",
            [*celery, "worker", "--concurrency", str(options.workers), "--loglevel", "INFO", *QUIET_WORKER],
            # SIGTERM then ends it within its soft shutdown, instead of waiting for the longest task.
            {"REMAP_SIGTERM": "SIGQUIT"},
        ),
        Program(
            "beat",
            [*celery, "beat", "--loglevel", "INFO", "--schedule", str(run_folder / "beat"), "--pidfile="],
        ),
        *(
            [
                Program(
                    "sequencer",
                    manage("run_sequencer"),
                    {"DATABASE_ROLE": "sequencer", KEY_FILE: str(options.ledger_key)},
                )
            ]
            if options.sequencer
            else []
        ),
        # What talks to the network is not told where the key is that signs.
        Program("exporter", manage("run_exporter"), {"DATABASE_ROLE": "sequencer", KEY_FILE: ""}),
    ]


def erp_program(options: Options) -> Program:
    """Return the demo company's ERP, a program of its own."""
    return Program("erp", erp_command("serve", options))


def at_work_program() -> Program:
    """Return the demo company's agents at work: the post that reaches them, and one process for each."""
    return Program("agents", [sys.executable, "-m", "workflows.demo.at_work"])


def erp_command(verb: str, options: Options) -> list[str]:
    """Return a command line of the demo company's ERP: install or serve."""
    module = [sys.executable, "-m", "workflows.demo.erp", verb]
    shared = ["--cache", str(ROOT / "var" / "cache")]
    return [*module, "--data", str(options.data), *shared, "--port", str(options.erp_port)]


def manage(*arguments: str) -> list[str]:
    """Return a command line of manage.py."""
    return [sys.executable, str(ROOT / "manage.py"), *arguments]


def run_manage(arguments: list[str], env: Mapping[str, str], log: Path, what: str) -> str:
    """Run one management command to its end and return its output; raise LaunchFailure with the log's end."""
    with log.open("ab") as errors:
        process = subprocess.Popen(
            manage(*arguments),
            env=dict(env),
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=errors,
            start_new_session=True,
            preexec_fn=children.die_with_parent,
        )
    try:
        output, _ = process.communicate()
    finally:
        children.stop(process)
    text = output.decode(errors="replace")
    with log.open("a") as errors:
        errors.write(text)
    if process.returncode:
        raise LaunchFailure(f"{what} failed.\n{tail(log)}".rstrip(), f"The whole log is in {log}.")
    return text


class LoggedProcess(honcho.process.Process):
    """A process whose output goes to its own log file, and that dies when the start-up program does."""

    log: Path

    def run(self, events=None, ignore_signals=False):  # type: ignore[no-untyped-def]
        """Run in a process between; both ends are tied to the life of the start-up program."""
        self._events = events
        children.die_with_parent(signal.SIGKILL)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        parent = os.getppid()
        child = children.spawn(self.cmd, log=self.log, env=self.env, cwd=Path(self.cwd))
        self._send_message({"pid": child.pid}, type="start")
        while child.poll() is None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                child.wait(2)
            if os.getppid() != parent:
                children.stop(child)
        self._send_message({"returncode": child.returncode}, type="stop")


class Silent(honcho.printer.Printer):
    """Honcho's own lines stay off the terminal; each process has its log."""

    def write(self, message):  # type: ignore[no-untyped-def]
        """Drop it."""


class Manager(honcho.manager.Manager):
    """Runs the processes until somebody asks to stop; then ends all of them.

    One that is killed or crashes is started again (``Comebacks``). One that cannot be is named in ``dead``, and
    everything ends.

    servers: processes beneath (PostgreSQL, Valkey); ``revive`` starts one again and returns its new process.
    """

    def __init__(
        self,
        logs: Path,
        servers: Mapping[str, subprocess.Popen[bytes]],
        register: children.Register,
        *,
        revive: Mapping[str, Callable[[], subprocess.Popen[bytes]]] | None = None,
        say: Callable[[str], None] = lambda line: None,
    ) -> None:
        super().__init__(Silent())
        self._process_ctor = LoggedProcess
        self._logs = logs
        self._servers = dict(servers)
        self._revive = revive or {}
        self._say = say
        self._comebacks = Comebacks()
        self._begun: dict[str, float] = {}
        self._again_at: dict[str, float] = {}
        self._register = register
        self._asked = self._registered = False
        self._started: Callable[[], None] | None = None
        self.dead: str = ""

    def add(self, program: Program, env: Mapping[str, str]) -> None:
        """Add one process."""
        process = self.add_process(program.name, program.command, env={**env, **program.env}, cwd=str(ROOT))
        process.log = self.log_of(program.name)

    def log_of(self, name: str) -> Path:
        """Return the log file of a process."""
        return self._logs / f"{name}.log"

    def run(self, when_started: Callable[[], None]) -> None:
        """Start everything, call ``when_started`` in a thread, and return when all of it has ended."""
        self._started = when_started
        self.loop()

    def terminate(self) -> None:
        """End everything; asked before all have started, it waits for that first."""
        self._asked = True
        if self._all_started():
            super().terminate()

    @property
    def ending(self) -> bool:
        """Return whether the end has begun."""
        return self._asked or bool(self.dead)

    def _start(self) -> None:
        super()._start()
        self._begun = dict.fromkeys([*self._processes, *self._servers], time.monotonic())
        if self._started is not None:
            threading.Thread(target=self._started, daemon=True).start()

    def _any_stopped(self) -> bool:
        self._note_the_dead()
        return self.ending

    def _note_the_dead(self) -> None:
        if self.ending:
            return
        if not self._registered and self._all_started():
            self._registered = True
            self._register.write(self.pids())
        self._notice_killed()
        # What the others need comes back first.
        gone = [name for name, process in self._servers.items() if process.poll() is not None]
        gone += [name for name, row in self._processes.items() if row.get("returncode") is not None]
        for name in gone:
            self._bring_back(name)

    def _bring_back(self, name: str) -> None:
        """Start what has ended again when its pause is over, or let everything end."""
        now = time.monotonic()
        if name not in self._again_at:
            pause = self._comebacks.pause_after(name, lived=now - self._begun[name], now=now)
            if pause is None or (name in self._servers and name not in self._revive):
                self.dead = self.dead or name
                return
            self._again_at[name] = now + pause
        if self._again_at[name] <= now:
            del self._again_at[name]
            self._start_again(name)
            self._begun[name] = time.monotonic()
            self._registered = False
            self._say(f"  `{name}` had ended by itself and was started again; its log is {self.log_of(name)}.")

    def _start_again(self, name: str) -> None:
        if name in self._servers:
            try:
                self._servers[name] = self._revive[name]()
            except LaunchFailure:
                self.dead = name
            return
        row = self._processes[name]
        row.pop("pid", None), row.pop("returncode", None)
        row["process"] = multiprocessing.Process(name=name, target=row["obj"].run, args=(self.events, True))
        row["process"].start()

    def _all_stopped(self) -> bool:
        self._notice_killed()
        return self.ending and bool(super()._all_stopped())

    def _notice_killed(self) -> None:
        """Note a process whose go-between was killed: it cannot report its end any more."""
        for row in self._processes.values():
            if "pid" in row and "returncode" not in row and not row["process"].is_alive():
                row["returncode"] = row["process"].exitcode

    def pids(self) -> dict[str, int]:
        """Return the ids of everything that runs."""
        running = {name: row["pid"] for name, row in self._processes.items() if row.get("pid")}
        return {**running, **{name: process.pid for name, process in self._servers.items()}}

    def _killall(self, force: bool = False) -> None:
        for row in self._processes.values():
            if "returncode" in row:
                continue
            with contextlib.suppress(psutil.NoSuchProcess):
                if force:
                    children.kill_tree(row["pid"])
                else:
                    # The process alone, not its group: a worker lets its children finish their task.
                    psutil.Process(row["pid"]).terminate()
