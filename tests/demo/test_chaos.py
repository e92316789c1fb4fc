"""All of the portal is killed again and again while agents post to a real ERP: each invoice once, none lost."""

from __future__ import annotations

import itertools
import json
import random
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator

import pytest
import redis

from autonomy.launch.programs import manage
from tests import harness
from tests.conftest import LiveDatabase
from tests.demo.conftest import Company
from tests.harness import ROOT
from tests.processes import Processes

AGENTS, INVOICES, LEAST_KILLS = 3, 10, 10
VICTIMS = ("portal", "worker", "connections", "sequencer", "valkey")
PATIENCE_SECONDS = 420


def start_agent(company: Company, numbers: list[str]) -> subprocess.Popen[str]:
    """Start the example agent with its wishes; it asks again with the same key until it has an answer."""
    wishes = [
        {
            "operation": "erp.supplier_invoice.post",
            "key": f"chaos-{number}",
            "arguments": {
                "supplier": "SUP-001",
                "number": number,
                "date": time.strftime("%Y-%m-%d"),
                "total": {"minor": 10_000 + index, "currency": "EUR"},
            },
        }
        for index, number in enumerate(numbers)
    ]
    process = subprocess.Popen(
        [sys.executable, "-I", str(ROOT / "examples" / "agent.py")],
        env=company.agent_environment("ledger-clerk"),
        cwd="/",
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdin
    process.stdin.write("".join(json.dumps(wish) + "\n" for wish in wishes))
    process.stdin.close()
    process.stdin = None
    return process


def strike(victim: str, processes: Processes, live_db: LiveDatabase) -> None:
    """Kill a process, cut every connection to the database, or empty Valkey and cut its connections."""
    if victim == "connections":
        with harness.superuser() as connection:
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [live_db.name]
            )
    elif victim == "valkey":
        with redis.Redis.from_url(harness.redis_url()) as client:
            client.flushdb()
            client.client_kill_filter(_type="normal", skipme=True)
            client.client_kill_filter(_type="pubsub", skipme=True)
    else:
        processes.restart(victim)


@pytest.fixture
def agents() -> Iterator[list[subprocess.Popen[str]]]:
    """The agents at work; none outlives the test."""
    started: list[subprocess.Popen[str]] = []
    yield started
    for agent in started:
        agent.kill()
        agent.wait()


@pytest.mark.full
def test_whatever_is_killed_each_invoice_is_posted_once(
    company: Company, processes: Processes, live_db: LiveDatabase, agents: list[subprocess.Popen[str]]
) -> None:
    processes.start("beat")
    run = f"CHAOS-{time.time_ns()}"
    numbers = [[f"{run}-{agent}-{index}" for index in range(INVOICES)] for agent in range(AGENTS)]
    agents += [start_agent(company, each) for each in numbers]
    chance, kills = random.Random(4711), Counter[str]()
    deadline = time.monotonic() + PATIENCE_SECONDS
    for victim in itertools.cycle(VICTIMS):
        assert time.monotonic() < deadline, f"not done after {PATIENCE_SECONDS} s: {kills}"
        if kills.total() >= LEAST_KILLS and all(agent.poll() is not None for agent in agents):
            break
        if kills.total() < LEAST_KILLS * 2:
            time.sleep(chance.uniform(0.3, 3))
            strike(victim, processes, live_db)
            kills[victim] += 1
        time.sleep(1)
    answers = [json.loads(line) for agent in agents for line in agent.communicate()[0].splitlines()]
    assert Counter(answer["state"] for answer in answers) == {"confirmed": AGENTS * INVOICES}, answers
    bills = company.erp.inspector.bills(run)
    assert sorted(bill.reference for bill in bills) == sorted(itertools.chain(*numbers))
    assert {bill.state for bill in bills} == {"posted"}
    checked = subprocess.run(
        manage("check_invariants"), cwd=ROOT, env=live_db.environ(), capture_output=True, text=True, check=False
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert_ledger_is_whole(live_db, deadline)


def assert_ledger_is_whole(live_db: LiveDatabase, deadline: float) -> None:
    """Every event has its position, and positions have no gap."""
    with live_db.connect() as connection:
        while True:
            pending, count, newest, events = connection.execute(
                "SELECT (SELECT count(*) FROM audit_pendingevent), (SELECT count(*) FROM audit_position),"
                " (SELECT max(position) FROM audit_position), (SELECT count(*) FROM audit_event)"
            ).fetchone() or (0, 0, 0, 0)
            if pending == 0 and count == newest == events:
                return
            assert time.monotonic() < deadline, (pending, count, newest, events)
            connection.rollback()
            time.sleep(0.5)
