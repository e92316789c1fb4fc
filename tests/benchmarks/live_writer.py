"""The company at work in a measurement of the live pages: events of every room, at a pace or in a burst.

    python -m tests.benchmarks.live_writer pace RATE SECONDS
    python -m tests.benchmarks.live_writer burst COUNT

It prints a JSON object: of each event its id, and the clock when its transaction is about to be committed.
"""

from __future__ import annotations

import json
import os
import sys
import time
import uuid
from typing import Any

import django

AT_ONCE = 50


def main() -> None:
    """Write what was asked for."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "autonomy.settings")
    django.setup()
    if sys.argv[1] == "pace":
        written = _paced(float(sys.argv[2]), float(sys.argv[3]))
    else:
        written = _burst(int(sys.argv[2]))
    print(json.dumps(written), flush=True)


def _paced(rate: float, seconds: float) -> dict[str, float]:
    began, found, agents = time.monotonic(), {}, _agents()
    for number in range(int(rate * seconds)):
        time.sleep(max(0.0, began + number / rate - time.monotonic()))
        found.update(_commit(agents, range(number, number + 1)))
    return found


def _burst(count: int) -> dict[str, float]:
    found, agents = {}, _agents()
    for first in range(0, count, AT_ONCE):
        found.update(_commit(agents, range(first, min(first + AT_ONCE, count))))
    return found


def _agents() -> list[str]:
    from agents.models import Agent

    return [str(key) for key in Agent.objects.order_by("code").values_list("pk", flat=True)]


def _commit(agents: list[str], numbers: range) -> dict[str, float]:
    from django.db import transaction

    from audit.services import record_event

    with transaction.atomic():
        keys = [str(record_event(**_fact(agents, number)).pk) for number in numbers]
        at = time.time()
    return dict.fromkeys(keys, at)


def _fact(agents: list[str], number: int) -> dict[str, Any]:
    """Return one event as its room tells it; one after the other, of every kind that a person follows."""
    from audit.vocabulary import Actor, Ref

    agent, thing = agents[number % len(agents)], str(uuid.UUID(int=number))
    actor = Actor.system("engine")
    about: tuple[tuple[str, str, dict[str, Any]], ...] = (
        ("actions.action_held", "actions.action", {"agent_id": agent, "action_id": thing}),
        ("actions.action_confirmed", "actions.action", {"agent_id": agent, "action_id": thing}),
        ("agents.agent_paused", "agents.agent", {"agent_id": agent}),
        ("connectors.call_finished", "connectors.system", {"agent_id": agent, "action_id": thing}),
        ("runs.run_started", "runs.run", {"run_id": thing}),
        ("tasks.task_claimed", "tasks.task", {"run_id": thing}),
        ("approvals.vote_cast", "approvals.approval", {"agent_id": agent, "action_id": thing}),
        ("connectors.breaker_opened", "connectors.system", {}),
    )
    verb, kind, references = about[number % len(about)]
    return {
        "actor": actor,
        "verb": verb,
        "subject": Ref(kind, agent if kind == "agents.agent" else thing, f"Thing {number}"),
        "sentence": f"Number {number} was done as the order of the day says, for 4,629.00 EUR.",
        "reason": "It was due.",
        **references,
    }


if __name__ == "__main__":
    main()
