"""Events for a SIEM, in the order of their positions, each with its index and leaf hash; sent at least once.

What is not sealed yet waits, unless an address says ``unsealed=1``: a line without a hash could be anybody's.
"""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Sequence
from typing import Any

from django.db import connection
from django.utils import timezone

from audit import envelope
from audit.egress import daily, web, wire
from audit.egress.addresses import WEB, WIRE, Address
from audit.egress.failures import NotTaken, TooLarge
from audit.formats import cef, jsonl, ocsf, otlp, rfc5424
from audit.formats.told import Told, shortened

MOST_EVENTS = 500
MOST_WITH_PAYLOAD = 100
# Characters of each text in a datagram, so that a message is never cut where a parser would fail.
MOST_IN_DATAGRAM = 1000

LINES: dict[str, Callable[[Told], str]] = {
    "ocsf": ocsf.line,
    "cef": cef.line,
    "rfc5424": rfc5424.line,
    "otlp": otlp.line,
    "jsonl": jsonl.line,
}
TYPES = {"jsonl": "application/x-ndjson", "ocsf": "application/json", "otlp": "application/json"}

_COLUMNS = (
    "id",
    "occurred_at",
    "actor_kind",
    "actor_id",
    "subject_kind",
    "subject_id",
    *envelope.PLAIN.values(),
)
_SELECTED = (*_COLUMNS, "risk", *envelope.WORDS.values())
TOLD = f"""
SELECT p.position - 1, l.leaf_hash, l.words_commitment, l.data_commitment, e.words_salt = '', {{payload}},
       {", ".join(f"e.{name}" for name in _SELECTED)}
  FROM audit_position p JOIN audit_event e ON e.id = p.event_id
       LEFT JOIN audit_leaf l ON l.index = p.position - 1
       {{join}}
 WHERE p.position > %s AND p.position <= %s ORDER BY p.position LIMIT %s
"""
WITHOUT_PAYLOAD = TOLD.format(payload="NULL", join="")
WITH_PAYLOAD = TOLD.format(payload="d.data::text", join="LEFT JOIN audit_payload d ON d.event_id = e.id")


class Stream:
    """One stream. ``advance`` sends the next batch."""

    def __init__(self, address: Address, authorities: str = "") -> None:
        self.address = address
        self.waits_for_seals = address.options.get("unsealed") != "1"
        self._with_payload = address.options.get("payload") == "1"
        self._headers = address.secret_headers()
        self._authorities = authorities
        self._most = MOST_WITH_PAYLOAD if self._with_payload else MOST_EVENTS
        self._limit = self._most

    def first(self) -> int:
        """Return where a stream begins that is new."""
        return newest()[1] if self.address.options.get("from") == "now" else 0

    def goal(self, sealed: int, numbered: int) -> int:
        """Return the last position that may be sent."""
        return sealed if self.waits_for_seals else numbered

    def advance(self, reached: int, goal: int) -> int:
        """Send what follows ``reached``, at most up to ``goal``; return the last position. Raise NotTaken."""
        many = told_events(reached, goal, limit=self._limit, with_payload=self._with_payload)
        if not many or many[0].index != reached:
            raise NotTaken(f"The event of position {reached + 1} is not in the ledger.")
        many = self._sent(many)
        self._limit = min(self._most, len(many) * 2)
        return many[-1].index + 1

    def _sent(self, many: list[Told]) -> list[Told]:
        while True:
            try:
                self._send(many)
            except TooLarge:
                if len(many) == 1:
                    raise
                many = many[: len(many) // 2]
            else:
                return many

    def _send(self, many: Sequence[Told]) -> None:
        address, line = self.address, LINES[self.address.kind]
        if address.transport in WIRE:
            if address.transport == "udp":
                many = [shortened(told, MOST_IN_DATAGRAM) for told in many]
            messages = [_message(address.kind, told, line).encode() for told in many]
            wire.send(address.host, address.port, address.transport, messages, authorities=self._authorities)
        elif address.transport in WEB:
            self._post(many, line)
        else:
            daily.append(address.path, [line(told) for told in many], timezone.now().date())

    def _post(self, many: Sequence[Told], line: Callable[[Told], str]) -> None:
        kind, url = self.address.kind, self.address.url
        if kind == "otlp":
            content, url = otlp.request(many), _for_logs(self.address)
        elif kind == "ocsf":
            content = "[" + ",".join(map(line, many)) + "]"
        else:
            content = "".join(f"{line(told)}\n" for told in many)
        content_type = TYPES.get(kind, "text/plain; charset=utf-8")
        reply = web.deliver(
            url, content.encode(), content_type, headers=self._headers, authorities=self._authorities
        )
        if kind == "otlp":
            _check_partial(reply, len(many))


def told_events(reached: int, goal: int, *, limit: int, with_payload: bool) -> list[Told]:
    """Return the events behind a position in their order, up to and with another."""
    with connection.cursor() as cursor:
        cursor.execute(WITH_PAYLOAD if with_payload else WITHOUT_PAYLOAD, [reached, goal, limit])
        return [_told(row, with_payload) for row in cursor.fetchall()]


def newest() -> tuple[int, int]:
    """Return how many events are sealed under a checkpoint, and how many are numbered."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT (SELECT coalesce(max(tree_size), 0) FROM audit_checkpoint),"
            " (SELECT coalesce(max(position), 0) FROM audit_position)"
        )
        sealed, numbered = cursor.fetchone()
    return sealed, numbered


def _told(row: Sequence[Any], with_payload: bool) -> Told:
    index, leaf_hash, words_commitment, data_commitment, words_erased, payload, *values = row
    said = dict(zip(_SELECTED, values, strict=True))
    risk = envelope.risk_of(said["risk"])
    return Told(
        index=index,
        id=str(said["id"]),
        at=said["occurred_at"],
        columns={name: said[name] for name in _COLUMNS[2:]},
        words={name: said[column] for name, column in envelope.WORDS.items()},
        leaf_hash=_bytes(leaf_hash),
        words_commitment=_bytes(words_commitment),
        data_commitment=_bytes(data_commitment),
        risk={"": risk} if isinstance(risk, str) else risk,
        words_erased=words_erased,
        payload=payload,
        payload_erased=with_payload and data_commitment is not None and payload is None,
    )


def _bytes(value: Any) -> bytes | None:
    return None if value is None else bytes(value)


def _message(kind: str, told: Told, line: Callable[[Told], str]) -> str:
    host = socket.gethostname()
    return rfc5424.line(told, host) if kind == "rfc5424" else rfc5424.wrapped(told, line(told), host)


def _for_logs(address: Address) -> str:
    return (
        address.url
        if address.path.strip("/")
        else address.url.replace(f":{address.port}/", f":{address.port}/v1/logs", 1)
    )


def _check_partial(reply: web.Reply, count: int) -> None:
    try:
        partial = json.loads(reply.body or b"{}").get("partialSuccess") or {}
        refused = int(partial.get("rejectedLogRecords") or 0)
    except (ValueError, AttributeError, TypeError, RecursionError):
        return
    if refused:
        why = web.said(str(partial.get("errorMessage", "")))
        raise NotTaken(f"{refused} of {count} events were not taken. {why}".rstrip())
