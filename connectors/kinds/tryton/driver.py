"""Tryton 8 over its REST door: find what is referred to, create one record, check it, press its buttons.

Tryton takes no idempotency key, so our own reference goes into a field of the record (``own`` finds it again).
An attempt that broke off is resumed from the record it left, never repeated. REST runs no on_change, so the
mapping names every field. Values: ``{"$amount": V}`` is a tagged Decimal, ``{"$date": V}`` a tagged date,
``{"$link": [model, id]}`` a reference to any model (left out when the id is absent).

    {"context": {"company": {"$config": "/company"}},
     "find": [{"as": "party", "model": "party.party", "domain": [["code", "=", {"$arg": "/supplier"}]],
               "fields": ["name", "addresses.id"], "missing": "unknown_supplier", "when": "/supplier"}],
     "agree": [{"values": [{"$arg": "/total/currency"}, T], "refused": "currencies_differ"}],
     "record": {"model": "account.invoice", "own": [["description", "=", {"$reference": true}]],
                "values": {"party": {"$found": "/party/id"}}, "fields": ["state", "number", "total_amount"]},
     "check": {"/total_amount": {"$decimal": {"$arg": "/total"}}},
     "buttons": [{"click": "post", "when": {"/state": ["draft", "validated"]}}],
     "done": {"/state": ["posted", "paid"]}, "discard": true, "result": {"number": "/number"}}

An entry of ``find`` with ``when`` is left out when there is no argument at that pointer. ``agree`` names values
that must all be the same (lists are opened), or nothing is sent. In ``result`` a part ``*`` opens a list,
and ``{"amount": pointer, "currency": pointer}`` is money in minor units.

A read has ``search`` (model, domain, fields, limit) in place of ``record`` and what follows it; clauses whose
argument is absent are left out, ``done`` tells a finished record from a begun one.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from jsonschema import Draft202012Validator

from connectors.egress import Client, Reply
from connectors.engine import ABSENT, Scope, TemplateError, at, decimal_text, fill, money_of, problems_of
from connectors.exceptions import DriverError, NotSent, OutcomeUnknown, Rejected
from connectors.kinds.tryton.catalogue import CATALOGUE, NEEDS
from connectors.policies.digests import is_reference
from connectors.vocabulary import DriverRequest, DriverResult

MODEL = {"type": "string", "pattern": r"^[a-z_]+(\.[a-z_]+)*$"}
FIELDS = {"type": "array", "items": {"type": "string", "pattern": r"^[a-z0-9_]+(\.[a-z0-9_]+)*$"}}
STATES = {"type": "object", "additionalProperties": {"type": "array"}, "minProperties": 1}
POINTER = {"type": "string", "pattern": "^(/.*)?$"}
RESULT = {
    "type": "object",
    "additionalProperties": {
        "oneOf": [
            POINTER,
            {
                "type": "object",
                "required": ["amount", "currency"],
                "additionalProperties": False,
                "properties": {"amount": POINTER, "currency": POINTER},
            },
        ]
    },
}
DOMAIN = {"type": "array", "minItems": 1}
MAPPING: dict[str, Any] = {
    "type": "object",
    "additionalProperties": False,
    "oneOf": [{"required": ["record", "done"]}, {"required": ["search"]}],
    "properties": {
        "context": {"type": "object"},
        "find": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["as", "model", "domain"],
                "additionalProperties": False,
                "properties": {
                    "as": {"type": "string"},
                    "model": MODEL,
                    "domain": DOMAIN,
                    "fields": FIELDS,
                    "missing": {"type": "string", "pattern": "^[a-z_]{3,40}$"},
                    "optional": {"type": "boolean"},
                    "when": {"type": "string", "pattern": "^/"},
                },
            },
        },
        "agree": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["values", "refused"],
                "additionalProperties": False,
                "properties": {
                    "values": {"type": "array", "minItems": 2},
                    "refused": {"type": "string", "pattern": "^[a-z_]{3,40}$"},
                },
            },
        },
        "record": {
            "type": "object",
            "required": ["model", "own", "values"],
            "additionalProperties": False,
            "properties": {"model": MODEL, "own": DOMAIN, "values": {"type": "object"}, "fields": FIELDS},
        },
        "search": {
            "type": "object",
            "required": ["model", "domain"],
            "additionalProperties": False,
            "properties": {
                "model": MODEL,
                "domain": DOMAIN,
                "fields": FIELDS,
                "limit": {"type": "integer", "minimum": 1, "maximum": 200},
            },
        },
        "check": {"type": "object"},
        "buttons": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["click", "when"],
                "additionalProperties": False,
                "properties": {"click": {"type": "string", "pattern": "^[a-z_]+$"}, "when": STATES},
            },
        },
        "done": STATES,
        "discard": {"type": "boolean"},
        "result": RESULT,
        "read_back": {"type": "object"},
    },
}
DEFAULT_LIMIT = 20
KEY_REFUSED = "Tryton does not accept the key of this account. Write a valid one."
_TAG = re.compile(r"<[^>]+>")


class TrytonDriver:
    """Speaks Tryton's REST."""

    in_process = False
    needs = NEEDS
    catalogue = CATALOGUE

    def perform(self, request: DriverRequest) -> DriverResult:
        """Search, or create and finish one record, as the mapping says."""
        with Client(request.system, request.passage, request.credential) as client:
            tryton = Tryton(client, request)
            return _search(tryton) if "search" in request.mapping else _write(tryton)

    def test_connection(self, request: DriverRequest) -> DriverResult:
        """Read one user's id, which every valid key may."""
        with Client(request.system, request.passage, request.credential) as client:
            found = Tryton(client, request).search(
                str(request.system.config.get("test_model", "res.user")), [], [], 1
            )
        return DriverResult(output={"count": len(found)}, status=200)

    def resumes(self, mapping: Mapping[str, Any]) -> bool:
        """A record that carries our reference is found again and finished."""
        return "record" in mapping

    def check_mapping(self, mapping: Mapping[str, Any]) -> list[str]:
        """Return what is wrong with a mapping, in words."""
        found = [
            f"/{'/'.join(map(str, error.absolute_path))}: {error.message[:200]}"
            for error in Draft202012Validator(MAPPING).iter_errors(mapping)
        ]
        if not found:
            parts = [mapping.get(word, {}) for word in ("context", "check", "read_back")]
            parts += [entry["domain"] for entry in mapping.get("find", [])]
            parts += [entry["values"] for entry in mapping.get("agree", [])]
            parts += [mapping.get("record", {}).get("values", {}), mapping.get("record", {}).get("own", [])]
            found = problems_of([*parts, mapping.get("search", {}).get("domain", [])], set(SPECIAL))
        return found


