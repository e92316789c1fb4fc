"""What it costs to read the ledger when there is much of it: server time and queries of its pages.

    python -m tests.benchmarks.ledger_reading [EVENTS]

A database of its own is filled by SQL with ``EVENTS`` (5,000,000) events, of which one run has 10,000, evenly
among the others. The timeline of that run, each filter alone and in pairs are then asked for over Django's own
client, as an auditor and as a manager. ``..._ms`` are times on the clock, ``..._cpu_ms`` what this process and
the database worked for it, which others on the machine do not change. The last line is one JSON object.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from statistics import median
from typing import Any

import psycopg

from tests.benchmarks.house import House, open_house

EVENTS, OF_THE_RUN, BATCH, REPEATS = 5_000_000, 10_000, 250_000, 5
RUN = "01000000-0000-7000-8000-000000000001"
MOST_MS = 200
_FILL = """
INSERT INTO audit_event (id, occurred_at, verb, actor_kind, actor_id, actor_label, subject_kind, subject_id,
    subject_label, agent_id, action_id, run_id, system_id, department_id, correlation_id, decision, code,
    sentence, reason, delegated_id, operation, effect, agreement)
SELECT (lpad(to_hex(ms), 12, '0') || '7' || substr(h, 1, 3) || '8' || substr(h, 4, 15))::uuid,
    to_timestamp(ms / 1000.0),
    (ARRAY['actions.action_authorized', 'actions.action_dispatched', 'connectors.call_begun',
           'connectors.call_finished', 'actions.action_confirmed', 'tasks.task_opened', 'tasks.task_completed',
           'actions.action_held'])[1 + n %% 8],
    'agent', key('b', agent), 'Agent ' || agent,
    CASE WHEN mine THEN 'runs.run' ELSE 'actions.action' END,
    CASE WHEN mine THEN %(run)s ELSE key('c', n / 8) END,
    'Invoice ' || n / 8, key('a', agent), key('c', n / 8),
    CASE WHEN mine THEN %(run)s ELSE key('d', n / 40) END, key('e', agent %% 20), key('f', agent %% 12),
    key('9', n / 4),
    CASE WHEN n %% 97 = 0 THEN 'deny' WHEN n %% 8 = 7 THEN 'hold' WHEN n %% 8 = 0 THEN 'allow' ELSE '' END, '',
    'Invoice ' || n / 8 || ' of supplier ' || n %% 977 || ': something was done', '',
    CASE WHEN n %% 16 = 0 THEN key('8', n %% 50) ELSE '' END, 'erp.invoice.op' || agent %% 30,
    CASE WHEN n %% 8 <> 4 THEN '' WHEN n %% 303 = 0 THEN 'failed' ELSE 'confirmed' END,
    CASE WHEN n %% 8 = 4 THEN 'agrees' ELSE '' END
  FROM (SELECT n, (%(begin)s + n * 6900)::bigint AS ms, md5(n::text) AS h, n %% %(every)s = 0 AS mine,
               (n / 40) %% 400 AS agent
          FROM generate_series(%(first)s::bigint, %(last)s::bigint) AS n) AS made
