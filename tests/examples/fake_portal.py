"""As much of a portal as an agent can see: tasks, documents, actions, and a small ERP behind them."""

from __future__ import annotations

import hashlib
import json
import threading
import uuid
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

Json = dict[str, Any]
NOT_DONE = {"rejected": 403, "denied": 403, "failed": 422, "expired": 403}


@dataclass
class FakePortal:
    """What stands in it, what it should answer, and what it was asked."""

    tasks: list[Json] = field(default_factory=list)
    documents: dict[str, bytes] = field(default_factory=dict)
    parties: list[Json] = field(default_factory=list)
    orders: list[Json] = field(default_factory=list)
    invoices: list[Json] = field(default_factory=list)
    # What becomes of an operation: (state, code), in this order; then it is done.
    fates: dict[str, list[tuple[str, str]]] = field(default_factory=dict)
    # Answers in front of everything else: (part of the path, status, headers, body), each used once.
    troubles: list[tuple[str, int, dict[str, str], Json]] = field(default_factory=list)
    moves: list[tuple[str, Json]] = field(default_factory=list)
    wishes: list[tuple[str, Json]] = field(default_factory=list)
    actions: dict[str, Json] = field(default_factory=dict)
    by_key: dict[str, tuple[str, Json]] = field(default_factory=dict)
    entered: threading.Event = field(default_factory=threading.Event)
    slow: threading.Event | None = None
    lock: threading.Lock = field(default_factory=threading.Lock)

    def offer(self, key: str = "run:node:1", documents: tuple[str, ...] = (), **given: Any) -> Json:
        """Put a task in the queue."""
        shown = [
            {"id": found, "sha256": hashlib.sha256(self.documents[found]).hexdigest()} for found in documents
        ]
        task = {"id": str(uuid.uuid4()), "key": key, "epoch": 0, "input": given, "documents": shown}
        self.tasks.append(task)
        return task

    def keep(self, content: bytes) -> str:
        """Keep a document and return its id."""
        self.documents[found := str(uuid.uuid4())] = content
        return found

    def asked(self, operation: str) -> list[tuple[str, Json]]:
        """Return key and arguments of every request for an operation."""
        return [(key, wish["arguments"]) for key, wish in self.wishes if wish["operation"] == operation]

    def answer(self, method: str, path: str, body: Json, key: str) -> tuple[int, Json | bytes]:
        """Answer one request."""
        if path == "/oauth/token":
            return 200, {"access_token": "t", "expires_in": 300}
        parts = path.removeprefix("/api/v1/").split("/")
        if parts[0] == "documents":
            return self._content(parts[1])
        with self.lock:
            if parts == ["tasks", "claim"]:
                return 200, {"tasks": self._claim()}
            if parts[0] == "tasks":
                return self._move(parts[1], parts[2], body)
            return self._ask(key, body) if parts == ["actions"] else (200, self.actions[parts[1]])

    def _content(self, document: str) -> tuple[int, Json | bytes]:
        self.entered.set()
        if self.slow:
            self.slow.wait(20)
        found = self.documents.get(document)
        return (404, {"code": "not_found"}) if found is None else (200, found)

    def _claim(self) -> list[Json]:
        for task in self.tasks:
            if not task.get("closed") and not task.get("held"):
                task["held"], task["epoch"] = True, task["epoch"] + 1
                return [task]
        return []

    def _move(self, task_id: str, verb: str, body: Json) -> tuple[int, Json]:
        task = next(task for task in self.tasks if task["id"] == task_id)
        if body["epoch"] != task["epoch"]:
            return 409, {"code": "task_stale", "detail": "Your claim is over."}
        self.moves.append((verb, body))
        if verb in ("complete", "fail"):
            task["closed"] = True
        elif verb == "release":
            task["held"] = bool(body.get("wait_for_action"))
            task["waits_for"] = body.get("wait_for_action")
        return 200, task

    def _ask(self, key: str, wish: Json) -> tuple[int, Json]:
        self.wishes.append((key, wish))
        print_of_it = {name: value for name, value in wish.items() if name != "task_epoch"}
        if key in self.by_key:
            action_id, before = self.by_key[key]
            if before != print_of_it:
                return 422, {
                    "code": "idempotency_key_reused",
                    "action": action_id,
                    "detail": "Another request.",
                }
        else:
            action_id = self._decide(wish)
            self.by_key[key] = (action_id, print_of_it)
        action = self.actions[action_id]
        if action["state"] in NOT_DONE:
            told = {**action, "action": action["id"], "detail": action["sentence"]}
            return NOT_DONE[action["state"]], {
                name: told[name] for name in ("code", "action", "state", "detail")
            }
        return (201 if action["state"] == "confirmed" else 202), action

    def _decide(self, wish: Json) -> str:
        fates = self.fates.get(wish["operation"], [])
        state, code = fates.pop(0) if fates else ("confirmed", "confirmed")
        action = {
            "id": str(uuid.uuid4()),
            "state": state,
            "code": code,
            "sentence": f"It was {code}.",
            "wish": wish,
        }
        action["result"] = self._do(wish) if state == "confirmed" else {}
        self.actions[action["id"]] = action
        return action["id"]

    def end(self, action_id: str, state: str, code: str) -> None:
        """Decide on what was held, and offer the task again that waited for it."""
        with self.lock:
            action = self.actions[action_id]
            result = self._do(action["wish"]) if state == "confirmed" else {}
            action |= {"state": state, "code": code, "sentence": f"It was {code}.", "result": result}
            for task in self.tasks:
                if task.get("waits_for") == action_id:
                    task["held"] = False

    def _do(self, wish: Json) -> Json:
        arguments = wish["arguments"]
        match wish["operation"]:
            case "erp.party.find":
                return {"items": [party for party in self.parties if _fits(party, arguments)]}
            case "erp.purchase_order.find":
                return {"items": [order for order in self.orders if order["number"] == arguments["number"]]}
            case "erp.supplier_invoice.find":
                return {"items": [each for each in self.invoices if each["number"] == arguments["number"]]}
            case "erp.party.create":
                numbers = [arguments["tax_number"]] if "tax_number" in arguments else []
                code = f"NEW-{len(self.parties)}"
                self.parties.append(
                    {
                        "code": code,
                        "name": arguments["name"],
                        "tax_numbers": numbers,
                        "accounts": [arguments["account"]],
                    }
                )
                return {"code": code, "name": arguments["name"]}
            case "erp.supplier_invoice.post":
                return {"entry": "B2026-00001", "state": "posted"}
        raise AssertionError(wish)