@dataclass(slots=True)
class Tryton:
    """One conversation: requests with the context of the operation, every one of them in the trail."""

    client: Client
    request: DriverRequest

    def scope(self, found: Mapping[str, Any] | None = None) -> Scope:
        """Return what templates may read."""
        return Scope(self.request.arguments, self.request.system.config, self.request.reference, found or {})

    def filled(self, template: Any, found: Mapping[str, Any] | None = None) -> Any:
        """Fill a template; what cannot be filled is refused before anything is sent."""
        try:
            return fill(template, self.scope(found), SPECIAL)
        except TemplateError as error:
            raise Rejected("mapping_failed", f"The request could not be put together: {error}") from error

    def search(self, model: str, domain: list[Any], fields: Iterable[str], limit: int) -> list[Any]:
        """Return records as plain JSON; a read that breaks off did nothing."""
        query = [("f", name) for name in fields] + [("d", _encoded(domain)), ("s", str(limit))]
        try:
            found = self._send("search", "GET", [model], query)
        except OutcomeUnknown as error:
            raise NotSent(error.code, error.message, status=error.status, excerpt=error.excerpt) from error
        return [plain(record) for record in found or []]

    def read(self, model: str, key: int, fields: Iterable[str]) -> Any:
        """Return one record as plain JSON."""
        return plain(self._send("read", "GET", [model, str(key)], [("f", name) for name in fields]))

    def create(self, model: str, values: Mapping[str, Any]) -> Any:
        """Create one record; return its id, or None when the account may create but not read."""
        made = self._send("create", "POST", [model], body=values)
        return made["id"] if made else None

    def click(self, model: str, key: int, button: str) -> None:
        """Press a button."""
        self._send(button, "POST", [model, str(key), button], body={})

    def delete(self, model: str, key: int) -> None:
        """Delete one record."""
        self._send("delete", "DELETE", [model, str(key)])

    def _send(
        self,
        step: str,
        method: str,
        path: list[str],
        query: Iterable[tuple[str, str]] = (),
        body: Any = None,
    ) -> Any:
        context = self.filled(self.request.mapping.get("context", {}))
        note = {"step": step, "method": method, "path": "/" + "/".join(path)}
        try:
            reply = self.client.send(
                method,
                ["rest", "model", *path],
                query=query,
                headers={"X-Tryton-Context": _encoded(context)},
                body=body,
            )
        except DriverError as error:
            self.request.note(**note, error=error.code)
            raise
        self.request.note(**note, status=reply.status)
        return _answer(reply)


