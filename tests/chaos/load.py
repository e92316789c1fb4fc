"""The load: runs are started over the API all the time, and a person settles what waits for people."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx

from tests.chaos.company import WORKFLOWS

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
    """What was asked for, and two people who go on until they are told to stop."""

    address: str
    sessions: Mapping[str, str]
    at_once: int
    accepted: dict[str, str] = field(default_factory=dict)  # key: workflow
    runs: dict[str, str] = field(default_factory=dict)  # key: id
    _over: threading.Event = field(default_factory=threading.Event)
    _enough: threading.Event = field(default_factory=threading.Event)

    def start(self) -> None:
        """Let the people begin."""
        for duty in (self._start_runs, self._settle):
            threading.Thread(target=self._go_on, args=(duty,), daemon=True).start()

    def enough(self) -> None:
        """Start no more runs."""
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
            self.accepted[key], self.runs[key] = workflow, reply.json()["id"]
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
