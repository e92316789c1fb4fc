"""The people of the day: Alice brings the mail, Bob decides what is held and settles what nobody could book."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

import httpx

from workflows.demo.story.visitor import Surprise, Visitor

PAGE = 100
FINAL = {"done", "cancelled"}
AWAY_SECONDS = 60.0
T = TypeVar("T")


def patiently(request: Callable[[], T]) -> T:
    """Send a request again while the portal is away for a moment; it is one that may be repeated."""
    deadline = time.monotonic() + AWAY_SECONDS
    while True:
        try:
            return request()
        except (httpx.TransportError, Surprise):
            if time.monotonic() > deadline:
                raise
            time.sleep(1)


@dataclass
class MailRoom:
    """Alice: uploads each document once and starts its run under the digest of its bytes."""

    alice: Visitor
    workflow: str

    def bring(self, name: str, content: bytes, media_type: str = "application/xml") -> dict[str, Any]:
        """Return the run of a document, begun now or before; ``refused`` if it could not be taken."""
        document = self._upload(name, content, media_type)
        if "id" not in document:
            return {"refused": document.get("detail", "the document was refused")}
        body = {
            "workflow": self.workflow,
            "input": {"document": document["id"]},
            "key": document["sha256"],
        }
        reply = patiently(lambda: self._start(body))
        if reply.status_code not in (200, 201):
            raise Surprise(f"The run of {name} was not started: {reply.status_code} {reply.text[:300]}")
        return {**reply.json(), "is_new": reply.status_code == 201}

    def _upload(self, name: str, content: bytes, media_type: str) -> dict[str, Any]:
        return patiently(lambda: self._send(name, content, media_type))

    def _send(self, name: str, content: bytes, media_type: str) -> dict[str, Any]:
        headers = {**self.alice.headers(), "Content-Type": media_type}
        reply = self.alice.http.post(
            "/api/v1/documents", params={"name": name}, content=content, headers=headers
        )
        if reply.status_code >= 500:
            raise Surprise(f"{name} was not taken: {reply.status_code} {reply.text[:300]}")
        return dict(reply.json())

    def _start(self, body: dict[str, Any]) -> httpx.Response:
        reply = self.alice.api("POST", "/runs", body)
        if reply.status_code >= 500:
            raise Surprise(f"The portal answered {reply.status_code} {reply.text[:300]}")
        return reply

    def at_work(self) -> set[str]:
        """Return the ids of the runs that are under way: neither ended nor waiting for an operator."""
        reply = self.alice.get("/runs", workflow=self.workflow, state="running", page_size=PAGE)
        found = {run["id"] for run in reply["results"]}
        while reply.get("next"):
            reply = self.alice.http.get(reply["next"]).json()
            found |= {run["id"] for run in reply["results"]}
        return found

    def run(self, run_id: str) -> dict[str, Any]:
        """Return where a run stands."""
        return dict(self.alice.get(f"/runs/{run_id}"))


@dataclass
class Desk(threading.Thread):
    """Bob: decides over the API, by his own session, whatever waits for him until the day is over."""

    bob: Visitor
    rejects: Callable[[dict[str, Any]], str]
    approved: set[str] = field(default_factory=set)
    rejected: set[str] = field(default_factory=set)
    settled: set[str] = field(default_factory=set)
    problems: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__(daemon=True)
        self.over = threading.Event()

    def __hash__(self) -> int:
        return id(self)

    def run(self) -> None:
        """Decide and settle until somebody says that it is over."""
        while not self.over.is_set():
            try:
                busy = self.decide() + self.settle()
            except (httpx.HTTPError, Surprise) as error:
                # The portal may be starting anew; what could not be done now waits in the inbox.
                self.problems.append(str(error)[:300])
                busy = 0
            if not busy:
                time.sleep(0.4)

    def decide(self) -> int:
        """Vote on every pending approval of an action; return how many votes that were."""
        found = self.bob.get("/approvals", state="pending", page_size=PAGE)["results"]
        waiting = [approval for approval in found if approval["subject_kind"] == "actions.action"]
        for approval in waiting:
            why_not = self.rejects(approval)
            verdict = "reject" if why_not else "approve"
            body = {
                "verdict": verdict,
                "digest": approval["digest"],
                "reason": why_not or "Looked at it, and it is as it should be",
            }
            reply = self.bob.api("POST", f"/approvals/{approval['id']}/votes", body)
            if reply.status_code in (200, 201):
                (self.rejected if why_not else self.approved).add(approval["id"])
            elif reply.status_code != 409:
                self.problems.append(f"{approval['subject_label']}: {reply.status_code} {reply.text[:200]}")
        return len(waiting)

    def settle(self) -> int:
        """Settle every exception that waits: it stays out of the books, with a note that says why."""
        found = self.bob.get("/tasks", state="open", kind="exception", page_size=PAGE)["results"]
        for task in found:
            claimed = self.bob.api("POST", f"/tasks/{task['id']}/claim", {})
            if claimed.status_code != 200:
                continue
            answer = {"outcome": "exception", "note": _note(claimed.json()["input"])}
            body = {"epoch": claimed.json()["epoch"], "answer": answer, "reason": "Settled with the supplier"}
            reply = self.bob.api("POST", f"/tasks/{task['id']}/complete", body)
            if reply.status_code == 200:
                self.settled.add(task["id"])
            else:
                self.problems.append(f"{task['title']}: {reply.status_code} {reply.text[:300]}")
        return len(found)


def _note(shown: dict[str, Any]) -> str:
    """Return what Bob writes about an exception: what was done, and what he was shown as its reason."""
    facts = {"Document", "Supplier", "Total"}
    reasons = [f"{name}: {_in_words(value)}" for name, value in shown.items() if value and name not in facts]
    return ". ".join(["Sent back to the supplier by hand", *reasons])[:1000]


def _in_words(value: Any) -> str:
    if isinstance(value, list):
        return " ".join(_in_words(entry) for entry in value)
    if isinstance(value, dict):
        return str(value.get("message") or " ".join(map(_in_words, value.values())))
    return str(value)
