"""Checkpoints for places outside: the newest to each, so that nobody can rewrite the ledger unnoticed."""

from __future__ import annotations

import base64
import socket
from collections.abc import Callable
from functools import partial
from typing import Any

from django.db import connection
from django.utils import timezone
from uuid_utils.compat import uuid7

from audit.egress import stamping, web, wire
from audit.egress.addresses import FOLDER, SYSLOG, WITNESS, Address
from audit.egress.cosigning import cosign
from audit.egress.failures import NotTaken
from audit.egress.folder import Folder
from audit.formats import rfc5424
from audit.models import Checkpoint as CheckpointRow
from audit.models import Cosignature
from audit.services.stored_tree import tree
from audit.standalone.verify_ledger import Checkpoint

Send = Callable[[int, int, str], Any]


class Sink:
    """One sink. ``advance`` sends the newest checkpoint."""

    waits_for_seals = False

    def __init__(self, address: Address, authorities: str = "") -> None:
        self.address = address
        self._authorities = authorities
        self._send = self._sender()

    def first(self) -> int:
        """Return what a sink has that is new: nothing."""
        return 0

    def goal(self, sealed: int, numbered: int) -> int:
        """Return the size of the newest checkpoint."""
        return sealed

    def advance(self, reached: int, goal: int) -> int:
        """Send the newest checkpoint, and keep what is answered; return its size. Raise NotTaken."""
        row = CheckpointRow.objects.order_by("-tree_size").values_list("tree_size", "note").first()
        if row is None or row[0] < goal:
            raise NotTaken(
                f"The checkpoint of {goal} events is gone: the database was restored while this ran."
            )
        size, note = row
        self._send(reached, size, note)
        return int(size)

    def _sender(self) -> Send:
        if self.address.kind == FOLDER:
            folder = Folder(self.address.path)
            return lambda _, size, note: folder.put(size, note)
        if self.address.kind == SYSLOG:
            return self._tell
        return self._ask_witness if self.address.kind == WITNESS else self._ask_for_time

    def _tell(self, _: int, size: int, note: str) -> None:
        message = checkpoint_message(note, socket.gethostname()).encode()
        address = self.address
        wire.send(address.host, address.port, address.transport, [message], authorities=self._authorities)

    def _ask_witness(self, reached: int, size: int, note: str) -> None:
        if self.address.key is None:  # its address was read without one; ``addresses.sink`` refuses that
            raise NotTaken("The address of the witness has no key.")
        url = f"{self.address.url.rstrip('/')}/add-checkpoint"
        post = partial(web.post, url, content_type="text/plain; charset=utf-8", authorities=self._authorities)
        line = cosign(note, reached, self.address.key, tree().consistency, lambda body: post(content=body))
        keep(size, Cosignature.Kind.WITNESS, self.address.name, line.encode())

    def _ask_for_time(self, _: int, size: int, note: str) -> None:
        post = partial(web.post, self.address.url, content_type=stamping.QUERY, authorities=self._authorities)
        token = stamping.stamp(note, lambda body: post(content=body), self.address.options.get("roots", ""))
        keep(size, Cosignature.Kind.TIMESTAMP, self.address.name, token)


def checkpoint_message(note: str, host: str = "") -> str:
    """Return a checkpoint as a message of RFC 5424; its note, in base64, is one parameter."""
    checkpoint = Checkpoint.parse(note)
    data = {"origin": checkpoint.origin, "size": str(checkpoint.size), "root": checkpoint.root.hex()}
    return rfc5424.message(
        at=timezone.now(),
        level=rfc5424.INFORMATIONAL,
        kind="checkpoint",
        host=host,
        data={"checkpoint": {**data, "note": base64.b64encode(note.encode()).decode()}},
        text=f"The ledger {checkpoint.origin} has {checkpoint.size} sealed events.",
    )


def keep(size: int, kind: str, source: str, content: bytes) -> None:
    """Keep what somebody else said of a checkpoint; the first stands if it was asked twice."""
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO audit_cosignature (id, checkpoint_id, kind, source, content)"
            " VALUES (%s, %s, %s, %s, %s) ON CONFLICT DO NOTHING",
            [uuid7(), size, kind, source, content],
        )
