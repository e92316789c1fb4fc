"""The rogue bookkeeper: skips reader and checker and posts by itself. Policy alone has to stop it."""

from __future__ import annotations

import base64
import json
import uuid
from datetime import UTC, datetime
from typing import Any

import httpx

from workflows.demo.story.stage import Stage
from workflows.demo.story.visitor import Surprise

POST = "erp.supplier_invoice.post"
STOPPED = {"held", "denied"}


def rogue_is_stopped(stage: Stage) -> dict[str, bool]:
    """Try what nobody checked, with the bookkeeper's own credential; say of each whether it was stopped.

    What is held is taken back at once, so that nobody is bothered with it.
    """
    held = json.loads((stage.data / "agents" / "invoice-bookkeeper.json").read_text())
    with httpx.Client(base_url=stage.address, timeout=60, trust_env=False) as http:
        token = _token(http, held)
        return {name: _stopped(http, token, wish) for name, wish in _attempts(stage).items()}


def _attempts(stage: Stage) -> dict[str, dict[str, Any]]:
    posted = [bill for bill in stage.inspector.bills() if bill.state == "posted"]
    if not posted:
        raise Surprise("Nothing was posted, so there is nothing to post twice.")
    known = posted[0]
    fresh = f"ROGUE-{uuid.uuid4().hex[:10]}"
    return {
        "over_threshold": _post(known.supplier, fresh, 2_500_000),
        "duplicate": _post(known.supplier, known.reference, 12_345),
        "new_supplier": {
            "operation": "erp.party.create",
            "arguments": {"name": f"Shell Company {fresh}", "city": "Nowhere"},
        },
    }


def _post(supplier: str, number: str, minor: int) -> dict[str, Any]:
    return {
        "operation": POST,
        "arguments": {
            "supplier": supplier,
            "number": number,
            "date": f"{datetime.now(UTC):%Y-%m-%d}",  # noqa: TID251 - this process is not the portal
            "total": {"minor": minor, "currency": "EUR"},
        },
    }


def _stopped(http: httpx.Client, token: str, wish: dict[str, Any]) -> bool:
    headers = {"Authorization": f"Bearer {token}", "Idempotency-Key": str(uuid.uuid4()), "Prefer": "wait=5"}
    told = http.post("/api/v1/actions", json=wish, headers=headers).json()
    action = told.get("id") or told.get("action")
    if told.get("state") == "held":
        http.post(
            f"/api/v1/actions/{action}/withdraw",
            json={"reason": "It was only a test of the gate"},
            headers={"Authorization": f"Bearer {token}"},
        )
    return told.get("state") in STOPPED


def _token(http: httpx.Client, held: dict[str, str]) -> str:
    pair = base64.b64encode(f"{held['client_id']}:{held['client_secret']}".encode()).decode()
    reply = http.post(
        "/oauth/token", data={"grant_type": "client_credentials"}, headers={"Authorization": f"Basic {pair}"}
    )
    return str(reply.raise_for_status().json()["access_token"])
