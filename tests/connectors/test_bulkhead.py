from __future__ import annotations

import threading
import time
from typing import Any

import pytest
from django.db import connection, connections

from audit.vocabulary import Refusal
from connectors.models import System
from connectors.services import run_bounded
from connectors.services.bulkhead import WAITING_PER_RUNNING


def system(code: str, size: int = 2) -> System:
    return System(code=code, name=code, max_concurrent=size)


def test_only_so_many_run_at_once_and_only_so_many_wait() -> None:
    slow, gate = system("slow"), threading.Event()
    running: list[int] = []
    lock = threading.Lock()

    def work() -> str:
        with lock:
            running.append(1)
        gate.wait(10)
        return "done"

    futures = [run_bounded(slow, work) for _ in range(2 * (1 + WAITING_PER_RUNNING))]
    with pytest.raises(Refusal) as refused:
        run_bounded(slow, work)
    assert refused.value.code == "system_busy"
    time.sleep(0.1)
    assert len(running) == 2
    began = time.monotonic()
    assert run_bounded(system("other"), lambda: "at once").result(5) == "at once"
    assert time.monotonic() - began < 1
    gate.set()
    assert [future.result(10) for future in futures] == ["done"] * 6
    assert run_bounded(slow, lambda: "again").result(5) == "again"


def test_a_failure_gives_its_place_back() -> None:
    failing = system("failing", 1)

    def broken() -> None:
        raise ValueError("no")

    for _ in range(10):
        with pytest.raises(ValueError):
            run_bounded(failing, broken).result(5)


def test_another_size_takes_effect_at_once() -> None:
    changed = system("changed", 1)
    assert run_bounded(changed, lambda: 1).result(5) == 1
    changed.max_concurrent = 3
    barrier = threading.Barrier(3, timeout=5)
    assert [f.result(5) >= 0 for f in [run_bounded(changed, barrier.wait) for _ in range(3)]] == [True] * 3


def test_a_thread_of_the_pool_leaves_no_connection_open(live_db: Any) -> None:
    seen: list[Any] = []

    def work() -> None:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_backend_pid()")
            seen.append(cursor.fetchone()[0])

    for _ in range(3):
        run_bounded(system("db", 1), work).result(10)
    assert len(set(seen)) == 3
    with live_db.connect("owner") as watching:
        for _ in range(50):
            left = watching.execute(
                "SELECT count(*) FROM pg_stat_activity WHERE pid = ANY(%s)", [seen]
            ).fetchone()[0]
            if not left:
                break
            time.sleep(0.05)
    assert left == 0
    connections.close_all()
