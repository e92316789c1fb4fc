"""Whether a process of this machine still runs: the proof behind a row that nobody beats any more."""

from __future__ import annotations

import os
from pathlib import Path

from agents.models import EnforcementPoint


def has_ended(point: EnforcementPoint) -> bool:
    """Tell whether a process is proved to be gone; False wherever it cannot be told from here."""
    return bool(point.place) and point.place == place() and born(point.pid) != point.born


def place() -> str:
    """Return the start of this machine and its numbering of processes; empty where there is no such proof."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{boot} {Path('/proc/self/ns/pid').readlink()}"[:120]
    except OSError:
        return ""


def born(pid: int | None = None) -> str:
    """Return when a process of this machine began, in ticks (proc(5), field 22); empty if there is none."""
    try:
        stat = Path(f"/proc/{pid or os.getpid()}/stat").read_text(errors="replace")
    except OSError:
        return ""
    state, *fields = stat.rpartition(")")[2].split()
    return "" if state in "ZX" else fields[18]
