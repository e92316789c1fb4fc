"""``make chaos-ledger``: kill the sealer and PostgreSQL under load; look for what is lost, double, wrong.

    python -m tests.chaos.ledger [--kills 50] [--restarts 10] [--tamperings 1000] [--seed N]

Writers note each event once its transaction is committed; whatever was noted has to have one position and one
leaf. Every checkpoint that was ever signed has to be the root of the leaves it covers. Then an export of a
ledger is tampered with, again and again, and the offline verifier has to find each. The last line is one JSON
object; the exit code is 1 if anything did not hold.
"""

from __future__ import annotations

import argparse
import json
import random
import signal
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import psycopg

from audit.merkle import Growth
from audit.standalone.verify_ledger import Checkpoint
from autonomy.launch import children
from tests.benchmarks.house import House, open_house
from tests.benchmarks.ledger import await_sealed, writers

WRITERS = 4


def main() -> int:
    """Do all of it."""
    given = _arguments()
    chance = random.Random(given.seed)
    print(f"  seed {given.seed}", flush=True)
    with open_house() as house, tempfile.TemporaryDirectory() as folder:
        found = _killed(house, chance, given, Path(folder))
    print(f"  {json.dumps(found)}", flush=True)
    found |= _tampered(given)
    print(json.dumps(found), flush=True)
    missed = found["tamperings"] - found["found"]
    return 1 if found["missing"] + found["double"] + found["bad_roots"] + missed else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Kill the sealer and PostgreSQL, tamper, and look.")
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--restarts", type=int, default=10)
    parser.add_argument("--tamperings", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    return parser.parse_args()


def _killed(house: House, chance: random.Random, given: argparse.Namespace, folder: Path) -> dict[str, Any]:
    house.start("sequencer")
    faults = ["kill"] * given.kills + ["restart"] * given.restarts
    chance.shuffle(faults)
    kept = [folder / f"writer-{number}" for number in range(WRITERS)]
    with writers(house, WRITERS) as writing:
        for process, path in zip(writing, kept, strict=True):
            assert process.stdin is not None
            process.stdin.write(f"acknowledge {path}\n")
            process.stdin.flush()
        _await(lambda: all(path.exists() and path.stat().st_size for path in kept))
        for number, fault in enumerate(faults, 1):
            time.sleep(chance.uniform(0.1, 1.6))
            _inflict(house, fault, chance)
            if number % 10 == 0:
                print(f"  {number} of {len(faults)} faults", flush=True)
        time.sleep(1)
    with psycopg.connect(house.postgres.superuser_url("autonomy"), autocommit=True) as database:
        sealed = await_sealed(database)
        print(f"  {sealed:,} events sealed", flush=True)
        noted = {line for path in kept for line in path.read_text().split()}
        return {"kills": given.kills, "restarts": given.restarts, "events": sealed, **_judged(database, noted)}


def _inflict(house: House, fault: str, chance: random.Random) -> None:
    if fault == "restart":
        process = house.postgres.process
        assert process is not None
        children.stop(process, ask=chance.choice([signal.SIGQUIT, signal.SIGINT]), patience=60)
        house.postgres.start()
        return
    running = house.running.pop("sequencer")
    running.kill()
    running.wait()
    house.start("sequencer")
    # It has to have begun to work, or the next kill hits nothing.
    time.sleep(chance.uniform(2.0, 3.5))


def _judged(database: psycopg.Connection[Any], noted: set[str]) -> dict[str, int]:
    rows = database.execute(
        "SELECT e.id::text, count(p.position), count(l.index) FROM audit_event e"
        " LEFT JOIN audit_position p ON p.event_id = e.id LEFT JOIN audit_leaf l ON l.index = p.position - 1"
        " GROUP BY e.id"
    ).fetchall()
    missing = len(noted - {row[0] for row in rows})
    missing += sum(1 for _, position, leaf in rows if not position or not leaf)
    double = sum(1 for _, position, leaf in rows if position > 1 or leaf > 1)
    ends = database.execute(
        "SELECT (SELECT count(*) FROM audit_leaf), (SELECT max(index) + 1 FROM audit_leaf),"
        " (SELECT max(position) FROM audit_position)"
    ).fetchone()
    assert ends is not None
    missing += max(ends[1], ends[2]) - ends[0]
    return {"missing": missing, "double": double, "bad_roots": _bad_roots(database)}


def _bad_roots(database: psycopg.Connection[Any]) -> int:
    """Grow the tree again from the rows, and compare every checkpoint that was signed."""
    from audit.services.sealing import UNSEALED, sealed_row

    rows = database.execute(UNSEALED.replace("e.risk", "e.risk::text"), [0, 100_000_000])
    leaves = [sealed_row(row).leaf_hash for row in rows]
    growth, bad = Growth(), 0
    for size, root, note in database.execute(
        "SELECT tree_size, root, note FROM audit_checkpoint ORDER BY tree_size"
    ):
        growth.add(leaves[growth.size : size])
        checkpoint = Checkpoint.parse(note)
        signed_for = (checkpoint.size, checkpoint.root)
        bad += growth.root() != bytes(root) or signed_for != (size, bytes(root))
    return bad


def _await(holds: Any, seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > deadline:
            raise TimeoutError("The writers did not begin.")
        time.sleep(0.1)


def _tampered(given: argparse.Namespace) -> dict[str, int]:
    from tests.tampering import round_of

    verdicts = [round_of(given.seed + number) for number in range(given.tamperings)]
    located = sum(one.is_located for one in verdicts)
    return {"tamperings": len(verdicts), "found": sum(one.is_found for one in verdicts), "located": located}


if __name__ == "__main__":
    sys.exit(main())