def _search(tryton: Tryton) -> DriverResult:
    mapping = tryton.request.mapping
    wanted = mapping["search"]
    domain = _clauses(tryton, wanted["domain"], {})
    if not domain:
        raise Rejected("nothing_to_find", "Nothing was searched: say at least one thing to look for.")
    limit = wanted.get("limit", DEFAULT_LIMIT)
    records = tryton.search(wanted["model"], domain, wanted.get("fields", []), limit)
    first = records[0] if records else {}
    return DriverResult(
        output={"items": [_result(mapping, record) for record in records]},
        remote_ref=f"{wanted['model']},{first['id']}" if first else "",
        status=200,
        found=bool(records),
        stage=_stage(mapping, first),
        complete=bool(first) and _is_in(first, mapping.get("done", {})),
    )


def _write(tryton: Tryton) -> DriverResult:
    mapping = tryton.request.mapping
    wanted = mapping["record"]
    _agree(tryton)
    found = {entry["as"]: _one(tryton, entry) for entry in mapping.get("find", []) if _is_asked(tryton, entry)}
    values = tryton.filled(wanted["values"], found)
    key = _own(tryton, found)
    if key is None:
        made = tryton.create(wanted["model"], values)
        # An attempt given up as lost may have been late: then two records exist now, and none is made final.
        key = _seen(tryton, found)
        if made not in (None, key):
            raise OutcomeUnknown("record_unseen", f"Tryton made {made}, but our reference leads to {key}.")
    record = _finished(tryton, key, found)
    return DriverResult(
        output={"id": key, **_result(mapping, record)},
        remote_ref=f"{wanted['model']},{key}",
        status=200,
        excerpt=json.dumps(record)[:4096],
        stage=_stage(mapping, record),
    )


def _agree(tryton: Tryton) -> None:
    """Refuse what contradicts itself, such as a line in another currency than the total."""
    for entry in tryton.request.mapping.get("agree", []):
        values = list(_opened(tryton.filled(entry["values"])))
        if any(value != values[0] for value in values):
            shown = ", ".join(sorted({str(value)[:40] for value in values}))
            raise Rejected(entry["refused"], f"These should be the same and are not: {shown}. Correct it.")


def _opened(value: Any) -> Iterator[Any]:
    if not isinstance(value, list):
        yield value
        return
    for item in value:
        yield from _opened(item)


def _is_asked(tryton: Tryton, entry: Mapping[str, Any]) -> bool:
    return "when" not in entry or at(tryton.request.arguments, entry["when"]) is not ABSENT


def _one(tryton: Tryton, entry: Mapping[str, Any]) -> Any:
    domain = _clauses(tryton, entry["domain"], {})
    records = tryton.search(entry["model"], domain, entry.get("fields", []), 2) if domain else []
    if len(records) == 1:
        return records[0]
    if not records and entry.get("optional"):
        return {}
    how = "nothing" if not records else "more than one record"
    raise Rejected(
        entry.get("missing", "not_found"),
        f"Tryton has {how} for {entry['as']} ({json.dumps(domain, ensure_ascii=False)[:300]}). Correct it.",
    )


