"""Somebody else's system, for tests: a real HTTP server that counts its effects and fails on request.

In a thread: ``with FakeSystem() as fake: ...``; as a process of its own: ``python -m tests.fakes PORT``. Both
are steered over HTTP too (``POST /_control``, ``GET /_effects``), by tests that did not start the server.
"""

from __future__ import annotations

import json
import socket
import struct
import sys
import threading
import time
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

KEY = "fake-system-key-0123456789"
# mode -> (the effect happens, then ...)
MODES = {
    "ok": (True, "answer"),
    "effect_then_500": (True, "500"),
    "effect_then_hang": (True, "hang"),
    "effect_then_reset": (True, "reset"),
    "effect_then_html": (True, "html"),
    "hang": (False, "hang"),
    "reset": (False, "reset"),
    "500": (False, "500"),
    "503": (False, "503"),
    "429": (False, "429"),
    "422": (False, "422"),
}


class FakeSystem:
    """An invoice book. ``effects`` holds every invoice that was really made, in order."""

    def __init__(self, port: int = 0, *, key: str = KEY) -> None:
        self.key = key
        self.effects: list[dict[str, Any]] = []
        self.requests: list[dict[str, Any]] = []
        self.latency = 0.0
        self.hang_seconds = 30.0
        self.most_at_once = 0
        self.extra: dict[str, Any] = {}
        self._modes: list[str] = []
        self._stubborn: tuple[str, int] = ("", 0)
        self._refused: Counter[str] = Counter()
        self._at_once = 0
        self._lock = threading.Lock()
        self._closing = threading.Event()
        self._server = ThreadingHTTPServer(("127.0.0.1", port), type("Handler", (Handler,), {"fake": self}))
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def start(self) -> FakeSystem:
        self._thread.start()
        return self

    def stop(self) -> None:
        self._closing.set()
        self._server.shutdown()
        self._server.server_close()

    __enter__ = start

    def __exit__(self, *_: object) -> None:
        self.stop()

    def fail_next(self, mode: str, times: int = 1) -> None:
        """Make the next ``times`` writes end in a mode of MODES."""
        assert mode in MODES, mode
        with self._lock:
            self._modes += [mode] * times

    def refuse_first(self, ending: str, times: int) -> None:
        """Refuse (422) the first ``times`` writes of each invoice whose number ends so, before any mode."""
        with self._lock:
            self._stubborn = (ending, times)

    def _refuses(self, invoice: dict[str, Any]) -> bool:
        number, (ending, times) = str(invoice.get("number", "")), self._stubborn
        with self._lock:
            if not ending or not number.endswith(ending) or self._refused[number] >= times:
                return False
            self._refused[number] += 1
            return True

    def calm(self) -> None:
        """Let every write from now on end well."""
        with self._lock:
            self._modes.clear()

    def count(self, reference: str = "") -> int:
        """Return how many invoices were made (with this reference)."""
        with self._lock:
            return sum(1 for effect in self.effects if not reference or effect.get("reference") == reference)

    def _next_mode(self) -> str:
        with self._lock:
            return self._modes.pop(0) if self._modes else "ok"

    def _entered(self, change: int) -> None:
        with self._lock:
            self._at_once += change
            self.most_at_once = max(self.most_at_once, self._at_once)

    def _effect(self, invoice: dict[str, Any]) -> dict[str, Any]:
        with self._lock:
            made = {"id": f"inv-{len(self.effects) + 1}", "state": "posted", **invoice}
            self.effects.append(made)
            return made


class Handler(BaseHTTPRequestHandler):
    fake: FakeSystem
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        path = urlsplit(self.path)
        if path.path == "/_effects":
            return self._answer(200, {"effects": self.fake.effects})
        if not self._allowed():
            return None
        time.sleep(self.fake.latency)
        if path.path == "/health":
            return self._answer(200, {"status": "ok"})
        if path.path == "/invoices":
            asked = {name: values[0] for name, values in parse_qs(path.query).items()}
            found = [e for e in list(self.fake.effects) if all(str(e.get(n)) == v for n, v in asked.items())]
            return self._answer(200, {"items": found})
        return self._answer(404, {"detail": "no such page"})

    def do_POST(self) -> None:
        size = int(self.headers.get("Content-Length") or 0)
        sent = self.rfile.read(size)
        if len(sent) < size:  # whoever sent it was killed: half a request has no effect
            self.close_connection = True
            return None
        body = json.loads(sent or b"{}")
        if self.path == "/_control":
            self.fake.latency = body.get("latency", self.fake.latency)
            self.fake.hang_seconds = body.get("hang_seconds", self.fake.hang_seconds)
            if body.get("calm"):
                self.fake.calm()
            if "refuse_first" in body:
                self.fake.refuse_first(body["refuse_first"], body.get("times", 1))
            elif "mode" in body:
                self.fake.fail_next(body["mode"], body.get("times", 1))
            return self._answer(200, {})
        if not self._allowed():
            return None
        self.fake.requests.append({"path": self.path, "headers": dict(self.headers), "body": body})
        self.fake._entered(1)
        try:
            return self._write(body)
        finally:
            self.fake._entered(-1)

    def _write(self, body: dict[str, Any]) -> None:
        happens, then = MODES["422" if self.fake._refuses(body) else self.fake._next_mode()]
        time.sleep(self.fake.latency)
        made = self.fake._effect(body) if happens else {}
        if then == "answer":
            return self._answer(201, {**made, **self.fake.extra})
        if then == "hang":
            self.fake._closing.wait(self.fake.hang_seconds)
            self.close_connection = True
            return None
        if then == "reset":
            return self._reset()
        if then == "html":
            return self._answer(200, "<h1>Please sign in</h1>")
        return self._answer(int(then), {"detail": f"the fake system says {then}"})

    def _allowed(self) -> bool:
        if self.fake.key and self.headers.get("Authorization") != f"Bearer {self.fake.key}":
            self._answer(401, {"detail": "wrong key"})
            return False
        return True

    def _answer(self, status: int, body: Any) -> None:
        content = body.encode() if isinstance(body, str) else json.dumps(body).encode()
        self.send_response(status)
        kind = "text/html" if isinstance(body, str) else "application/json"
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def _reset(self) -> None:
        linger = struct.pack("ii", 1, 0)
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self.connection.close()
        self.close_connection = True


