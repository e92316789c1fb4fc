"""The second workflow of the day: a supplier is taken on, by another agent and the same engine."""

from __future__ import annotations

import random
import time
import uuid
from typing import Any

from workflows.demo.day.office import patiently
from workflows.demo.story.stage import Stage
from workflows.demo.story.visitor import Surprise

WORKFLOW = "supplier-onboarding"
PATIENCE = 120.0


def take_on(stage: Stage) -> dict[str, Any]:
    """Ask for a new supplier, wait until people and agent have done their parts, and look it up in the ERP."""
    wish = _supplier()
    body = {"workflow": WORKFLOW, "input": wish, "key": wish["tax_number"]}
    reply = patiently(lambda: stage.alice.api("POST", "/runs", body))
    if reply.status_code != 201:
        raise Surprise(f"The supplier was not asked for: {reply.status_code} {reply.text[:300]}")
    run = _ended(stage, reply.json()["id"])
    found = stage.inspector.parties(wish["name"])
    stage.say(f"supplier onboarding: {run['outcome'] or run['state']}")
    return {
        "outcome": run["outcome"] or run["state"],
        "in_erp": len(found),
        "ok": run["outcome"] == "onboarded" and len(found) == 1,
    }


def _ended(stage: Stage, run_id: str) -> dict[str, Any]:
    deadline = time.monotonic() + PATIENCE
    while True:
        run: dict[str, Any] = patiently(lambda: stage.alice.get(f"/runs/{run_id}"))
        if run["state"] != "running" or time.monotonic() > deadline:
            return run
        time.sleep(1)


def _supplier() -> dict[str, Any]:
    mark = uuid.uuid4().hex[:6].upper()
    return {
        "name": f"Weser Filters {mark} GmbH",
        "street": "Am Speicher 4",
        "postal_code": "28217",
        "city": "Bremen",
        "country": "DE",
        "tax_number": f"DE{random.randint(10**8, 10**9 - 1)}",  # noqa: S311 - sample data
        "account": iban(f"37040044{random.randint(0, 10**10 - 1):010d}"),  # noqa: S311
    }


def iban(basic: str, country: str = "DE") -> str:
    """Return an account number of a country with its check digits (ISO 13616: modulo 97)."""
    digits = "".join(str(int(char, 36)) for char in f"{basic}{country}00")
    return f"{country}{98 - int(digits) % 97:02d}{basic}"