def _own(tryton: Tryton, found: Mapping[str, Any]) -> int | None:
    """Return the record an earlier attempt of the same action left; two of them are for a person to look at."""
    wanted = tryton.request.mapping["record"]
    records = tryton.search(wanted["model"], tryton.filled(wanted["own"], found), [], 3)
    if len(records) > 1:
        keys = ", ".join(str(record["id"]) for record in records)
        raise OutcomeUnknown(
            "several_records", f"Several records carry our reference: {keys}. Check them in Tryton."
        )
    return int(records[0]["id"]) if records else None


def _seen(tryton: Tryton, found: Mapping[str, Any]) -> int:
    """Return the record just made by an account that is not shown what it makes."""
    try:
        key = _own(tryton, found)
    except (Rejected, NotSent):
        key = None
    if key is None:
        raise OutcomeUnknown("record_unseen", "Tryton made the record, but this account may not read it.")
    return key


def _finished(tryton: Tryton, key: int, found: Mapping[str, Any]) -> Any:
    mapping = tryton.request.mapping
    model = mapping["record"]["model"]
    record = _read(tryton, key)
    if _is_in(record, mapping["done"]):
        return record
    _check(tryton, key, record, found)
    for button in mapping.get("buttons", []):
        if not _is_in(record, button["when"]):
            continue
        try:
            tryton.click(model, key, button["click"])
        except NotSent as error:
            raise OutcomeUnknown("not_finished", f"{model} {key} is begun: {error.message}") from error
        except Rejected as error:
            record = _read(tryton, key)
            if not _is_in(record, mapping["done"]):
                raise _discarded(tryton, key, error) from error
        record = _read(tryton, key)
    if not _is_in(record, mapping["done"]):
        raise OutcomeUnknown(
            "not_finished", f"{model} {key} stays in {_stage(mapping, record)}. Look at it in Tryton."
        )
    return record


def _read(tryton: Tryton, key: int) -> Any:
    wanted = tryton.request.mapping["record"]
    try:
        return tryton.read(wanted["model"], key, wanted.get("fields", []))
    except (Rejected, NotSent) as error:
        # The record exists, so a failed read says nothing about it.
        raise OutcomeUnknown(error.code, error.message, status=error.status, excerpt=error.excerpt) from error


def _check(tryton: Tryton, key: int, record: Any, found: Mapping[str, Any]) -> None:
    """What was decided about must be what stands there: compare before anything is made final."""
    for pointer, template in tryton.request.mapping.get("check", {}).items():
        wanted, actual = tryton.filled(template, found), at(record, pointer)
        if not _same(wanted, actual):
            shown = "nothing" if actual is ABSENT else actual
            differs = Rejected(
                "record_differs",
                f"{pointer.strip('/')} would be {shown} in Tryton, not {wanted} as was asked for. Correct it.",
            )
            raise _discarded(tryton, key, differs)


def _discarded(tryton: Tryton, key: int, error: Rejected) -> DriverError:
    """Remove what the attempt made, so that failed means that nothing was done; else it stays unknown."""
    mapping = tryton.request.mapping
    model = mapping["record"]["model"]
    try:
        if mapping.get("discard"):
            tryton.delete(model, key)
            return error
    except DriverError as failure:
        tryton.request.note(step="discard", error=failure.code)
    return OutcomeUnknown(
        "record_left",
        f"{error.message} The record {model} {key} was left in Tryton. Remove it or finish it there.",
        status=error.status,
        excerpt=error.excerpt,
    )


def _clauses(tryton: Tryton, domain: list[Any], found: Mapping[str, Any]) -> list[Any]:
    """Fill a domain; a clause whose value is absent is left out."""
    filled = [(clause, tryton.filled(clause, found)) for clause in domain]
    return [after for before, after in filled if not isinstance(before, list) or len(after) == len(before)]


def _is_in(record: Any, states: Mapping[str, list[Any]]) -> bool:
    return all(at(record, pointer) in values for pointer, values in states.items())


