"""The measurements: prepare, let it run, check that all of it was done, return a rate per second."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass

import redis
from django.conf import settings
from django.db import connection, transaction

from autonomy.celery import app
from autonomy.launch.options import ROOT
from tests.benchmarks.company import ACTOR, STEPS
from tests.benchmarks.house import House
from workflows.runs import services
from workflows.runs.models import Run
from workflows.tasks.models import Task

QUEUE = "celery"
DBOS_THREADS = 8
PATIENCE = 300.0
AT_ONCE = 50

_LEFT = "SELECT count(*) FROM runs_run WHERE id = ANY(%s) AND finished_at IS NULL"
_DONE = """
SELECT count(*), extract(epoch FROM min(s.finished_at)), extract(epoch FROM max(s.finished_at)),
       count(*) FILTER (WHERE s.state <> 'done')
  FROM runs_step s WHERE s.run_id = ANY(%s) AND s.kind <> 'end'
"""


class NotDone(RuntimeError):
    """A measurement did not do what it counts."""


@dataclass(frozen=True)
class Done:
    """What the database says was done: steps, and the seconds between the first end and the last."""

    steps: int
    seconds: float


def starts(count: int) -> float:
    """Start runs as a part of the portal does, each in a transaction of its own; return runs per second."""
    began = time.perf_counter()
    found = [_start("passing") for _ in range(count)]
    rate = count / (time.perf_counter() - began)
    while services.tick():
        pass
    _checked(found)
    return rate


def prepared(count: int, workflow: str = "passing") -> list[uuid.UUID]:
    """Start runs, many in one transaction: not measured. No worker is told of them."""
    found: list[uuid.UUID] = []
    while len(found) < count:
        with transaction.atomic():
            found += [_start(workflow) for _ in range(min(AT_ONCE, count - len(found)))]
    _empty_queue()
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE runs_run, runs_step, runs_ready")
    return found


def _start(workflow: str) -> uuid.UUID:
    key = uuid.uuid4().hex
    return services.start_run_within(actor=ACTOR, workflow_code=workflow, input={}, key=key).run.pk


def in_process(count: int, **how: int) -> float:
    """Move runs of five passing steps from start to end in this process; return steps per second."""
    runs = prepared(count)
    began = time.perf_counter()
    while services.tick(**how):
        pass
    seconds = time.perf_counter() - began
    return _checked(runs).steps / seconds


def through_workers(count: int, workflow: str) -> float:
    """Let the workers do runs that are there when they begin to listen; return steps per second.

    The clock runs from when they are told to listen until the last step has ended, by the database's clock.
    """
    with nobody_listens() as quiet:
        runs = prepared(count, workflow)
    _hint(2)
    _await(lambda: _left(runs) == 0, f"{workflow}: runs are not done")
    with connection.cursor() as cursor:
        cursor.execute(_DONE, [runs])
        last = float(cursor.fetchone()[2])
    return _checked(runs).steps / (last - quiet.over)


def asked(count: int) -> None:
    """Open a task of a person in each of so many runs."""
    prepared(count, "asking")
    while services.tick():
        pass
    # What a worker is looking at this moment is passed over here.
    _await(lambda: _asked_now() >= count, "tasks are not open")


def _asked_now() -> int:
    return Task.objects.filter(kind=Task.Kind.HUMAN_WORK, state__in=Task.WAITING).count()


def latencies(count: int) -> list[float]:
    """Start runs one after the other while the workers have nothing to do; return seconds from ready to begun.

    Counted from the beginning of the transaction that writes the ready row, so more than the wait itself.
    """
    runs = []
    for _ in range(count):
        runs += [_start("passing")]
        time.sleep(0.03)
    _await(lambda: _left(runs) == 0, "runs are not done")
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT extract(epoch FROM started_at - created_at) FROM runs_step"
            " WHERE run_id = ANY(%s) AND node = 'step1'",
            [runs],
        )
        return sorted(float(row[0]) for row in cursor.fetchall())


def raw_celery(house: House, count: int) -> float:
    """Let plain Celery do tasks that do nothing and wait in Valkey when it begins; return tasks per second."""
    broker = house.valkey.url(database=1)
    environ = {**os.environ, "RAW_BROKER": broker}
    publish = f"from tests.benchmarks.raw_celery import nothing\nfor _ in range({count}): nothing.delay()\n"
    subprocess.run([sys.executable, "-c", publish], cwd=ROOT, env=environ, check=True)
    command = [sys.executable, "-m", "celery", "-A", "tests.benchmarks.raw_celery", "worker"]
    command += ["--concurrency", str(house.options.workers), "--loglevel", "ERROR", "--without-gossip"]
    command += ["--without-mingle", "--without-heartbeat", "--hostname", "raw@%h"]
    with closing(redis.Redis.from_url(broker)) as server:
        house.spawn("raw", command, environ)
        try:
            # The first hundred warm it.
            _await(lambda: server.llen(QUEUE) <= count - 100, "plain Celery does nothing")
            left, began = server.llen(QUEUE), time.perf_counter()
            _await(lambda: not server.llen(QUEUE) and not server.hlen("unacked"), "plain Celery is not done")
            return left / (time.perf_counter() - began)
        finally:
            house.stop("raw")


def dbos(house: House, python: str, count: int) -> float:
    """Let DBOS Transact do workflows of five steps in the same PostgreSQL; return steps per second."""
    script = ROOT / "tests" / "benchmarks" / "dbos_steps.py"
    command = [python, str(script), house.baseline_url(), str(count), str(DBOS_THREADS)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env={"PATH": os.defpath})
    if done.returncode:
        raise NotDone(f"DBOS: {done.stderr[-2000:]}")
    found = json.loads(done.stdout.strip().splitlines()[-1])
    return float(found["steps"]) / float(found["seconds"])


def listening(house: House) -> None:
    """Return when the worker answers."""
    _await(lambda: bool(app.control.ping(timeout=0.5)), f"no worker: {house.log('worker')}")


class nobody_listens:
    """Meanwhile the workers take nothing from the queue, and what comes into it is dropped.

    A worker ends itself when messages wait that it does not take. ``over``: when they listen again.
    """

    def __enter__(self) -> nobody_listens:
        app.control.cancel_consumer(QUEUE, reply=True, timeout=10, limit=1)
        self.over = 0.0
        self._stop = threading.Event()
        self._dropping = threading.Thread(target=self._drop, daemon=True)
        self._dropping.start()
        return self

    def __exit__(self, *problem: object) -> None:
        self._stop.set()
        self._dropping.join()
        self.over = time.time()
        # No answer is waited for: the clock runs already.
        app.control.add_consumer(QUEUE)

    def _drop(self) -> None:
        while not self._stop.wait(0.1):
            _empty_queue()


def _hint(count: int) -> None:
    from workflows.runs import dispatch

    for _ in range(count):
        dispatch.open_gate()
        dispatch.hint_tick()


def _empty_queue() -> None:
    with closing(redis.Redis.from_url(settings.REDIS_URL)) as server:
        server.delete(QUEUE)


def _left(runs: Sequence[uuid.UUID]) -> int:
    with connection.cursor() as cursor:
        cursor.execute(_LEFT, [list(runs)])
        return int(cursor.fetchone()[0])


def _checked(runs: Sequence[uuid.UUID]) -> Done:
    """Return what was done; raise NotDone unless every run went its five steps and ended."""
    with connection.cursor() as cursor:
        cursor.execute(_DONE, [list(runs)])
        steps, first, last, undone = cursor.fetchone()
    states = set(Run.objects.filter(pk__in=runs).values_list("state", "outcome"))
    if steps != len(runs) * STEPS or undone or states != {("done", "done")}:
        raise NotDone(f"{steps} steps of {len(runs)} runs, {undone} of them not done; runs: {states}")
    return Done(steps, float(last) - float(first))


def _await(true: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + PATIENCE
    while not true():
        if time.monotonic() > deadline:
            raise NotDone(what)
        time.sleep(0.01)
