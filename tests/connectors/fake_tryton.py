"""Tryton's REST door as it was seen to behave (8.2): tagged values, JSON and HTML refusals, no idempotency."""

from __future__ import annotations

import base64
import itertools
import json
import threading
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

KEY = "k" * 40


class FakeTryton:
    """Parties, currencies and invoices. ``fail`` maps a step (create, post, read, delete) to a failure."""

    def __init__(self) -> None:
        self.invoices: dict[int, dict[str, Any]] = {}
        self.fail: dict[str, str] = {}
        self.posted_year = "2026"
        self._ids = itertools.count(1)
        handler = type("Handler", (Handler,), {"tryton": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}/corp"

    def __enter__(self) -> FakeTryton:
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def states(self) -> list[str]:
        return [invoice["state"] for invoice in self.invoices.values()]

    def make(self, values: dict[str, Any]) -> dict[str, Any]:
        lines = values["lines"][0][1]
        total = sum(Decimal(line["unit_price"]["decimal"]) * line["quantity"] for line in lines)
        invoice = {
            **values,
            "id": next(self._ids),
            "state": "draft",
            "number": None,
            "total_amount": {"__class__": "Decimal", "decimal": f"{total:.2f}"},
        }
        self.invoices[invoice["id"]] = invoice
        return invoice


class Refused(Exception):
    def __init__(self, status: int, message: str, *, html: bool = False) -> None:
        self.status, self.message, self.html = status, message, html


class Handler(BaseHTTPRequestHandler):
    tryton: FakeTryton
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        pass

    def handle_one(self, method: str) -> None:
        size = int(self.headers.get("Content-Length") or 0)
        body = json.loads(self.rfile.read(size) or b"null")
        try:
            if self.headers.get("Authorization") != f"Bearer {KEY}":
                raise Refused(401, "Unauthorized", html=True)
            context = json.loads(base64.urlsafe_b64decode(self.headers["X-Tryton-Context"]))
            assert context in ({"company": 1}, {})
            answer = self.route(method, body)
        except Refused as refused:
            if refused.html:
                return self.answer(refused.status, f"<!doctype html><h1>{refused.message}</h1>", "text/html")
            said = {"status": refused.status, "message": refused.message, "description": ""}
            return self.answer(refused.status, json.dumps(said), "application/json")
        if answer is None:
            return self.answer(204, "", "text/plain")
        return self.answer(200, json.dumps(answer), "application/json")

    def do_GET(self) -> None:
        self.handle_one("GET")

    def do_POST(self) -> None:
        self.handle_one("POST")

    def do_DELETE(self) -> None:
        self.handle_one("DELETE")

    def route(self, method: str, body: Any) -> Any:
        address = urlsplit(self.path)
        model, *rest = unquote(address.path).removeprefix("/corp/rest/model/").split("/")
        if method == "GET" and not rest:
            return self.search(model, parse_qs(address.query))
        if method == "POST" and not rest:
            self.failing("create", before=True)
            made = self.tryton.make(body)
            self.failing("create")
            return {"id": made["id"], "__name__": model, "rec_name": "x"}
        invoice = self.tryton.invoices.get(int(rest[0]))
        if invoice is None:
            raise Refused(404, "Not Found", html=True)
        if method == "GET":
            self.failing("read")
            return invoice
        if method == "DELETE":
            self.failing("delete", before=True)
            del self.tryton.invoices[invoice["id"]]
            return None
        return self.post(invoice)

    def search(self, model: str, query: dict[str, list[str]]) -> list[Any]:
        domain = json.loads(base64.urlsafe_b64decode(query["d"][0]))
        if model == "party.party":
            known = [{"id": 2, "code": "S-1", "name": "Baltic", "addresses": [{"id": 9}]}]
        elif model == "currency.currency":
            known = [{"id": 1, "code": "EUR"}]
        elif model == "account.invoice":
            self.failing("search")
            known = list(self.tryton.invoices.values())
        else:
            known = [{"id": 1}]
        return [one for one in known if all(one.get(field) == value for field, _, value in domain)]

    def post(self, invoice: dict[str, Any]) -> Any:
        self.failing("post", before=True)
        if invoice["state"] != "draft":
            raise Refused(400, 'You can not call "post"')
        if str(invoice["invoice_date"]["year"]) != self.tryton.posted_year:
            raise Refused(400, "To continue, you must create a period")
        invoice.update(state="posted", number=str(invoice["id"]))
        self.failing("post")
        return {"id": invoice["id"]}

    def failing(self, step: str, *, before: bool = False) -> None:
        """Fail as told: 403, 400 and 500 before the effect, done_500 after it."""
        mode = self.tryton.fail.get(step, "")
        if before and mode == "403":
            raise Refused(403, "Forbidden", html=True)
        if before and mode == "400":
            raise Refused(400, "You are not allowed to access")
        if mode == "500" or (mode == "done_500" and not before):
            raise Refused(500, "Internal Server Error", html=True)

    def answer(self, status: int, text: str, kind: str) -> None:
        content = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)
