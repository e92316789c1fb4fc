"""Child processes that never outlive the start-up program, even when it is killed outright."""

from __future__ import annotations

import contextlib
import ctypes
import functools
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import psutil

from autonomy.launch.place import ServiceUser

PR_SET_PDEATHSIG = 1
# Looked up here and not in the child: between fork and exec a lock of the loader, held by a thread that was not
# copied, would be held for ever.
_prctl = ctypes.CDLL(None, use_errno=True).prctl if sys.platform == "linux" else None
LOOK_SECONDS = 0.5
LARGEST_LOG_BYTES = 20 * 1024 * 1024


def die_with_parent(signal_number: int = signal.SIGTERM) -> None:
    """In a child before its program starts: end with the parent, and ignore no signal as the parent may."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    tell_when_parent_dies(signal_number)


def tell_when_parent_dies(signal_number: int) -> None:
    """Ask the kernel for a signal when our parent is gone (Linux; elsewhere the next start cleans up)."""
    if _prctl is not None:
        _prctl(PR_SET_PDEATHSIG, int(signal_number), 0, 0, 0)


def spawn(
    command: Sequence[str | Path],
    *,
    log: Path,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    user: ServiceUser | None = None,
    last_wish: int = signal.SIGTERM,
) -> subprocess.Popen[bytes]:
    """Start a program in a session of its own, its output appended to a log file.

    last_wish: the signal it gets if we die without stopping it. Call from the main thread: the kernel
    watches the thread that forked.
    """
    options: dict[str, Any] = user.popen_options() if user else {}
    with open_log(log) as output:
        return subprocess.Popen(
            [str(part) for part in command],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=dict(env) if env is not None else None,
            cwd=cwd,
            start_new_session=True,
            preexec_fn=functools.partial(die_with_parent, last_wish),
            **options,
        )


def lines_until_the_end(process: subprocess.Popen[bytes], log: Path, start: int) -> Iterator[str]:
    """Yield the whole lines a process writes to its log from a byte on, as they come, until it has ended."""
    with log.open("rb") as said:
        said.seek(start)
        is_over, rest = False, b""
        while not is_over:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(LOOK_SECONDS)
            is_over = process.poll() is not None
            *whole, rest = (rest + said.read()).split(b"\n")
            yield from (line.decode(errors="replace") for line in whole)


@contextlib.contextmanager
def open_log(path: Path) -> Iterator[int]:
    """Open a log file for appending; a large one is first put aside as ``name.log.1``."""
    with contextlib.suppress(FileNotFoundError):
        if path.stat().st_size > LARGEST_LOG_BYTES:
            path.rename(path.with_name(path.name + ".1"))
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def stop(process: subprocess.Popen[Any], *, ask: int = signal.SIGTERM, patience: float = 20) -> None:
    """End a process: ask, wait so many seconds, then insist."""
    if process.poll() is not None:
        return
    process.send_signal(ask)
    try:
        process.wait(patience)
    except subprocess.TimeoutExpired:
        kill_tree(process.pid)
        process.wait()


def kill_tree(pid: int) -> None:
    """Kill a process and everything below it."""
    with contextlib.suppress(psutil.NoSuchProcess):
        root = psutil.Process(pid)
        for process in [*root.children(recursive=True), root]:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()


class Register:
    """A file naming the processes that run, so that the next start can end what a crash left behind."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def write(self, processes: Mapping[str, int]) -> None:
        """Remember these processes by name, id and start time (an id alone may be reused)."""
        rows = []
        for name, pid in processes.items():
            with contextlib.suppress(psutil.NoSuchProcess):
                rows.append({"name": name, "pid": pid, "started": psutil.Process(pid).create_time()})
        self.path.write_text(json.dumps(rows))

    def end_left_overs(self, patience: float = 30) -> list[str]:
        """End what the last start left running; return the names."""
        alive = {process: name for name, process in self._running()}
        for process in alive:
            with contextlib.suppress(psutil.NoSuchProcess):
                # Fast shutdown for PostgreSQL; SIGTERM would wait for its clients.
                process.send_signal(signal.SIGINT if alive[process] == "postgresql" else signal.SIGTERM)
        _, stubborn = psutil.wait_procs(list(alive), timeout=patience)
        for process in stubborn:
            kill_tree(process.pid)
        self.path.unlink(missing_ok=True)
        return sorted(alive.values())

    def _running(self) -> Iterator[tuple[str, psutil.Process]]:
        try:
            rows = json.loads(self.path.read_text())
        except (FileNotFoundError, ValueError):
            return
        for row in rows:
            with contextlib.suppress(psutil.NoSuchProcess):
                process = psutil.Process(row["pid"])
                if abs(process.create_time() - row["started"]) < 1 and process.status() != psutil.STATUS_ZOMBIE:
                    yield row["name"], process
