"""``make bench-idle``: what a portal costs while nothing happens, alone and with 10,000 open tasks of people.

    python -m tests.benchmarks.idle [SECONDS]

Every process of ``make up`` runs; counted is the CPU time of all of them and of PostgreSQL and Valkey, as
percent of one core. The last line is one JSON object.
"""

from __future__ import annotations

import json
import sys
import time
from typing import Any

import psutil
import psycopg

from tests.benchmarks.house import House, open_house

TASKS = 10_000
SETTLE_SECONDS = 15


def main() -> int:
    """Measure both, print them, and the result as JSON."""
    seconds = int(sys.argv[1]) if len(sys.argv) > 1 else 60
    with open_house() as house:
        from tests.benchmarks import company, rates

        company.settle()
        house.start("portal", "worker", "beat", "sequencer", "exporter")
        rates.listening(house)
        empty = _percent(house, seconds)
        rates.asked(TASKS)
        _tidy(house)
        full = _percent(house, seconds)
    found: dict[str, Any] = {
        "idle_percent": round(sum(empty.values()), 2),
        "idle_with_tasks_percent": round(sum(full.values()), 2),
        "open_tasks": TASKS,
        "parts": {name: [round(empty[name], 2), round(full[name], 2)] for name in empty},
    }
    print(json.dumps(found), flush=True)
    return 0


def _tidy(house: House) -> None:
    """Do now what autovacuum does once within minutes, so that it is not counted as the cost of what waits."""
    with psycopg.connect(house.postgres.superuser_url("autonomy"), autocommit=True) as connection:
        connection.execute("VACUUM ANALYZE")


def _percent(house: House, seconds: int) -> dict[str, float]:
    """Return percent of one core by part of the house, over so many seconds."""
    time.sleep(SETTLE_SECONDS)
    before, began = _spent(house), time.monotonic()
    time.sleep(seconds)
    took, after = time.monotonic() - began, _spent(house)
    return {name: (after[name] - before[name]) / took * 100 for name in before}


def _spent(house: House) -> dict[str, float]:
    servers = {"postgresql": house.postgres.process, "valkey": house.valkey.process}
    return {name: _tree(process.pid) for name, process in {**house.running, **servers}.items() if process}


def _tree(pid: int) -> float:
    """Return the CPU seconds of a process, of what runs below it, and of what ran there and has ended."""
    root = psutil.Process(pid)
    spent = 0.0
    for process in [root, *root.children(recursive=True)]:
        times = process.cpu_times()
        spent += times.user + times.system + times.children_user + times.children_system
    return spent


if __name__ == "__main__":
    sys.exit(main())
