"""Bundles of any size without a database, made by the ledger's own envelope and tree, and the verifier's speed.

    python -m tests.benchmarks.ledger_bundle 1000000 /tmp/bundle.zip

prints one line of JSON: events, seconds, rate, processor time and peak memory of the verifier, which is a
process of its own.
"""

from __future__ import annotations

import json
import random
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

from audit import bundles, envelope, notes
from audit.merkle import Growth
from audit.standalone import verify_ledger as outside

ORIGIN = "example.com/ledger"
BEGAN = datetime(2026, 5, 4, 7, 0, tzinfo=UTC)
EMPTY = dict.fromkeys((*envelope.COLUMNS, *envelope.WORDS.values()), "")


@dataclass
class Entry:
    """One event as it is exported."""

    row: dict[str, Any]
    data: str | None
    data_salt: bytes | None
    sealed: envelope.Sealed
    words_erased: bool = False
    data_erased: bool = False

    def line(self, index: int) -> str:
        """Return its line in the bundle."""
        return bundles.event_line(
            index,
            self.sealed.leaf_hash.hex(),
            self.sealed,
            None if self.words_erased else self.row["words_salt"],
            None if self.data_erased else self.data_salt,
        )


@dataclass
class Ledger:
    """A ledger in memory: the signed checkpoints, and its events where they are kept."""

    entries: list[Entry] = field(default_factory=list)
    leaves: list[bytes] = field(default_factory=list)
    checkpoints: list[tuple[int, str]] = field(default_factory=list)
    keys: list[tuple[str, int]] = field(default_factory=list)


class Company:
    """Tells of actions like the portal's: let go, held for people, denied; each with its events in order."""

    def __init__(self, seed: int = 0) -> None:
        self._random = random.Random(seed)
        self._at = BEGAN
        self._agents = [self._id() for _ in range(40)]

    def events(self) -> Iterator[Entry]:
        """Yield events without end."""
        while True:
            yield from self._action()

    def entry(self, verb: str, data: dict[str, Any] | None = None, **more: Any) -> Entry:
        """Return one event, sealed."""
        self._at += timedelta(microseconds=self._random.randrange(200, 900_000))
        row: dict[str, Any] = {
            **EMPTY,
            "id": UUID(self._id()),
            "occurred_at": self._at,
            "verb": verb,
            "actor_kind": "agent",
            "actor_id": self._agents[0],
            "subject_kind": "actions.action",
            "risk": {},
            "words_salt": self._random.randbytes(32),
            **more,
        }
        text = None if data is None else json.dumps(data)
        salt = None if data is None else self._random.randbytes(32)
        return Entry(row, text, salt, envelope.seal(row, text, salt))

    def _action(self) -> Iterator[Entry]:
        one, agent = self._id(), self._random.choice(self._agents)
        order = self._random.randrange(10_000, 99_999)
        told = {
            "subject_id": one,
            "action_id": one,
            "agent_id": agent,
            "actor_id": agent,
            "system_id": self._agents[1],
            "department_id": self._agents[2],
            "correlation_id": self._id(),
            "operation": "erp.purchase_order.confirm",
            "actor_label": "Purchasing agent",
            "subject_label": f"Confirm purchase order {order}",
            "sentence": f"Confirm purchase order {order}: it is within the limits of the role.",
        }
        why = {
            "explanation": {
                "policy_version": self._id(),
                "rules": [{"code": "spend_up_to", "limit": "2500.00", "currency": "EUR", "verdict": "allow"}],
                "reading": {"amount": f"{order / 100:.2f}", "supplier": "Müller & Söhne", "lines": 3},
            }
        }
        luck = self._random.random()
        if luck < 0.1:
            yield self.entry("actions.action_denied", why, decision="deny", code="over_limit", **told)
            return
        if luck < 0.3:
            yield self.entry("actions.action_held", why, decision="hold", code="people", **told)
            yield from self._asked(told, why)
        yield self.entry("actions.action_authorized", why, decision="allow", code="within_role", **told)
        yield self.entry("actions.action_dispatched", None, **told)
        yield self.entry("connectors.call_begun", None, **told)
        result = {"remote_ref": f"PO-{order}", "status": 200, "steps": [{"step": "post", "ms": 84}]}
        yield self.entry("connectors.call_finished", result, code="confirmed", **told)
        done = {"effect": "confirmed", "agreement": "agrees"}
        yield self.entry("actions.action_confirmed", {"read_back": result}, **done, **told)

    def _asked(self, told: dict[str, Any], why: dict[str, Any]) -> Iterator[Entry]:
        about = {**told, "subject_kind": "approvals.approval", "subject_id": self._id(), "actor_kind": "person"}
        yield self.entry("approvals.approval_requested", why, **about)
        yield self.entry("approvals.vote_cast", {"verdict": "approve"}, reason="Checked the offer.", **about)
        yield self.entry("approvals.approval_approved", {"digest": "0" * 64}, **about)

    def _id(self) -> str:
        return str(UUID(int=self._random.getrandbits(128)))


