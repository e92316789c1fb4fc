"""``make bench-engine-history``: what a step costs when a million steps are done already, as a ratio.

    python -m tests.benchmarks.history [STEPS]

The same work is measured in rounds before and after the tables are filled by set-based SQL with finished runs
of five passing steps, their ends and their events. ``growth`` is the median time of a step after, divided by
the median before; ``tables_scanned`` names the tables of history that a look, a sweep or the clock read whole,
which is none when every statement goes by an index. The last line is one JSON object.
"""

from __future__ import annotations

import json
import sys
import time
from statistics import median
from typing import Any

import psycopg

from tests.benchmarks.house import House, open_house

ROUNDS, RUNS = 7, 200
BATCH = 20_000
HISTORY = ("runs_run", "runs_step", "audit_event")
_FILL = """
WITH made AS (
    INSERT INTO runs_run (id, workflow_id, version_id, key, label, input, input_digest, state, outcome, output,
                          started_by_kind, started_by_id, started_by, problem, is_paused, is_compensating,
                          priority, started_at, finished_at)
    SELECT gen_random_uuid(), w.id, w.current_id, 'old-' || n, 'Passing ' || n, '{}', repeat('0', 64), 'done',
           'done', '{}', 'system', 'benchmark', 'benchmark', '', false, false, 3,
           now() - n * interval '1 second', now() - n * interval '1 second'
      FROM runs_workflow w, generate_series(%(first)s::int, %(last)s::int) AS n
     WHERE w.code = 'passing'
 RETURNING id, started_at
)
INSERT INTO runs_step (id, run_id, node, kind, name, index, scope, generation, state, input, answer, error,
                       attempts, infra_attempts, is_parked, undone, chosen_because, held_because,
                       clock_stopped_by, created_at, started_at, finished_at)
SELECT gen_random_uuid(), made.id, 'step' || n, 'branch', 'Pass', 0, '', 1, 'done', '{}', '{}', '{}', 0, 0,
       false, '', '', '', '[]', started_at, started_at, started_at
  FROM made, generate_series(1, %(steps)s::int) AS n
"""
_EVENTS = """
INSERT INTO audit_event (id, occurred_at, verb, actor_kind, actor_id, actor_label, subject_kind, subject_id,
                         subject_label, agent_id, action_id, run_id, system_id, department_id, correlation_id,
                         decision, code, sentence, reason)
SELECT gen_random_uuid(), finished_at, 'runs.run_finished', 'system', 'engine', 'engine', 'runs.run', id::text,
       label, '', '', id::text, '', '', id::text, '', 'done', label || ': done', ''
  FROM runs_run WHERE key IN (SELECT 'old-' || n FROM generate_series(%(first)s::int, %(last)s::int) AS n)
"""


def main() -> int:
    """Measure before and after, print both, and the result as JSON."""
    steps = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    began = time.monotonic()
    with open_house() as house:
        found = _measured(house, steps)
    found["seconds"] = round(time.monotonic() - began, 1)
    print(json.dumps(found), flush=True)
    return 0


def _measured(house: House, steps: int) -> dict[str, Any]:
    from tests.benchmarks import company, rates

    company.settle()
    for warm in (50, 50):
        rates.in_process(warm)
    before = _times("before", rates)
    _fill(house, steps // company.STEPS, company.STEPS)
    rates.in_process(50)
    after = _times("after", rates)
    scanned = _scanned(house)
    return {
        "growth": round(median(after) / median(before), 3),
        "steps_before_per_s": round(1 / median(before), 1),
        "steps_after_per_s": round(1 / median(after), 1),
        "finished_steps": steps,
        "tables_scanned": scanned,
    }


def _times(what: str, rates: Any) -> list[float]:
    """Return seconds a step of each round, of turns of their own as of many passed at once."""
    found = [1 / rates.in_process(RUNS, most_passed=0) for _ in range(ROUNDS)]
    print(f"  {what}: " + ", ".join(f"{1 / seconds:.0f}" for seconds in found) + " steps/s", flush=True)
    return found


def _fill(house: House, runs: int, steps: int) -> None:
    """Fill the tables as the superuser; triggers and constraints check every row as always."""
    with psycopg.connect(house.postgres.superuser_url("autonomy"), autocommit=True) as connection:
        for first in range(1, runs + 1, BATCH):
            numbers = {"first": first, "last": min(first + BATCH - 1, runs), "steps": steps}
            connection.execute(_FILL, numbers)
            connection.execute(_EVENTS, numbers)
        # What autovacuum does within minutes.
        connection.execute("VACUUM ANALYZE")


def _scanned(house: House) -> list[str]:
    """Return which tables of history a look, a sweep or the clock reads whole, as PostgreSQL counts them."""
    from autonomy import clock
    from tests.benchmarks import rates
    from workflows.actions.services import sweep_due
    from workflows.runs import services

    before = _scans(house)
    rates.in_process(20)
    services.sweep_runs()
    sweep_due()
    clock.prepare()
    clock.worth_a_message()
    time.sleep(1.5)  # counters of a session are told once a second
    after = _scans(house)
    return sorted(name for name in HISTORY if after[name] > before[name])


def _scans(house: House) -> dict[str, int]:
    with psycopg.connect(house.postgres.superuser_url("autonomy"), autocommit=True) as connection:
        rows = connection.execute("SELECT relname, seq_scan FROM pg_stat_user_tables").fetchall()
    return {str(name): int(count) for name, count in rows}


if __name__ == "__main__":
    sys.exit(main())
