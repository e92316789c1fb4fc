"""``make bench-ledger``: what the ledger takes in, how soon it is sealed, and how fast an outsider verifies it.

    python -m tests.benchmarks.ledger [SECONDS]

Sixteen Python writers record events as the product does, a transaction each, with sequencer and sealer
running; in turns with it they insert the same rows bare: the same columns and indexes, no triggers.
``vs_bare_insert`` is the median ratio of the rounds. Then events come at a steady rate, and the time from the
event's insertion to the checkpoint that covers it is measured by the database's clock. The last line is one
JSON object.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import median
from typing import Any

import psycopg

from audit import notes
from autonomy.launch.options import ROOT
from tests.benchmarks import ledger_bundle
from tests.benchmarks.house import House, open_house

WRITERS, ROUNDS, ROUND_SECONDS = 16, 5, 6
STEADY_SECONDS, STEADY_WRITERS, STEADY_RATE = 60, 4, 1250
SEALED_SECONDS = 120
VERIFIED = 1_000_000
_BARE = """
CREATE TABLE bench_event (LIKE audit_event INCLUDING ALL);
CREATE TABLE bench_payload (LIKE audit_payload INCLUDING ALL);
GRANT ALL ON bench_event, bench_payload TO PUBLIC;
"""
_LAGS = """
SELECT count(*), extract(epoch FROM max(c.signed_at) - min(e.occurred_at)),
       percentile_cont(ARRAY[0.5, 0.99])
           WITHIN GROUP (ORDER BY extract(epoch FROM c.signed_at - e.occurred_at))
  FROM audit_position p JOIN audit_event e ON e.id = p.event_id
  JOIN LATERAL (SELECT signed_at FROM audit_checkpoint
                 WHERE tree_size >= p.position ORDER BY tree_size LIMIT 1) c ON true
 WHERE p.position > %s
"""


def main() -> int:
    """Measure, print, and end with the result as JSON."""
    seconds = int(sys.argv[1]) if len(sys.argv) > 1 else STEADY_SECONDS
    with (
        open_house() as house,
        psycopg.connect(house.postgres.superuser_url("autonomy"), autocommit=True) as database,
    ):
        database.execute(_BARE)
        house.start("sequencer")
        with writers(house, WRITERS) as writing:
            ratio = _beside_bare(writing, database)
            steady = _steady(writing[:STEADY_WRITERS], database, seconds)
    print(json.dumps({**ratio, **steady, **_verified()}), flush=True)
    return 0


def _verified() -> dict[str, float]:
    """Let the offline verifier check a million events in a process of its own."""
    signer = notes.Signer.fresh(ledger_bundle.ORIGIN)
    with tempfile.TemporaryDirectory(prefix="aos-bench-") as folder:
        path = Path(folder) / "ledger.zip"
        ledger_bundle.write(path, VERIFIED, signer)
        found = ledger_bundle.verified(path, str(signer.verifier))
    if not found["ok"]:
        raise RuntimeError(f"The verifier did not accept a good ledger: {found}")
    print(f"  {found['events']:,} events verified offline in {found['seconds']} s", flush=True)
    wanted = ("verify_events_per_s", "cpu_seconds", "peak_mb")
    return {name if name.startswith("verify") else f"verify_{name}": found[name] for name in wanted}


@contextlib.contextmanager
def writers(house: House, count: int) -> Iterator[list[subprocess.Popen[str]]]:
    """Start writers that wait for lines; they end with the block."""
    command = [sys.executable, "-m", "tests.benchmarks.ledger_writer"]
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    started = [subprocess.Popen(command, cwd=ROOT, env=house.env, **pipes) for _ in range(count)]
    try:
        yield started
    finally:
        for process in started:
            process.kill()
            process.wait()


def work(writing: Sequence[subprocess.Popen[str]], what: str, seconds: float, rate: float = 0) -> float:
    """Let the writers do something at the same time; return how many were committed in a second."""
    for process in writing:
        assert process.stdin is not None
        process.stdin.write(f"{what} {seconds} {rate / len(writing)}\n")
        process.stdin.flush()
    return sum(int(process.stdout.readline()) for process in writing if process.stdout) / seconds


def _beside_bare(
    writing: Sequence[subprocess.Popen[str]], database: psycopg.Connection[Any]
) -> dict[str, float]:
    for what in ("ledger", "bare"):
        work(writing, what, 2)
    ratios, speeds = [], []
    for number in range(ROUNDS):
        found = {}
        for what in ("ledger", "bare") if number % 2 else ("bare", "ledger"):
            found[what] = work(writing, what, ROUND_SECONDS)
            # The other does not pay for what is left of this one.
            await_sealed(database)
        ratios.append(found["ledger"] / found["bare"])
        speeds.append(found["ledger"])
        print(f"  round {number + 1}: {found['ledger']:,.0f} events/s, bare {found['bare']:,.0f}/s", flush=True)
    return {"vs_bare_insert": round(median(ratios), 3), "burst_events_per_s": round(median(speeds))}


def _steady(
    writing: Sequence[subprocess.Popen[str]], database: psycopg.Connection[Any], seconds: int
) -> dict[str, float]:
    before = await_sealed(database)
    offered = work(writing, "ledger", seconds, STEADY_RATE)
    await_sealed(database)
    row = database.execute(_LAGS, [before]).fetchone()
    assert row is not None
    count, spent, (middle, late) = row
    print(f"  steady: {offered:,.0f} events/s for {seconds} s; sealed after {middle:.3f} s, p99 {late:.3f} s")
    return {
        "events_per_s": round(count / float(spent)),
        "seal_lag_p50_s": round(middle, 3),
        "seal_lag_p99_s": round(late, 3),
    }


def await_sealed(database: psycopg.Connection[Any]) -> int:
    """Wait until everything committed is sealed; return how many events that is."""
    deadline = time.monotonic() + SEALED_SECONDS
    while time.monotonic() < deadline:
        row = database.execute(
            "SELECT (SELECT count(*) FROM audit_event),"
            " (SELECT coalesce(max(tree_size), 0) FROM audit_checkpoint)"
        ).fetchone()
        if row is not None and row[0] == row[1]:
            return int(row[1])
        time.sleep(0.2)
    raise TimeoutError(f"After {SEALED_SECONDS} s not everything is sealed: {row}.")


if __name__ == "__main__":
    sys.exit(main())