def _fits(party: Json, arguments: Json) -> bool:
    if "tax_number" in arguments:
        return arguments["tax_number"] in party["tax_numbers"]
    name = "code" if "code" in arguments else "name"
    return party[name].casefold() == arguments[name].casefold()


def serve(portal: FakePortal) -> ThreadingHTTPServer:
    """Serve a fake portal on a port of its own."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._answer()

        def do_POST(self) -> None:
            self._answer()

        def _answer(self) -> None:
            content = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            path = urlsplit(self.path).path
            trouble = next((found for found in portal.troubles if found[0] in path), None)
            headers: dict[str, str] = {}
            if trouble:
                portal.troubles.remove(trouble)
                _, status, headers, found = trouble
                if not status:
                    self.connection.close()  # as a portal does that is killed
                    return
            else:
                body = json.loads(content) if content.startswith(b"{") else {}
                status, found = portal.answer(self.command, path, body, self.headers.get("Idempotency-Key", ""))
            self._send(status, headers, found)

        def _send(self, status: int, headers: dict[str, str], found: Json | bytes) -> None:
            raw = isinstance(found, bytes)
            content = found if raw else json.dumps(found).encode()
            self.send_response(status)
            headers = {"Content-Type": "application/octet-stream" if raw else "application/json", **headers}
            for name, value in {**headers, "Content-Length": str(len(content))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *args: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    return server
