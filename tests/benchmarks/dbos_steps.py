"""DBOS Transact doing workflows of five steps: a baseline, in an environment of its own (requirements.lock).

    python dbos_steps.py POSTGRES_URL WORKFLOWS THREADS

Prints one JSON object: ``{"steps": n, "seconds": s}``. Each step is one durable checkpoint; the workflow's own
start and end are not counted, which is in its favour when steps per second are compared.
"""

from __future__ import annotations

import json
import sys
import time
from concurrent.futures import ThreadPoolExecutor

from dbos import DBOS, DBOSConfig

STEPS = 5


@DBOS.step()
def step(number: int) -> int:
    return number


@DBOS.workflow()
def workflow(number: int) -> int:
    for index in range(STEPS):
        number = step(number + index)
    return number


def main() -> None:
    url, count, threads = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    settings: DBOSConfig = {
        "name": "baseline",
        "system_database_url": url,
        "sys_db_pool_size": threads + 4,
        "max_executor_threads": threads + 4,
        "log_level": "ERROR",
        "run_migrations": True,
    }
    DBOS(config=settings)
    DBOS.launch()
    try:
        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(workflow, range(threads * 4)))  # warm connections and plans
            began = time.perf_counter()
            list(pool.map(workflow, range(count)))
            seconds = time.perf_counter() - began
    finally:
        DBOS.destroy()
    print(json.dumps({"steps": count * STEPS, "seconds": seconds}))


if __name__ == "__main__":
    main()
