"""A thin REST driver: one JSON request per operation, described as data.

    {"request": {"method": "POST", "path": "/suppliers/{/supplier}/invoices", "query": {}, "body": {}},
     "success": [201], "result": {"number": "/number"}, "remote_ref": "/id",
     "errors": [{"status": 409, "code": "duplicate", "message": "/detail"}]}

A look-up adds ``"find": {"items": "/items", "absent": [404]}`` and, for what happens in stages,
``"stage": {"pointer": "/items/0/state", "done": ["posted"]}``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jsonschema import Draft202012Validator

from connectors.egress import Client, Reply
from connectors.engine import ABSENT, Scope, TemplateError, at, fill, fill_path, problems_of
from connectors.exceptions import DriverError, NotSent, OutcomeUnknown, Rejected
from connectors.kinds.http.by_hand import offer_by_hand
from connectors.kinds.http.openapi import offers_of
from connectors.vocabulary import DriverRequest, DriverResult, Needs, Offer

STATUS = {"type": "integer", "minimum": 100, "maximum": 599}
POINTER = {"type": "string", "pattern": "^(/.*)?$"}
MAPPING: dict[str, Any] = {
    "type": "object",
    "required": ["request"],
    "additionalProperties": False,
    "properties": {
        "request": {
            "type": "object",
            "required": ["method", "path"],
            "additionalProperties": False,
            "properties": {
                "method": {"enum": ["GET", "POST", "PUT", "PATCH", "DELETE"]},
                "path": {"type": "string", "pattern": r"^/([^{}]|\{/[^{}]*\})*$", "maxLength": 500},
                "query": {"type": "object"},
                "headers": {"type": "object"},
                "body": {},
            },
        },
        "success": {"type": "array", "items": STATUS, "minItems": 1},
        "result": {"type": "object", "additionalProperties": POINTER},
        "remote_ref": POINTER,
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["status", "code"],
                "additionalProperties": False,
                "properties": {
                    "status": STATUS,
                    "code": {"type": "string", "pattern": "^[a-z_]{3,40}$"},
                    "message": POINTER,
                    "outcome": {"enum": ["failed", "not_sent", "unknown"]},
                },
            },
        },
        "find": {
            "type": "object",
            "additionalProperties": False,
            "properties": {"items": POINTER, "absent": {"type": "array", "items": STATUS}},
        },
        "stage": {
            "type": "object",
            "required": ["pointer", "done"],
            "additionalProperties": False,
            "properties": {"pointer": POINTER, "done": {"type": "array", "items": {"type": "string"}}},
        },
        "read_back": {"type": "object"},
    },
}
# Nothing was done (RFC 6585); from 500 up there may have been an effect.
NOTHING_DONE = {429: "busy"}
MAY_BE_DONE = {408}
NEEDS = Needs(
    title="A system with a web interface (REST and JSON)",
    summary="Most systems of the last ten years: shops, CRM, ticket systems, your own software. "
    "Whoever looks after it knows its address and can give you a key.",
    address="https://crm.example.com/api",
    settings={
        "type": "object",
        "additionalProperties": False,
        "properties": {
            "test_path": {
                "type": "string",
                "maxLength": 200,
                "title": "What is read to test it",
                "description": "A page below the address that changes nothing, e.g. /health or /me. "
                "Empty: the address itself.",
            }
        },
    },
    account="Ask whoever looks after the system for an API key of its own for this portal, with as few rights "
    "as the work needs.",
    descriptions="OpenAPI 3, as JSON or YAML. Often found at /openapi.json of the system.",
    by_hand=True,
)
ERROR_OF_OUTCOME: dict[str, type[DriverError]] = {
    "failed": Rejected,
    "not_sent": NotSent,
    "unknown": OutcomeUnknown,
}


class HttpDriver:
    """Speaks plain REST and JSON."""

    in_process = False
    needs = NEEDS

    def offers(self, text: str) -> list[Offer]:
        """Return the operations that an OpenAPI description names; raises ValueError when it is none."""
        return offers_of(text)

    def offer_by_hand(self, given: Mapping[str, Any]) -> Offer:
        """Return the operation that somebody described field by field; raises ValueError."""
        return offer_by_hand(given)

    def perform(self, request: DriverRequest) -> DriverResult:
        """Send the one request the mapping describes and read the answer as it says."""
        mapping = request.mapping
        scope = Scope(request.arguments, request.system.config, request.reference)
        with Client(request.system, request.passage, request.credential) as client:
            reply = _send(client, mapping["request"], scope, request)
        if reply.status in mapping.get("find", {}).get("absent", []):
            return DriverResult(status=reply.status, excerpt=reply.excerpt, found=False)
        if reply.status not in mapping.get("success", range(200, 300)):
            raise _error(reply, mapping)
        return _result(reply, mapping)

    def test_connection(self, request: DriverRequest) -> DriverResult:
        """Read ``config.test_path`` (or the address itself); any answer below 400 will do."""
        path = [part for part in str(request.system.config.get("test_path", "")).split("/") if part]
        with Client(request.system, request.passage, request.credential) as client:
            reply = client.send("GET", path)
        request.note(step="test", method="GET", status=reply.status)
        if reply.status >= 400:
            raise Rejected(
                f"status_{reply.status}",
                f"It answered {reply.status}. Check the address, the test path and the account.",
                status=reply.status,
                excerpt=reply.excerpt,
            )
        return DriverResult(status=reply.status, excerpt=reply.excerpt)

    def resumes(self, mapping: Mapping[str, Any]) -> bool:
        """One request is all or nothing: there is nothing to go on from."""
        return False

    def check_mapping(self, mapping: Mapping[str, Any]) -> list[str]:
        """Return what is wrong with a mapping, in words."""
        found = [
            f"/{'/'.join(map(str, error.absolute_path))}: {error.message[:200]}"
            for error in Draft202012Validator(MAPPING).iter_errors(mapping)
        ]
        if not found:
            asked = mapping["request"]
            found += problems_of([asked.get("query", {}), asked.get("headers", {}), asked.get("body")])
            found += problems_of(mapping.get("read_back", {}))
        return found


def _send(client: Client, asked: Mapping[str, Any], scope: Scope, request: DriverRequest) -> Reply:
    try:
        path = fill_path(asked["path"], scope)
        query = fill(asked.get("query", {}), scope)
        headers = fill(asked.get("headers", {}), scope)
        body = fill(asked["body"], scope) if "body" in asked else None
    except TemplateError as error:
        raise Rejected("mapping_failed", f"The request could not be put together: {error}") from error
    step = {"step": "request", "method": asked["method"], "path": "/" + "/".join(path)}
    try:
        reply = client.send(
            asked["method"],
            path,
            query=[(name, _text(value)) for name, value in query.items()],
            headers={name: _text(value) for name, value in headers.items()},
            body=body,
        )
    except DriverError as error:
        request.note(**step, error=error.code)
        raise
    request.note(**step, status=reply.status)
    return reply


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str | int):
        return str(value)
    raise Rejected("mapping_failed", "A query or header can only be a text or a whole number.")


def _result(reply: Reply, mapping: Mapping[str, Any]) -> DriverResult:
    document = _document(reply, mapping)
    output = {}
    for name, pointer in mapping.get("result", {}).items():
        value = at(document, pointer)
        if value is ABSENT and "find" not in mapping:
            raise _not_as_described(reply, f"{pointer} is missing")
        if value is not ABSENT:
            output[name] = value
    ref = at(document, mapping["remote_ref"]) if "remote_ref" in mapping else ABSENT
    stage = _stage(document, mapping)
    return DriverResult(
        output=output,
        remote_ref="" if ref is ABSENT else str(ref),
        status=reply.status,
        excerpt=reply.excerpt,
        found=_found(document, mapping),
        stage=stage,
        complete="stage" not in mapping or stage in mapping["stage"]["done"],
    )


def _document(reply: Reply, mapping: Mapping[str, Any]) -> Any:
    wanted = any(word in mapping for word in ("result", "remote_ref", "find", "stage"))
    if not reply.body and not wanted:
        return None
    try:
        return reply.json()
    except ValueError as error:
        if not wanted:
            return None
        # A sign-in page with status 200 is no success, and no proof of failure either.
        raise _not_as_described(reply, "it is not JSON") from error


def _found(document: Any, mapping: Mapping[str, Any]) -> bool | None:
    if "find" not in mapping:
        return None
    items = at(document, mapping["find"].get("items", ""))
    return bool(items) and items is not ABSENT


def _stage(document: Any, mapping: Mapping[str, Any]) -> str:
    value = at(document, mapping["stage"]["pointer"]) if "stage" in mapping else ABSENT
    return "" if value is ABSENT else str(value)


def _not_as_described(reply: Reply, why: str) -> OutcomeUnknown:
    return OutcomeUnknown(
        "answer_unexpected",
        f"It answered {reply.status}, but not as described: {why}.",
        status=reply.status,
        excerpt=reply.excerpt,
    )


def _error(reply: Reply, mapping: Mapping[str, Any]) -> DriverError:
    for known in mapping.get("errors", []):
        if known["status"] == reply.status:
            kind = ERROR_OF_OUTCOME[known.get("outcome", "failed")]
            return kind(known["code"], _message(reply, known), status=reply.status, excerpt=reply.excerpt)
    words = f"It answered {reply.status}: {_message(reply, {})}"
    if code := NOTHING_DONE.get(reply.status):
        return NotSent(code, words, status=reply.status, excerpt=reply.excerpt)
    if 400 <= reply.status < 500 and reply.status not in MAY_BE_DONE:
        return Rejected(f"status_{reply.status}", words, status=reply.status, excerpt=reply.excerpt)
    return OutcomeUnknown(f"status_{reply.status}", words, status=reply.status, excerpt=reply.excerpt)


def _message(reply: Reply, known: Mapping[str, Any]) -> str:
    try:
        document = reply.json()
    except ValueError:
        return reply.text[:200]
    for pointer in [known["message"]] if "message" in known else ["/detail", "/message", "/error", "/title"]:
        value = at(document, pointer)
        if isinstance(value, str):
            return value[:500]
    return reply.text[:200]


driver = HttpDriver()
