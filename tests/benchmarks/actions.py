"""``make bench-actions``: what an accepted action costs over HTTP, beside a bare view in the same process.

    python -m tests.benchmarks.actions [REQUESTS]

Accepted means: authenticated, its key claimed, decided, what a limit counts reserved, everything recorded in
one transaction, and answered with 202. The pool of the system is full, as when it is slow, so that each is left
to a worker, and none is there: nothing is executed meanwhile. The bare view (``bare.py``) runs in the same
server with the same authentication and client, and keeps one row of the same size. Counted is the CPU time of
the portal and of both servers; the two take turns, and medians of rounds are compared. Then, with the pool free
again, how long it takes from asking until it is confirmed, against doing the same directly. The last line is
one JSON object.
"""

from __future__ import annotations

import contextlib
import json
import sys
import time
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from statistics import median, quantiles
from typing import Any

import httpx
import psutil
import psycopg

from tests.benchmarks.house import House, open_house

REQUESTS, ROUNDS, CLIENTS = 400, 5, 4
ONE_BY_ONE = 100
READY_SECONDS = 60
OPERATION, SYSTEM = "portal.run.find", "portal"
ARGUMENTS = {"workflow": "governed", "key": "none"}


def main() -> int:
    """Measure both, print them, and the result as JSON."""
    requests = int(sys.argv[1]) if len(sys.argv) > 1 else REQUESTS
    with open_house() as house:
        client = _prepared(house)
        found = {**_costs(house, client, requests), **_latency(client)}
    print(json.dumps(found), flush=True)
    return 0


def _prepared(house: House) -> httpx.Client:
    """Hire an agent, start a portal that has the bare view, too, and return a client with a token."""
    from agents.models import Agent, OAuthApplication
    from agents.services import policies
    from agents.services.credentials import issue_client_secret
    from tests.benchmarks import bare, company

    with psycopg.connect(house.postgres.superuser_url("autonomy"), autocommit=True) as connection:
        connection.execute(bare.TABLE)
        connection.execute("GRANT ALL ON bench_bare TO PUBLIC")
    company.settle(agents=1)
    counted = {"code": "asked", "name": "Asked", "operations": OPERATION, "ceiling": 10**9, "mode": "enforced"}
    policies.create_measure(actor=company.ACTOR, content=counted, reason=company.WHY)
    agent = Agent.objects.get(code="robo0")
    OAuthApplication.objects.create(agent=agent, user=agent.user, name=agent.code)
    secret = issue_client_secret(actor=company.ACTOR, agent=agent, reason=company.WHY)
    house.env["DJANGO_SETTINGS_MODULE"] = "tests.benchmarks.bare_settings"
    house.start("portal", "sequencer")
    client = httpx.Client(base_url=house.options.address, timeout=60)
    _await(client)
    asked = client.post(
        "/oauth/token", data={"grant_type": "client_credentials"}, auth=(secret.client_id, secret.secret)
    )
    client.headers["Authorization"] = f"Bearer {asked.json()['access_token']}"
    return client


def _await(client: httpx.Client) -> None:
    deadline = time.monotonic() + READY_SECONDS
    while time.monotonic() < deadline:
        try:
            client.get("/healthz")
        except httpx.TransportError:
            time.sleep(0.2)
        else:
            return
    raise RuntimeError("the portal did not answer")


def _act(client: httpx.Client, wait: int = 0) -> float:
    """Ask for one action; return the seconds it took."""
    headers = {"Idempotency-Key": str(uuid.uuid4()), "Prefer": f"wait={wait}"}
    began = time.perf_counter()
    answer = client.post(
        "/api/v1/actions", json={"operation": OPERATION, "arguments": ARGUMENTS}, headers=headers
    )
    took = time.perf_counter() - began
    if answer.status_code not in ((201,) if wait else (202,)):
        raise RuntimeError(f"it was not accepted: {answer.status_code} {answer.text[:300]}")
    return took


def _bare(client: httpx.Client, size: int) -> float:
    headers = {"Idempotency-Key": str(uuid.uuid4()), "X-Row-Bytes": str(size)}
    began = time.perf_counter()
    answer = client.post("/api/v1/bare", json={"operation": OPERATION, "arguments": ARGUMENTS}, headers=headers)
    took = time.perf_counter() - began
    if answer.status_code != 202:
        raise RuntimeError(f"the baseline failed: {answer.status_code} {answer.text[:300]}")
    return took


def _costs(house: House, client: httpx.Client, requests: int) -> dict[str, Any]:
    for _ in range(20):
        _act(client, wait=10)
    client.post("/api/v1/occupied", json={"system": SYSTEM}).raise_for_status()
    size = _row_size()
    rounds = []
    for _ in range(ROUNDS):
        acted = _round(house, lambda: _act(client), requests)
        bare = _round(house, lambda: _bare(client, size), requests)
        rounds.append((acted, bare))
        print(f"  {acted[0] * 1000:.2f} ms and {bare[0] * 1000:.2f} ms of CPU a request", flush=True)
    latencies = [took for acted, _ in rounds for took in acted[2]]
    return {
        "actions_per_s": round(median(acted[1] for acted, _ in rounds), 1),
        "bare_view_per_s": round(median(bare[1] for _, bare in rounds), 1),
        "cost_ratio": round(median(acted[0] / bare[0] for acted, bare in rounds), 2),
        "cpu_ms": round(median(acted[0] for acted, _ in rounds) * 1000, 2),
        "bare_cpu_ms": round(median(bare[0] for _, bare in rounds) * 1000, 2),
        "p50_ms": round(median(latencies) * 1000, 2),
        "p99_ms": round(quantiles(latencies, n=100)[98] * 1000, 2),
        "row_bytes": size,
    }


def _row_size() -> int:
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("SELECT avg(pg_column_size(a.*))::int FROM actions_action a")
        return int(cursor.fetchone()[0])


def _round(house: House, ask: Callable[[], float], requests: int) -> tuple[float, float, list[float]]:
    """Return (CPU seconds a request, requests a second, seconds of each)."""
    before, began = _spent(house), time.perf_counter()
    with ThreadPoolExecutor(CLIENTS) as pool:
        took = list(pool.map(lambda _: ask(), range(requests)))
    seconds = time.perf_counter() - began
    return (_spent(house) - before) / requests, requests / seconds, took


def _spent(house: House) -> float:
    servers = [house.running["portal"], house.postgres.process, house.valkey.process]
    spent = 0.0
    for server in servers:
        if server is None:
            continue
        root = psutil.Process(server.pid)
        for process in [root, *root.children(recursive=True)]:
            # One that has just ended is counted with whoever started it.
            with contextlib.suppress(psutil.NoSuchProcess):
                times = process.cpu_times()
                spent += times.user + times.system + times.children_user + times.children_system
    return spent


def _latency(client: httpx.Client) -> dict[str, float]:
    """Return how much longer the way through the portal takes than doing the same directly, in the middle."""
    from tests.benchmarks.company import ACTOR
    from workflows.runs.services import find_verb

    client.delete("/api/v1/occupied").raise_for_status()
    asked = [_act(client, wait=10) for _ in range(ONE_BY_ONE)]
    direct = []
    for _ in range(ONE_BY_ONE):
        began = time.perf_counter()
        find_verb(ACTOR, ARGUMENTS)
        direct.append(time.perf_counter() - began)
    return {
        "confirmed_p50_ms": round(median(asked) * 1000, 2),
        "direct_p50_ms": round(median(direct) * 1000, 2),
        "added_p50_ms": round((median(asked) - median(direct)) * 1000, 2),
    }


if __name__ == "__main__":
    sys.exit(main())
