"""The load: runs are started over the API all the time, a person settles what waits for people, one tells runs
that the goods are in, and an operator pauses, resumes, cancels and retries whatever comes along."""

from __future__ import annotations

import itertools
import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx

from tests.chaos.company import SIGNAL, WORKFLOWS

CSRF = "c" * 32


class Away(Exception):
    """The portal said that it cannot answer now."""


AWAY = (httpx.HTTPError, Away)


@dataclass
class Person:
    """Somebody with a session in a browser, which outlives whatever becomes of the portal."""

    address: str
    session: str

    def __post_init__(self) -> None:
        cookies = {"sessionid": self.session, "csrftoken": CSRF}
        headers = {"Referer": self.address, "Origin": self.address, "X-CSRFToken": CSRF}
        self.http = httpx.Client(base_url=f"{self.address}/api/v1", timeout=15, trust_env=False)
        self.http.cookies.update(cookies)
        self.http.headers.update({**headers, "Accept": "application/json"})

    def api(self, method: str, path: str, body: Any = None, **params: Any) -> httpx.Response:
        """Call the API; raises one of AWAY when there is no answer that means anything."""
        reply = self.http.request(method, path, json=body, params=params or None)
        if reply.status_code >= 500:
            raise Away(f"{method} {path}: {reply.status_code}")
        return reply


@dataclass
class Load:
    """What was asked for, and people who go on until they are told to stop."""

    address: str
    sessions: Mapping[str, str]
    at_once: int
    accepted: dict[str, str] = field(default_factory=dict)  # key: workflow
    runs: dict[str, str] = field(default_factory=dict)  # key: id
    wrong: list[str] = field(default_factory=list)  # what the portal should not have answered
    steered: Counter[str] = field(default_factory=Counter)  # verb: how often it was done
    seed: int = 4711
    _over: threading.Event = field(default_factory=threading.Event)
    _enough: threading.Event = field(default_factory=threading.Event)

    def start(self) -> None:
        """Let the people begin."""
        for duty in (self._start_runs, self._settle, self._tell, self._operate):
            threading.Thread(target=self._go_on, args=(duty,), daemon=True).start()

    def enough(self) -> None:
        """Start no more runs, and hinder none any more: what is paused goes on."""
        self._enough.set()

    def stop(self) -> None:
        """Let the people go home."""
        self._over.set()

    def _go_on(self, duty: Callable[[], None]) -> None:
        while not self._over.is_set():
            try:
                duty()
            except AWAY:
                time.sleep(0.5)
            except Exception as error:  # noqa: BLE001 - whatever it is belongs into the verdict
                self.wrong.append(f"{duty.__name__}: {error!r}"[:500])
                time.sleep(0.5)

    def _start_runs(self) -> None:
        alice = Person(self.address, self.sessions["alice"])
        for number in itertools.count(len(self.accepted)):
            if self._enough.is_set():
                self._over.wait(1)
                return
            workflow = list(WORKFLOWS)[number % len(WORKFLOWS)]
            self._start_one(alice, workflow, f"chaos-{number}")
            while not self._enough.is_set() and self._open(alice) >= self.at_once:
                self._over.wait(0.7)

    def _start_one(self, alice: Person, workflow: str, key: str) -> None:
        """Ask until it is accepted: the key makes sure that it is one run."""
        while not self._over.is_set():
            try:
                reply = alice.api("POST", "/runs", {"workflow": workflow, "input": {}, "key": key})
            except AWAY:
                time.sleep(0.3)
                continue
            assert reply.status_code in (200, 201), reply.text
            self.runs[key], self.accepted[key] = reply.json()["id"], workflow
            return

    def _open(self, alice: Person) -> int:
        try:
            return len(alice.api("GET", "/runs", state="running", page_size=100).json()["results"])
        except AWAY:
            return 0

    def _settle(self) -> None:
        bob = Person(self.address, self.sessions["bob"])
        while not self._over.is_set():
            waiting = bob.api("GET", "/tasks", kind="human_work", state="open").json()["results"]
            taken = bob.api("GET", "/tasks", kind="human_work", state="claimed").json()["results"]
            for task in [*waiting, *taken]:
                claimed = bob.api("POST", f"/tasks/{task['id']}/claim", {})
                if claimed.status_code == httpx.codes.OK:
                    done = {"epoch": claimed.json()["epoch"], "answer": {"note": "seen"}}
                    bob.api("POST", f"/tasks/{task['id']}/complete", done)
            self._over.wait(1)

    def _tell(self) -> None:
        """Tell each run that the goods are in, early or late, and again, as one does that hears nothing."""
        alice, told = Person(self.address, self.sessions["alice"]), set[str]()
        while not self._over.is_set():
            for key in [key for key, workflow in list(self.accepted.items()) if workflow == "whole"]:
                if key in told:
                    continue
                body = {"name": SIGNAL, "payload": {"of": key}, "dedup_key": "goods"}
                replies = {alice.api("POST", f"/runs/{self.runs[key]}/signals", body).status_code for _ in "12"}
                assert replies <= {200, 201, 409}, replies  # 409: the run is over
                self.steered["signal"] += 201 in replies
                told.add(key)
            self._over.wait(1.5)

    def _operate(self) -> None:
        """Pause runs and let them go on, cancel a few, and retry what waits for an operator."""
        dave, chance = Person(self.address, self.sessions["dave"]), random.Random(self.seed)
        while not self._over.is_set():
            waiting = dave.api("GET", "/runs", state="incident", page_size=100).json()["results"]
            for run in waiting:
                self._steer(dave, run, "resume" if run["is_paused"] else "retry")
            running = dave.api("GET", "/runs", state="running", page_size=100).json()["results"]
            for run in running:
                if run["is_paused"] and (self._enough.is_set() or chance.random() < 0.5):
                    self._steer(dave, run, "resume")
            if running and not self._enough.is_set():
                self._steer(dave, chance.choice(running), "cancel" if chance.random() < 0.1 else "pause")
            self._over.wait(1)

    def _steer(self, dave: Person, run: Mapping[str, Any], verb: str) -> None:
        """Do it, or be refused: somebody else, or a fault, may have been faster."""
        reply = dave.api("POST", f"/runs/{run['id']}/{verb}", {"reason": "played by the chaos"})
        assert reply.status_code in (200, 409), reply.text
        self.steered[verb] += reply.status_code == httpx.codes.OK
