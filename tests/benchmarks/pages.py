"""What every page costs in a large company: server time and queries of each list, home and detail.

    python -m tests.benchmarks.pages [SHARE [READERS]]

A company in which everything exists is worked in a little, and multiplied by ``manage.py seed_volume`` to
1,000,000 actions, 100,000 approvals, 10,000 agents and 20,000 runs (``SHARE`` of it, 1 when not given). Then
every address that may be read is asked for over Django's own client by a manager, an approver, an operator, an
auditor and a superuser: before it was multiplied and after, so that what grows with it is seen.
``slowest_ms`` is the slowest of the medians. The last line is one JSON object.
"""

from __future__ import annotations

import json
import logging
import sys
import time
import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from statistics import median
from typing import Any

from tests.benchmarks.house import House, open_house

REPEATS = 4  # the first of them warms up
MOST_MS = 300
MUCH = {"agents": 10_000, "actions": 900_000, "approvals": 100_000, "runs": 20_000, "waiting": 2_000}


@dataclass(frozen=True)
class Asked:
    """What one page took."""

    ms: float
    queries: int


def main() -> int:
    """Build, measure small, multiply, measure large; print each page that is slow or grew, and the result."""
    share = float(sys.argv[1]) if len(sys.argv) > 1 else 1.0
    began = time.monotonic()
    with open_house(demo_company=True) as house:
        from autonomy.memory import settle
        from tests.fakes import FakeSystem
        from tests.walks import READERS

        readers = sys.argv[2].split(",") if len(sys.argv) > 2 else READERS

        fake = FakeSystem().start()
        try:
            world = _company(fake)
            small = _measured(world, readers, repeats=1)
            _multiplied(house, share)
            settle()  # as a portal does before its first request
            large = _measured(world, readers)
        finally:
            fake.stop()
    grown = {page: one for page, one in large.items() if one.queries > small[page].queries + 3}
    slow = sorted(large, key=lambda page: -large[page].ms)
    for page in slow[:40]:
        print(f"  {large[page].ms:8.1f} ms {large[page].queries:4} queries  {page}", flush=True)
    for page, one in grown.items():
        print(f"  more queries: {page}: {small[page].queries} -> {one.queries}", flush=True)
    found = {
        "slowest_ms": large[slow[0]].ms,
        "slowest_page": slow[0],
        "pages": len(large),
        "over_300_ms": sum(one.ms > MOST_MS for one in large.values()),
        "more_queries": len(grown),
        "median_ms": round(median(one.ms for one in large.values()), 1),
        "readers": len(readers),
        "seconds": round(time.monotonic() - began),
    }
    print(json.dumps(found), flush=True)
    return 0


def _company(fake: Any) -> Any:
    from django.conf import settings
    from django.core.management import call_command

    from tests import world as worlds

    settings.ALLOWED_HOSTS = ["*"]
    logging.getLogger("django.request").setLevel(logging.ERROR)
    call_command("collectstatic", interactive=False, verbosity=0)
    made = worlds.build(fake)
    _worked_in(made)
    return made


def _worked_in(world: Any) -> None:
    """Let agents ask for a few things, and people decide some of them: what is multiplied."""
    from agents.models import User
    from tests.fakes import arguments
    from workflows.actions.services import Ask, request_action
    from workflows.approvals.services import cast_vote

    agent = world.own["agents"]
    bob = User.objects.get(username="bob").as_actor()

    def ask(number: str, minor: int) -> Any:
        wish = Ask(operation="fake.invoice.post", arguments=arguments(number, minor))
        return request_action(actor=agent.user.as_actor(), agent=agent, key=str(uuid.uuid4()), ask=wish)

    for count in range(4):
        ask(f"BENCH-{count}", 12_300)
        held = ask(f"BENCH-HELD-{count}", 150_000 + count)
        verdict = ("approve", "reject")[count % 2]
        cast_vote(
            actor=bob,
            approval_id=held.approval_id,
            verdict=verdict,
            reason="worked through for the measurement",
            digest=held.approval.digest,
        )
    for count in range(4):
        ask(f"BENCH-WAITS-{count}", 200_000 + count)


def _multiplied(house: House, share: float) -> None:
    """Multiply as the owner of the tables does at a customer's: in a process of its own."""
    from autonomy.launch import programs

    wanted = [f"--{name}={max(1, round(many * share))}" for name, many in MUCH.items()]
    print(f"  seed_volume {' '.join(wanted)}", flush=True)
    log = house.place.logs / "volume.log"
    programs.run_manage(["seed_volume", *wanted], {**house.env, "DATABASE_ROLE": "owner"}, log, "seed_volume")
    print(log.read_text(), flush=True)


def _measured(world: Any, readers: Iterable[str], repeats: int = REPEATS) -> dict[str, Asked]:
    from tests.walks import addresses

    found = {}
    for reader in readers:
        for pattern, address in addresses(world):
            one = _asked(world.clients[reader], address, repeats)
            if one is not None:
                found[f"{reader} {pattern}"] = one
    return found


def _asked(client: Any, address: str, repeats: int) -> Asked | None:
    """Ask for a page several times; what it does not answer with 200 is no page of theirs.

    The first time counts the questions; it is measured only where nothing else is.
    """
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    connection.queries_log.clear()  # it holds so many and no more, and counts nothing then
    began = time.perf_counter()
    with CaptureQueriesContext(connection) as captured:
        answer = client.get(address)
    took = [(time.perf_counter() - began) * 1000]
    queries = len(captured)  # the next request begins a new list of them
    if answer.status_code != 200:
        return None
    for _ in range(repeats - 1):
        began = time.perf_counter()
        client.get(address)
        took.append((time.perf_counter() - began) * 1000)
        if sum(took) > 10_000:
            break
    return Asked(round(median(took[1:] or took), 1), queries)


if __name__ == "__main__":
    sys.exit(main())
