"""``make bench-engine``: how many durable steps a second, beside DBOS Transact and plain Celery.

    python -m tests.benchmarks.engine PYTHON_OF_THE_BASELINE

All of it in one run on the same PostgreSQL and Valkey, which are as safe as those of ``make up``; medians of
rounds in which everything has its turn. The last line is one JSON object; docs/benchmarks.md says what the
figures mean.
"""

from __future__ import annotations

import json
import os
import platform
import sys
import time
from collections.abc import Callable
from functools import partial
from statistics import median

from tests.benchmarks.house import House, open_house

ROUNDS = int(os.environ.get("ROUNDS", "3"))
SCALE = float(os.environ.get("SCALE", "1"))


def main() -> int:
    """Measure, print every figure with its rounds, and the result as JSON."""
    began = time.monotonic()
    _say(f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}; {ROUNDS} rounds")
    with open_house() as house:
        found = _measured(house, sys.argv[1])
    found["seconds"] = round(time.monotonic() - began, 1)
    print(json.dumps(found), flush=True)
    return 0


def _measured(house: House, baseline: str) -> dict[str, float]:
    from tests.benchmarks import company, rates

    company.settle()
    house.start("worker", "beat", "sequencer")
    rates.listening(house)
    rates.through_workers(50, "passing")  # warm
    rates.through_workers(20, "governed")
    one_by_one = {"runs_at_once": 1, "most_passed": 0}
    turns: dict[str, Callable[[], float]] = {
        "dbos_per_s": partial(rates.dbos, house, baseline, _some(250)),
        "engine_per_s": partial(_alone, house, partial(rates.in_process, _some(800))),
        "engine_own_turn_per_s": partial(_alone, house, partial(rates.in_process, _some(300), most_passed=0)),
        "starts_per_s": partial(_alone, house, partial(rates.starts, _some(60))),
        "single_step_per_s": partial(_alone, house, partial(rates.in_process, _some(60), **one_by_one)),
        "end_to_end_per_s": partial(rates.through_workers, _some(1000), "passing"),
        "governed_per_s": partial(rates.through_workers, _some(200), "governed"),
        "raw_celery_per_s": partial(rates.raw_celery, house, _some(3000)),
    }
    rounds: dict[str, list[float]] = {name: [] for name in turns}
    for number in range(ROUNDS):
        for name, measure in turns.items():
            rounds[name].append(measure())
            _say(f"round {number + 1}  {name:24} {rounds[name][-1]:10.1f}")
    found = {name: round(median(values), 1) for name, values in rounds.items()}
    waits = rates.latencies(_some(200))
    found["ready_to_claimed_p50_ms"] = round(waits[len(waits) // 2] * 1000, 1)
    found["ready_to_claimed_p95_ms"] = round(waits[int(len(waits) * 0.95)] * 1000, 1)
    return found | _compared(found)


def _some(count: int) -> int:
    return max(10, round(count * SCALE))


def _alone(house: House, measure: Callable[[], float]) -> float:
    """Measure what is done in this process while no worker takes part."""
    from tests.benchmarks import rates

    with rates.nobody_listens():
        return measure()


def _compared(found: dict[str, float]) -> dict[str, float]:
    dbos, celery = found["dbos_per_s"], found["raw_celery_per_s"]
    return {
        "vs_dbos": round(found["engine_per_s"] / dbos, 2),
        "end_to_end_vs_dbos": round(found["end_to_end_per_s"] / dbos, 2),
        "own_turn_vs_dbos": round(found["engine_own_turn_per_s"] / dbos, 2),
        "vs_raw_celery": round(found["end_to_end_per_s"] / celery, 2),
        "governed_vs_dbos": round(found["governed_per_s"] / dbos, 2),
    }


def _say(text: str) -> None:
    print(f"  {text}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
