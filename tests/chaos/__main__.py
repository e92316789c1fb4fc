"""``make chaos``: kill everything of the product again and again under load; the last line is one JSON object.

    python -m tests.chaos [--scale 1.0] [--seed 4711] [--keep]

Scale 1.0 kills workers 200 times, the portal 50 times, restarts PostgreSQL 20 times (half of them immediately)
and kills or empties Valkey 20 times. Exits with 1 if anything was lost, doubled, left unsettled or broken.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from autonomy.launch import place
from tests.chaos.house import House, opened

WHOLE = {
    "worker": 200,
    "portal": 50,
    "postgres_fast": 10,
    "postgres_immediate": 10,
    "valkey_kill": 10,
    "flush": 10,
}
SPOILT = ("effect_then_500", "effect_then_reset", "reset", "503", "effect_then_hang")
ROUND = 20


@dataclass
class Chaos:
    """One run of it."""

    scale: float
    seed: int
    pause: float
    agents: int = 2
    at_once: int = 10
    settle: float = 60  # seconds
    faults: Counter[str] = field(default_factory=Counter)
    broken: list[str] = field(default_factory=list)

    def plan(self) -> list[str]:
        """Return the faults in a random order, at least one of each kind."""
        found = [name for name, times in WHOLE.items() for _ in range(max(1, round(times * self.scale)))]
        random.Random(self.seed).shuffle(found)
        return found

    def play(self, house: House, dump: str) -> dict[str, Any]:
        """Set up, load, break, settle, judge."""
        database = _prepared(house, dump)
        from tests.chaos import company, verdict
        from tests.chaos.load import Load

        house.refuse_first(company.HARD, company.REFUSALS)
        people = company.set_up(house.fake_url, agents=self.agents)
        say("the company stands; its processes start")
        house.start_portal(database)
        house.start_agents(people.agents)
        load = Load(house.processes.url, people.sessions, at_once=self.at_once, seed=self.seed)
        load.start()
        self._break_things(house)
        load.enough()
        house.calm()
        last = time.monotonic()
        left, seconds = self._settle(house)
        say(f"after the last fault: settled in {seconds:.0f} s" if not left else f"not settled: {left}")
        load.stop()
        self.broken += [*load.wrong, *verdict.broken_invariants()]
        found = verdict.judge(load.accepted, house.effects())
        found.unsettled, found.wrong = left, [*found.wrong, *dict.fromkeys(self.broken)]
        for line in [*found.lost, *found.doubled, *found.unsettled, *found.wrong][:40]:
            say(f"WRONG {line}")
        return {
            "kills": sum(self.faults[name] for name in WHOLE),
            "lost": len(found.lost),
            "doubled": len(found.doubled),
            "in_doubt": found.in_doubt,
            "unsettled": len(found.unsettled),
            "broken": len(found.wrong),
            "ok": found.holds,
            "settled_in_seconds": round(time.monotonic() - last, 1),
            "runs": len(load.accepted),
            "effects": found.effects,
            "faults": dict(self.faults),
            "steered": dict(sorted(load.steered.items())),
            "outcomes": dict(sorted(found.outcomes.items())),
        }

    def _break_things(self, house: House) -> None:
        from tests.chaos import verdict

        chance = random.Random(self.seed)
        for number, fault in enumerate(self.plan(), start=1):
            self._pause(house, chance.uniform(0.3, 2) * self.pause)
            if chance.random() < 0.3:
                house.spoil_a_call(chance.choice(SPOILT))
            FAULTS[fault](house, chance)
            self.faults[fault] += 1
            if number % ROUND == 0:
                self.broken += verdict.broken_invariants()
                say(f"{number} faults; {len(self.broken)} invariants broken")

    def _settle(self, house: House) -> tuple[list[str], float]:
        from tests.chaos import verdict

        began = time.monotonic()
        while (left := verdict.unsettled()) and time.monotonic() - began < self.settle:
            self._pause(house, 0.5)
        return left, time.monotonic() - began

    def _pause(self, house: House, seconds: float) -> None:
        """Wait, and start what has ended by itself meanwhile."""
        time.sleep(seconds)
        for name in house.look_after():
            say(f"{name} had ended by itself")
            self.faults[f"{name}_ended"] += 1


FAULTS: dict[str, Any] = {
    "worker": House.kill_worker,
    "portal": House.kill_portal,
    "postgres_fast": lambda house, chance: house.restart_postgres(chance, immediate=False),
    "postgres_immediate": lambda house, chance: house.restart_postgres(chance, immediate=True),
    "valkey_kill": House.kill_valkey,
    "flush": House.flush_valkey,
}


def _prepared(house: House, dump: str) -> Any:
    """Make the database and set Django up on it."""
    from tests import harness

    name = house.make_database(dump)
    os.environ.update(harness.environment(name), DJANGO_SETTINGS_MODULE="autonomy.settings")
    import django

    django.setup()
    from tests.conftest import LiveDatabase

    return LiveDatabase(name)


def say(line: str) -> None:
    """Tell whoever watches."""
    sys.stderr.write(f"  {line}\n")
    sys.stderr.flush()


def main() -> int:
    """Play it and print the figures; return 0 if everything held."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos")
    parser.add_argument("--scale", type=float, default=1.0)
    parser.add_argument("--seed", type=int, default=4711)
    parser.add_argument("--pause", type=float, default=1.0, help="Stretches the time between two faults.")
    parser.add_argument("--dump", default="", help="A migrated database (pg_dump -Fc), for a quick start.")
    parser.add_argument("--agents", type=int, default=2)
    parser.add_argument(
        "--settle", type=float, default=60, help="Seconds that everything has after the last fault."
    )
    parser.add_argument("--at-once", type=int, default=10, help="How many runs are under way at a time.")
    parser.add_argument("--keep", action="store_true", help="Keep the data folder and its logs.")
    given = parser.parse_args()
    began = time.monotonic()
    folder = Path(tempfile.mkdtemp(prefix="aos-chaos-"))
    chaos = Chaos(given.scale, given.seed, given.pause, given.agents, given.at_once, given.settle)
    with opened(folder) as house:
        result = chaos.play(house, given.dump)
    result["seconds"] = round(time.monotonic() - began, 1)
    if result["ok"] and not given.keep:
        place.erase(place.open_place(folder))
    else:
        say(f"the data and the logs are kept: {folder}")
    print(json.dumps(result), flush=True)
    return 0 if result["ok"] else 1


if __name__ == "__main__":
    sys.exit(main())