"""
_KEY = """
CREATE FUNCTION key(kind text, n bigint) RETURNS text LANGUAGE sql IMMUTABLE AS
$$ SELECT '0' || kind || '000000-0000-7000-8000-' || lpad(n::text, 12, '0') $$
"""
_TABLES = ("audit_event", "audit_position")
FILTERS = {
    "agent": "0a000000-0000-7000-8000-000000000007",
    "actor": "0b000000-0000-7000-8000-000000000007",
    "action": "0c000000-0000-7000-8000-000000001007",
    "run": RUN,
    "system": "0e000000-0000-7000-8000-000000000007",
    "department": "0f000000-0000-7000-8000-000000000007",
    "operation": "erp.invoice.op7",
    "correlation": "09000000-0000-7000-8000-000000002007",
    "behalf": "08000000-0000-7000-8000-000000000016",
    "verb": "actions.action_held",
    "decision": "deny",
    "effect": "failed",
    "until": "2026-03-01T00:00",
    "q": "supplier 17:",
}
RARE = {"verb": "agents.agent_paused", "q": "nobody ever wrote this", "agent": "none"}


@dataclass(frozen=True)
class Asked:
    """What a page took: the median time on the clock, the mean of CPU (also where others share it), queries."""

    ms: float
    cpu_ms: float
    queries: int


def main() -> int:
    """Fill, measure, print every page and the result as JSON."""
    events = int(sys.argv[1]) if len(sys.argv) > 1 else EVENTS
    began = time.monotonic()
    with open_house() as house:
        print(f"  filling {events:,} events", flush=True)
        fill(house, events)
        filled = time.monotonic() - began
        found = _measured()
    found |= {"events": events, "fill_s": round(filled, 1), "seconds": round(time.monotonic() - began, 1)}
    print(json.dumps(found), flush=True)
    return 0


def fill(house: House, events: int) -> None:
    """Fill the ledger as the superuser: triggers off, and the indexes made at the end, for time's sake."""
    with psycopg.connect(house.postgres.superuser_url("autonomy"), autocommit=True) as connection:
        connection.execute("SET session_replication_role = replica")
        connection.execute("SET maintenance_work_mem = '1GB'")
        connection.execute(_KEY)
        triggers = _triggers(connection)
        for table, name in triggers:
            connection.execute(f"ALTER TABLE {table} DISABLE TRIGGER {name}")
        indexes = connection.execute(
            "SELECT indexname, indexdef FROM pg_indexes WHERE tablename = 'audit_event'"
            " AND indexname <> 'audit_event_pkey'"
        ).fetchall()
        for name, _ in indexes:
            connection.execute(f"DROP INDEX {name}")
        begin = 1_790_000_000_000 - events * 6900
        for first in range(0, events, BATCH):
            last = min(first + BATCH, events) - 1
            given = {"run": RUN, "begin": begin, "every": max(1, events // OF_THE_RUN)}
            connection.execute(_FILL, {**given, "first": first, "last": last})
        for _, made_by in indexes:
            connection.execute(made_by)
        connection.execute(
            "INSERT INTO audit_position (position, event_id)"
            " SELECT coalesce((SELECT max(position) FROM audit_position), 0)"
            "        + row_number() OVER (ORDER BY id), id"
            " FROM audit_event e WHERE NOT EXISTS (SELECT 1 FROM audit_position p WHERE p.event_id = e.id)"
        )
        for table, name in triggers:
            connection.execute(f"ALTER TABLE {table} ENABLE ALWAYS TRIGGER {name}")
        connection.execute("DROP FUNCTION key")
        connection.execute("VACUUM ANALYZE audit_event, audit_position")


def _triggers(connection: Any) -> list[tuple[str, str]]:
    return connection.execute(
        "SELECT tgrelid::regclass::text, quote_ident(tgname) FROM pg_trigger"
        " WHERE NOT tgisinternal AND tgrelid::regclass::text = ANY (%s)",
        [list(_TABLES)],
    ).fetchall()


def _measured() -> dict[str, Any]:
    from django.core.management import call_command
    from django.test import Client

    from tests.company import person

    call_command("collectstatic", interactive=False, verbosity=0)
    found: dict[str, Asked] = {}
    for name in ("carol", "alice"):
        client = Client(SERVER_NAME="127.0.0.1")
        client.force_login(person(name))
        for label, address in _addresses(client):
            one = _asked(client, address)
            said = f"{one.ms:7.1f} ms {one.cpu_ms:7.1f} ms CPU  {one.queries} queries"
            print(f"  {name:6} {label:34} {said}", flush=True)
            found[f"{name} {label}"] = one
    timelines = [one for label, one in found.items() if "timeline" in label]
    return {
        "timeline_ms": max(one.ms for one in timelines),
        "timeline_cpu_ms": max(one.cpu_ms for one in timelines),
        "slowest_ms": max(one.ms for one in found.values()),
        "slowest_cpu_ms": max(one.cpu_ms for one in found.values()),
        "most_queries": max(one.queries for one in found.values()),
        "pages": len(found),
        "over_200_ms": sum(one.ms > MOST_MS for one in found.values()),
        "over_200_cpu_ms": sum(one.cpu_ms > MOST_MS for one in found.values()),
    }


def _addresses(client: Any) -> Iterator[tuple[str, str]]:
    """Yield what is measured: the run's story from both ends and its middle, then every filter and pair."""
    from urllib.parse import urlencode

    from django.urls import reverse

    ledger = reverse("admin:audit_event_changelist")
    run = {"kind": "runs.run", "object": RUN}
    for label, more in (("first", {}), ("middle", {"before": _middle()}), ("last", {"after": _nothing()})):
        yield f"timeline {label}", f"{ledger}?{urlencode({**run, **more})}"
    yield "everything", ledger
    yield "everything oldest", f"{ledger}?{urlencode({'after': _nothing()})}"
    for name, value in FILTERS.items():
        yield name, f"{ledger}?{urlencode({name: value})}"
    for name, value in RARE.items():
        yield f"{name} of which there is none", f"{ledger}?{urlencode({name: value})}"
    for first, second in combinations(FILTERS, 2):
        asked = urlencode({first: FILTERS[first], second: FILTERS[second]})
        yield f"{first} and {second}", f"{ledger}?{asked}"


def _middle() -> str:
    from audit.models import Event

    return str(Event.objects.filter(run_id=RUN).order_by("-id")[OF_THE_RUN // 2].pk)


def _nothing() -> str:
    from uuid import UUID

    return str(UUID(int=0))


def _asked(client: Any, address: str) -> Asked:
    """Ask for a page several times."""
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    found = []
    client.get(address)
    used = _cpu()
    for _ in range(REPEATS):
        began = time.perf_counter()
        answer = client.get(address)
        found.append((time.perf_counter() - began) * 1000)
        if answer.status_code != 200:
            raise RuntimeError(f"{address} answered {answer.status_code}")
    used = (_cpu() - used) / REPEATS
    with CaptureQueriesContext(connection) as captured:
        client.get(address)
    return Asked(round(median(found), 1), round(used, 1), len(captured))


def _cpu() -> float:
    """Return the milliseconds of CPU that this process and its session of the database have used (Linux)."""
    from django.db import connection

    connection.ensure_connection()
    used = Path(f"/proc/{connection.connection.info.backend_pid}/schedstat").read_text().split()[0]
    return time.process_time() * 1000 + int(used) / 1e6


if __name__ == "__main__":
    sys.exit(main())
