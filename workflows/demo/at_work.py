"""Agents at work: lets the ledger clerk post an invoice now and then, as long as the portal runs.

The agents are real: processes of their own in a clean environment, with an address and a credential and nothing
else (examples/agent.py). This module is the mail room: it hands them invoices as they would arrive. Every large
one waits for a person; the agent that asked waits with it, so the inbox never fills up.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any

AGENT = Path(__file__).resolve().parents[2] / "examples" / "agent.py"
SUPPLIERS = (
    ("SUP-001", "BB", "Bearings 6204, box of 50"),
    ("SUP-002", "EC", "Pump housings, grey cast iron"),
    ("SUP-003", "HS", "Shaft seals, nitrile"),
    ("SUP-004", "RM", "Motors 2.2 kW"),
    ("SUP-005", "TF", "Hexagon bolts M8"),
)
SMALL = (4_000, 240_000)
LARGE = (260_000, 990_000)
PR_SET_PDEATHSIG = 1
# Found before the fork: in the child of a process with threads, a lock of the loader may never be given back.
_prctl = ctypes.CDLL(None).prctl if sys.platform == "linux" else None


def main() -> None:
    """Run one agent for small invoices and one for large ones until somebody asks to stop."""
    pace = float(os.environ.get("DEMO_PACE_SECONDS", "45"))
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    desks = [
        threading.Thread(target=_desk, args=(SMALL, min(10, pace), pace), daemon=True),
        threading.Thread(target=_desk, args=(LARGE, min(25, pace), 4 * pace), daemon=True),
    ]
    for desk in desks:
        desk.start()
    with contextlib.suppress(KeyboardInterrupt):
        for desk in desks:
            desk.join()


def start_agent(url: str, credential: dict[str, str], **options: Any) -> subprocess.Popen[str]:
    """Start the example agent with nothing but an address and a credential."""
    return subprocess.Popen(
        [sys.executable, "-I", str(AGENT)],
        env={
            "AUTONOMY_URL": url,
            "AUTONOMY_CLIENT_ID": credential["client_id"],
            "AUTONOMY_CLIENT_SECRET": credential["client_secret"],
        },
        stdin=subprocess.PIPE,
        text=True,
        cwd="/",
        preexec_fn=_die_with_parent,
        **options,
    )


def invoices(amounts: tuple[int, int]) -> Iterator[dict[str, Any]]:
    """Yield the wish to post one supplier invoice after the other, each with a number of its own."""
    while True:
        now = datetime.now(UTC)  # noqa: TID251 - this process is not the portal
        supplier, prefix, what = random.choice(SUPPLIERS)  # noqa: S311 - sample data
        minor = random.randint(*amounts)  # noqa: S311
        yield {
            "operation": "erp.supplier_invoice.post",
            "arguments": {
                "supplier": supplier,
                "number": f"{prefix}-{now:%y%m%d-%H%M%S}",
                "date": f"{now:%Y-%m-%d}",
                "description": what,
                "total": {"minor": minor, "currency": "EUR"},
            },
            "reason": "It came with today's mail",
        }


def _desk(amounts: tuple[int, int], first: float, pace: float) -> None:
    url = os.environ.get("AUTONOMY_URL") or os.environ.get("PUBLIC_URL", "http://127.0.0.1:8000")
    credential = Path(os.environ.get("AUTONOMY_DATA_DIR", "var")) / "agents" / "ledger-clerk.json"
    time.sleep(first)
    while True:
        agent = start_agent(url, json.loads(credential.read_text()), stdout=subprocess.PIPE)
        assert agent.stdin is not None and agent.stdout is not None  # noqa: S101, PT018
        _hand_over(agent.stdin, agent.stdout, amounts, pace)
        with contextlib.suppress(BrokenPipeError):
            agent.stdin.close()
        agent.wait()
        # It ended, perhaps because the portal was away or its credential was revoked; the next begins afresh.
        time.sleep(pace)


def _hand_over(mail: IO[str], answers: IO[str], amounts: tuple[int, int], pace: float) -> None:
    """Hand over one invoice at a time and wait until it is done or refused; return when the agent has ended."""
    with contextlib.suppress(BrokenPipeError):
        for wish in invoices(amounts):
            mail.write(json.dumps(wish) + "\n")
            mail.flush()
            if not answers.readline():
                return
            time.sleep(pace * random.uniform(0.7, 1.3))  # noqa: S311


def _die_with_parent() -> None:
    if _prctl is not None:
        _prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)


if __name__ == "__main__":
    main()
