"""Where the story plays: the people with their sessions, the agents as processes, the books, and the score."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

from workflows.demo.crew import AGENT, start_agent
from workflows.demo.erp import server
from workflows.demo.inspector import Inspector
from workflows.demo.story.visitor import Surprise, Visitor, eventually

ROGUE = AGENT.with_name("rogue.py")
POST = "erp.supplier_invoice.post"
FEED_PAGE = 500
ATTEMPT_SECONDS = 300


@dataclass
class Check:
    """One thing that was looked at, and whether it was as it should be."""

    what: str
    ok: bool
    seen: str = ""


@dataclass
class Score:
    """What was checked so far. Every line is printed as it comes."""

    checks: list[Check] = field(default_factory=list)
    counts: dict[str, Any] = field(default_factory=dict)
    began: float = field(default_factory=time.monotonic)

    def check(self, what: str, ok: object, seen: object = "") -> None:
        """Note one check; a failed one is shown with what was seen instead."""
        self.checks.append(Check(what, bool(ok), "" if ok else str(seen)[:600]))
        mark = "ok " if ok else "NO "
        self.say(f"{mark} {what}" + ("" if ok else f"   [{str(seen)[:600]}]"))

    def say(self, line: str) -> None:
        """Print one line of progress."""
        print(f"{time.monotonic() - self.began:6.1f}s  {line}", flush=True)

    @property
    def ok(self) -> bool:
        """Return whether everything was as it should be."""
        return bool(self.checks) and all(check.ok for check in self.checks)

    @property
    def failed(self) -> list[str]:
        """Return what was not."""
        return [check.what for check in self.checks if not check.ok]


@dataclass
class Stage:
    """The running portal and everybody in it."""

    address: str
    data: Path
    score: Score = field(default_factory=Score)
    # Part of every invoice number, so that the story can be played twice on the same books.
    mark: str = field(default_factory=lambda: f"{datetime.now(UTC):%H%M%S}{uuid.uuid4().hex[:4]}")  # noqa: TID251

    def say(self, line: str) -> None:
        """Print one line of progress."""
        self.score.say(line)

    def check(self, what: str, ok: object, seen: object = "") -> None:
        """Note one check."""
        self.score.check(what, ok, seen)

    @classmethod
    def from_environment(cls) -> Stage:
        """Return the stage that AUTONOMY_URL and AUTONOMY_DATA_DIR describe."""
        address = os.environ.get("AUTONOMY_URL", "http://127.0.0.1:8000").rstrip("/")
        return cls(address, Path(os.environ.get("AUTONOMY_DATA_DIR", "var")).resolve())

    def wait_for_the_erp(self) -> None:
        """Return when the books can be read."""
        eventually(lambda: server.answers(dict(self.inspector.keys)), "The ERP answers", 90)

    @cached_property
    def inspector(self) -> Inspector:
        """Return the independent reader of the books."""
        return Inspector.of(self.data)

    @cached_property
    def alice(self) -> Visitor:
        """The manager."""
        return self._sign_in("alice")

    @cached_property
    def bob(self) -> Visitor:
        """The approver."""
        return self._sign_in("bob")

    @cached_property
    def carol(self) -> Visitor:
        """The auditor."""
        return self._sign_in("carol")

    @cached_property
    def dave(self) -> Visitor:
        """The operator."""
        return self._sign_in("dave")

    def _sign_in(self, name: str) -> Visitor:
        passwords = json.loads((self.data / "sign-ins.json").read_text())
        return Visitor(self.address, name, passwords[name])

    def number(self, name: str) -> str:
        """Return an invoice number that belongs to this play."""
        return f"{name}-{self.mark}"

    def invoice(self, name: str, euros: float, tail: str = "") -> dict[str, Any]:
        """Return the wish to post an invoice of so many euros."""
        return {
            "operation": POST,
            "arguments": {
                "supplier": "SUP-001",
                "number": self.number(name) + tail,
                "date": f"{datetime.now(UTC):%Y-%m-%d}",  # noqa: TID251 - this process is not the portal
                "total": {"minor": round(euros * 100), "currency": "EUR"},
                "description": "Bearings",
            },
            "reason": "It came with today's mail",
        }

    def events(self, after: int = 0) -> list[dict[str, Any]]:
        """Return what the ledger says after a position, as the auditor reads it."""
        found: list[dict[str, Any]] = []
        while True:
            page = self.carol.get("/events", after=after, limit=FEED_PAGE)
            found += page["events"]
            if page["next_after"] == after:
                return found
            after = page["next_after"]

    def position(self) -> int:
        """Return the newest position of the ledger."""
        return max((event["position"] for event in self.events()), default=0)

    def recorded(self, after: int, what: str, fits: Callable[[dict[str, Any]], bool], least: int = 1) -> None:
        """Check that at least so many events that fit stand in the ledger; numbers follow within a moment."""

        def enough() -> list[dict[str, Any]] | None:
            found = [event for event in self.events(after) if fits(event)]
            return found if len(found) >= least else None

        try:
            eventually(enough, what, 10)
            self.check(f"ledger: {what}", ok=True)
        except Surprise as surprise:
            self.check(f"ledger: {what}", ok=False, seen=surprise)

    def bills(self, name: str) -> list[Any]:
        """Return what the books have under a number of this play."""
        return self.inspector.bills(self.number(name))


@dataclass
class Worker:
    """The agent of the story: a process in a clean environment that reads wishes and tells the outcome."""

    stage: Stage
    credential: dict[str, str]

    def __post_init__(self) -> None:
        self.process = start_agent(
            self.stage.address, self.credential, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )

    def hand(self, wish: dict[str, Any]) -> None:
        """Give it something to do."""
        assert self.process.stdin is not None  # noqa: S101
        self.process.stdin.write(json.dumps(wish) + "\n")
        self.process.stdin.flush()

    def answer(self) -> dict[str, Any]:
        """Return what it says came of it."""
        assert self.process.stdout is not None  # noqa: S101
        line = self.process.stdout.readline()
        if not line:
            raise Surprise(f"The agent ended with exit code {self.process.wait(5)}.")
        return dict(json.loads(line))

    def do(self, wish: dict[str, Any]) -> dict[str, Any]:
        """Give it something to do and wait for the end of it."""
        self.hand(wish)
        return self.answer()

    def end(self) -> None:
        """Send it home."""
        assert self.process.stdin is not None  # noqa: S101
        self.process.stdin.close()
        self.process.wait(30)


def rogue(stage: Stage, credential: dict[str, str], attempt: str, case: dict[str, Any]) -> list[dict[str, Any]]:
    """Play one attempt of the rogue script in a process of its own."""
    return list(
        json.loads(start_rogue(stage, credential, attempt, case).communicate(timeout=ATTEMPT_SECONDS)[0])
    )


def start_rogue(
    stage: Stage, credential: dict[str, str], attempt: str, case: dict[str, Any]
) -> subprocess.Popen[str]:
    """Start one attempt and do not wait for it."""
    return subprocess.Popen(
        [sys.executable, "-I", str(ROGUE), attempt, json.dumps(case)],
        env={
            "AUTONOMY_URL": stage.address,
            "AUTONOMY_CLIENT_ID": credential["client_id"],
            "AUTONOMY_CLIENT_SECRET": credential["client_secret"],
        },
        cwd="/",
        stdout=subprocess.PIPE,
        text=True,
    )