def _stage(mapping: Mapping[str, Any], record: Any) -> str:
    values = [at(record, pointer) for pointer in mapping.get("done", {})]
    return ", ".join(str(value) for value in values if value is not ABSENT)


def _result(mapping: Mapping[str, Any], record: Any) -> dict[str, Any]:
    values = {name: _taken(record, pointer) for name, pointer in mapping.get("result", {}).items()}
    return {name: value for name, value in values.items() if value is not ABSENT}


def _taken(record: Any, pointer: str | Mapping[str, str]) -> Any:
    """Return what stands at a pointer; after a ``*`` a list of it for every element that has it."""
    if not isinstance(pointer, str):
        return money_of(at(record, pointer["amount"]), at(record, pointer["currency"]))
    before, star, after = pointer.partition("/*")
    found = at(record, before)
    if not star or not isinstance(found, list):
        return found
    taken = _opened([_taken(item, after) for item in found])
    # Our own references stand beside the data of people, and are none.
    return [value for value in taken if value not in (ABSENT, None) and not is_reference(value)]


def _same(wanted: Any, actual: Any) -> bool:
    try:
        return _short(decimal_text(wanted)) == _short(decimal_text(actual))
    except TemplateError:
        return bool(wanted == actual)


def _short(text: str) -> str:
    return text.rstrip("0").rstrip(".") if "." in text else text


def _answer(reply: Reply) -> Any:
    if reply.status == 204:
        return None
    if reply.status == 200:
        try:
            return reply.json()
        except ValueError as error:
            raise OutcomeUnknown(
                "answer_unexpected", "Tryton answered 200 without JSON.", status=200, excerpt=reply.excerpt
            ) from error
    raise _refusal(reply)


def _refusal(reply: Reply) -> DriverError:
    facts: dict[str, Any] = {"status": reply.status, "excerpt": reply.excerpt}
    if reply.status == 401:
        return Rejected("key_refused", KEY_REFUSED, **facts)
    if reply.status == 403:
        return Rejected("no_right", "Tryton gives this account no right to do that.", **facts)
    if reply.status == 429:
        return NotSent("busy", "Tryton asks to come back later. Nothing was done.", **facts)
    if 400 <= reply.status < 500 and reply.status != 408:
        return Rejected("refused", f"Tryton refused: {_words(reply)}", **facts)
    return OutcomeUnknown(f"status_{reply.status}", f"Tryton answered {reply.status}: {_words(reply)}", **facts)


def _words(reply: Reply) -> str:
    """Return what Tryton said, from its JSON or its HTML page."""
    try:
        document = reply.json()
        parts = [document.get("message", ""), document.get("description", "")]
        return " ".join(part for part in parts if part)[:500]
    except (ValueError, AttributeError):
        return " ".join(_TAG.sub(" ", reply.text).split())[:300]


def plain(value: Any) -> Any:
    """Return Tryton's tagged objects as plain JSON: decimals and dates become text."""
    if isinstance(value, list):
        return [plain(item) for item in value]
    if not isinstance(value, dict):
        return value
    kind = value.get("__class__")
    if kind == "Decimal":
        return str(value["decimal"])
    if kind == "date":
        return date(value["year"], value["month"], value["day"]).isoformat()
    return {key: plain(item) for key, item in value.items() if key != "__name__"}


def _encoded(value: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode()


def _amount(value: Any) -> dict[str, str]:
    return {"__class__": "Decimal", "decimal": decimal_text(value)}


def _date(value: Any) -> dict[str, Any]:
    try:
        day = date.fromisoformat(value)
    except (TypeError, ValueError) as error:
        raise TemplateError(f"{str(value)[:40]!r} is not a date (YYYY-MM-DD).") from error
    return {"__class__": "date", "year": day.year, "month": day.month, "day": day.day}


def _link(value: list[Any]) -> Any:
    return f"{value[0]},{value[1]}" if len(value) == 2 else ABSENT


SPECIAL = {"$amount": _amount, "$date": _date, "$link": _link}
driver = TrytonDriver()