def grow(
    entries: Iterator[Entry],
    count: int,
    signers: Sequence[notes.Signer],
    every: int,
    put: Callable[[str], None],
) -> Ledger:
    """Seal so many events, a checkpoint after each ``every``; hand on their lines."""
    growth, ledger = Growth(), Ledger()
    for index in range(count):
        entry = next(entries)
        put(entry.line(index))
        growth.add([entry.sealed.leaf_hash])
        if growth.size % every == 0 or growth.size == count:
            note = notes.signed_checkpoint(list(signers), growth.size, growth.root())
            ledger.checkpoints.append((growth.size, note))
    ledger.keys = [(str(one.verifier), ledger.checkpoints[0][0]) for one in signers]
    return ledger


def write(path: Path, count: int, signer: notes.Signer, every: int = 1024) -> None:
    """Write a whole bundle of so many events."""
    writer = bundles.BundleWriter(path)
    with writer.file("events.jsonl") as put:
        ledger = grow(Company().events(), count, [signer], every, put)
    with writer.file("checkpoints.jsonl") as put:
        for size, note in ledger.checkpoints:
            put(bundles.checkpoint_line(size, note, []))
    with writer.file("nodes.jsonl"):
        pass
    with writer.file("keys.json") as put:
        put(bundles.keys_line(ledger.keys))
    subject = bundles.Subject({"kind": "everything"}, True, envelope.instant(BEGAN), "a benchmark")
    writer.finish(ledger.checkpoints[-1][1], subject)


def verified(path: Path, vkey: str) -> dict[str, Any]:
    """Verify a bundle in a process of its own, and return what it took."""
    began = time.perf_counter()
    command = [sys.executable, outside.__file__, str(path), "--key", vkey, "--json", "-"]
    answer = subprocess.run(command, capture_output=True, text=True, check=False)
    seconds = time.perf_counter() - began
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    report = json.loads(answer.stdout)
    events = report["events_checked"]
    return {
        "ok": report["ok"] and answer.returncode == 0,
        "events": events,
        "seconds": round(seconds, 1),
        "verify_events_per_s": round(events / seconds),
        "cpu_seconds": round(used.ru_utime + used.ru_stime, 1),
        "peak_mb": used.ru_maxrss // 1024,
        "bundle_mb": path.stat().st_size // 2**20,
    }


def main() -> None:
    """Write a bundle, verify it, print the figures."""
    count, path = int(sys.argv[1]), Path(sys.argv[2])
    signer = notes.Signer.fresh(ORIGIN)
    path.unlink(missing_ok=True)
    write(path, count, signer)
    sys.stdout.write(json.dumps(verified(path, str(signer.verifier))) + "\n")


if __name__ == "__main__":
    main()