MONEY = {
    "type": "object",
    "additionalProperties": False,
    "required": ["minor", "currency"],
    "properties": {
        "minor": {"type": "integer", "minimum": 0},
        "currency": {"type": "string", "pattern": "^[A-Z]{3}$"},
    },
}
POST_SCHEMA = {
    "type": "object",
    "additionalProperties": False,
    "required": ["supplier", "number", "total"],
    "properties": {
        "supplier": {"type": "string", "minLength": 1, "maxLength": 60},
        "number": {"type": "string", "minLength": 1, "maxLength": 60},
        "note": {"type": "string", "format": "free-text", "maxLength": 500},
        "total": MONEY,
    },
}
FIND_SCHEMA = {
    "type": "object",
    "additionalProperties": False,
    "properties": {
        "reference": {"type": "string", "maxLength": 40},
        "supplier": {"type": "string", "maxLength": 60},
        "number": {"type": "string", "maxLength": 60},
    },
}
POST_MAPPING = {
    "request": {
        "method": "POST",
        "path": "/invoices",
        "body": {
            "supplier": {"$arg": "/supplier"},
            "number": {"$arg": "/number"},
            "note": {"$arg": "/note", "optional": True},
            "amount": {"$decimal": {"$arg": "/total"}},
            "reference": {"$reference": True},
        },
    },
    "success": [201],
    "result": {"id": "/id", "state": "/state"},
    "remote_ref": "/id",
    "read_back": {"/amount": {"$decimal": {"$arg": "/total"}}},
}
FIND_MAPPING = {
    "request": {
        "method": "GET",
        "path": "/invoices",
        "query": {
            "reference": {"$arg": "/reference", "optional": True},
            "supplier": {"$arg": "/supplier", "optional": True},
            "number": {"$arg": "/number", "optional": True},
        },
    },
    "find": {"items": "/items"},
    "result": {"items": "/items", "amount": "/items/0/amount"},
    "remote_ref": "/items/0/id",
}


def install(fake: FakeSystem, *, code: str = "fake", **fields: Any) -> dict[str, Any]:
    """Install a fake as a system; return it with its operations ``<code>.invoice.post`` and ``.find``.

    ``fields`` go to the System, e.g. ``max_concurrent=2, read_timeout=1``.
    """
    from audit.vocabulary import Actor
    from connectors.services import publish_operation, save_account, save_system

    actor, reason = Actor.system("tests"), "set up for a test"
    system = save_system(
        actor=actor,
        reason=reason,
        code=code,
        name=f"The {code} system",
        category="erp",
        kind="http",
        environment="test",
        base_url=fake.url,
        private_networks=["127.0.0.1/32"],
        config={"test_path": "/health"},
        **{"connect_timeout": 1, "read_timeout": 2, "total_timeout": 4, **fields},
    )
    account = save_account(actor=actor, system=system, name="clerk", secret=fake.key, reason=reason)
    find = publish_operation(
        actor=actor,
        system=system,
        code=f"{code}.invoice.find",
        name="Find an invoice",
        effect="read",
        idempotent=True,
        input_schema=FIND_SCHEMA,
        mapping=FIND_MAPPING,
        reason=reason,
    )
    post = publish_operation(
        actor=actor,
        system=system,
        code=f"{code}.invoice.post",
        name="Post an invoice",
        effect="financial",
        money_path="/total",
        lookup_operation=find,
        reference_field="reference",
        label_template="Invoice {number} of {supplier}",
        input_schema=POST_SCHEMA,
        mapping=POST_MAPPING,
        reason=reason,
    )
    return {"system": system, "account": account, "find": find, "post": post}


def arguments(number: str = "RE-1", minor: int = 12_300, **more: Any) -> dict[str, Any]:
    """Return arguments that fit ``<code>.invoice.post``."""
    return {"supplier": "S-1", "number": number, "total": {"minor": minor, "currency": "EUR"}, **more}


if __name__ == "__main__":
    server = FakeSystem(int(sys.argv[1]))
    print(server.url, flush=True)
    server._server.serve_forever(0.02)
