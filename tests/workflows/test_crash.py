"""Real processes, really killed: nothing is lost, nothing is done twice."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.db.models.functions import Now

from connectors.models import Call
from tests.workflows.conftest import ask
from workflows.actions import dispatch
from workflows.actions.models import Action, Lease
from workflows.actions.selectors import violations
from workflows.actions.services import sweep_due

ACTIONS = 6
ASK_AND_RUN = """
import sys, django
django.setup()
from agents.models import Agent
from workflows.actions.services import dispatch_action
from tests.workflows.conftest import ask
agent = Agent.objects.get(code="robo")
futures = [dispatch_action(action=ask(agent, number=f"p{index}")) for index in range(int(sys.argv[1]))]
print("asked", flush=True)
for future in futures:
    future and future.result()
"""


@contextmanager
def process(command: list[str], live_db: Any) -> Iterator[subprocess.Popen[str]]:
    """Run a process of the product in a group of its own, and leave nothing of it behind."""
    running = subprocess.Popen(
        command, env=live_db.environ(), start_new_session=True, text=True, stdout=subprocess.PIPE
    )
    try:
        yield running
    finally:
        kill(running)


def kill(running: subprocess.Popen[str]) -> None:
    """SIGKILL it with its children."""
    try:
        os.killpg(running.pid, signal.SIGKILL)
    except ProcessLookupError:
        return
    running.wait()


def worker(live_db: Any) -> Any:
    command = [
        "-m",
        "celery",
        "-A",
        "autonomy",
        "worker",
        "--pool",
        "prefork",
        "-c",
        "2",
        "--loglevel",
        "ERROR",
    ]
    return process([sys.executable, *command], live_db)


def until(condition: Any, seconds: float, meanwhile: Any = None) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, dict(Action.objects.values_list("pk", "state"))
        if meanwhile:
            meanwhile()
        time.sleep(0.1)


def take_up_again(live_db: Any) -> None:
    """Let a new worker find what the dead process left, as soon as a call cannot be under way any more."""

    def sweep() -> None:
        oldest = Call.objects.filter(outcome="running").order_by("started_at").first()
        if oldest is None or time.time() - oldest.started_at.timestamp() > 12:
            Lease.objects.exclude(holder__startswith="alive").update(until=Now())
        sweep_due()
        time.sleep(1)

    with worker(live_db):
        until(lambda: not Action.objects.exclude(state="confirmed").exists(), 150, sweep)


@pytest.fixture
def nothing_lost(fake: Any) -> Iterator[None]:
    yield
    references = [effect["reference"] for effect in fake.effects]
    assert len(references) == len(set(references)) == Action.objects.count() == ACTIONS
    assert violations() == []


@pytest.mark.full
def test_a_killed_worker_loses_nothing_and_doubles_nothing(
    live_db: Any, fake: Any, clerk: Any, nothing_lost: None
) -> None:
    fake.latency = 1.5
    for index in range(ACTIONS):
        dispatch.hint_run(ask(clerk, number=f"w{index}").pk)
    with worker(live_db) as victim:
        until(lambda: len(fake.requests) >= 1, 90)
        kill(victim)
    assert Action.objects.filter(state="dispatched").exists()
    fake.latency = 0.0
    take_up_again(live_db)


@pytest.mark.full
def test_a_killed_portal_loses_nothing_and_doubles_nothing(
    live_db: Any, fake: Any, clerk: Any, nothing_lost: None
) -> None:
    fake.latency = 1.5
    with process([sys.executable, "-c", ASK_AND_RUN, str(ACTIONS)], live_db) as victim:
        until(lambda: len(fake.requests) >= 1, 90)
        assert victim.stdout is not None
        assert victim.stdout.readline() == "asked\n"
        kill(victim)
    assert Action.objects.filter(state="dispatched").exists()
    fake.latency = 0.0
    take_up_again(live_db)
