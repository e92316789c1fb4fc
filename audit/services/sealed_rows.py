"""Reading sealed events back: the text that was hashed, made anew from the rows, with what it commits to."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, TypeVar

from django.db import connection, transaction
from django.db.models import Q

from audit import envelope
from audit.envelope import Sealed
from audit.models import Checkpoint as CheckpointRow
from audit.models import Event
from audit.standalone.verify_ledger import CONTENT_ERASED, leaf_hash
from audit.vocabulary import Refusal, RefusalKind

CHUNK = 2000
# An erasure is sealed within a second.
SETTLE_SECONDS = (0.5, 1.0, 2.0, 4.0)

One = TypeVar("One")

_SEALED = f"""
SELECT l.index, l.leaf_hash, l.words_commitment, l.data_commitment,
       coalesce((SELECT array_agg(x.part) FROM audit_erasure x WHERE x.event_id = e.id), '{{}}'),
       {", ".join(f"e.{name}" for name in envelope.SEALED_COLUMNS)}, d.data::text, d.salt
  FROM audit_leaf l LEFT JOIN audit_position p ON p.position = l.index + 1
  LEFT JOIN audit_event e ON e.id = p.event_id LEFT JOIN audit_payload d ON d.event_id = e.id
 WHERE l.index >= %s AND l.index <= %s AND (%s::bigint[] IS NULL OR l.index = ANY (%s)) ORDER BY l.index
"""


@dataclass(frozen=True, slots=True)
class SealedRow:
    """A sealed event as the database has it now. ``sealed`` is None where the event is gone.

    The text is made with the commitments that were kept of it, so that content which was changed differs from
    its commitment, and everything else from the hash that was kept.
    """

    index: int
    leaf_hash: bytes
    sealed: Sealed | None
    words_salt: bytes
    data_salt: bytes
    erased: frozenset[str] = frozenset()

    @property
    def is_as_sealed(self) -> bool:
        """Say whether it still is what was sealed; content may be missing only where an erasure says so."""
        sealed = self.sealed
        if sealed is None or leaf_hash(sealed.envelope.encode()) != self.leaf_hash:
            return False
        return self._holds("words", sealed.words if self.words_salt else None, self.words_salt) and (
            self._holds("data", sealed.data, self.data_salt)
        )

    def _holds(self, part: str, text: str | None, salt: bytes) -> bool:
        committed: bytes | None = getattr(self.sealed, f"{part}_commitment")
        if text is None:
            return committed is None or part in self.erased
        return envelope.commitment(salt, text) == committed


def at_one_moment(work: Callable[[CheckpointRow], One]) -> One:
    """Do something that reads what is sealed, up to the newest checkpoint, while nothing changes below it.

    It sees one moment of the database and can write nothing. Content is erased a moment before its erasure is
    sealed, which would look like content that is missing: then it waits. Raise Refusal if nothing is sealed.
    """
    for pause in (*SETTLE_SECONDS, None):
        with transaction.atomic(durable=True), connection.cursor() as cursor:
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            newest = CheckpointRow.objects.order_by("-tree_size").first()
            if newest is None:
                raise Refusal(
                    "nothing_sealed",
                    "There is nothing to show or to check: no event is sealed yet.",
                    kind=RefusalKind.CONFLICT,
                    next_step="Start run_sequencer with LEDGER_KEY_FILE, and try again.",
                )
            if not _erases_later(newest.tree_size):
                return work(newest)
        if pause is not None:
            time.sleep(pause)
    raise Refusal(
        "erasure_unsealed",
        "Nothing was read: content was erased, and that is not sealed yet.",
        kind=RefusalKind.UNAVAILABLE,
        next_step="Look whether run_sequencer seals, and try again.",
    )


def _erases_later(size: int) -> bool:
    told = Event.objects.filter(verb=CONTENT_ERASED)
    return bool(told.filter(Q(placement__isnull=True) | Q(placement__position__gt=size)).exists())


def sealed_rows(indexes: Sequence[int]) -> Iterator[SealedRow]:
    """Yield these leaves in their order; indexes ascend. A leaf that is not there is left out."""
    for chunk in in_parts(indexes, CHUNK):
        first, last = chunk[0], chunk[-1]
        some = None if last - first + 1 == len(chunk) else list(chunk)
        with connection.cursor() as cursor:
            cursor.execute(_SEALED, [first, last, some, some])
            rows = cursor.fetchall()
        yield from map(_read, rows)


def in_parts(some: Iterable[One], most: int) -> Iterator[tuple[One, ...]]:
    """Yield them so many at a time."""
    found = iter(some)
    while part := tuple(islice(found, most)):
        yield part


def _read(row: Sequence[Any]) -> SealedRow:
    index, kept, words, data, erased = row[:5]
    *columns, text, salt = row[5:]
    values = dict(zip(envelope.SEALED_COLUMNS, columns, strict=True))
    if values["id"] is None:
        return SealedRow(index, bytes(kept), None, b"", b"")
    values["risk"] = envelope.risk_of(values["risk"])
    words, data = bytes(words), None if data is None else bytes(data)
    sealed = Sealed(
        envelope=envelope.envelope_text(values, words, data),
        words=envelope.words_text(values),
        data=None if text is None else envelope.canonical_json(text),
        leaf_hash=bytes(kept),
        words_commitment=words,
        data_commitment=data,
    )
    salts = bytes(values["words_salt"]), bytes(salt or b"")
    return SealedRow(index, bytes(kept), sealed, *salts, frozenset(erased))
