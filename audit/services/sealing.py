"""Sealing: numbered events become leaves of the tree, and the tree's root is signed. One process does it.

Its transaction takes one lock, begins where the leaves end, and adds leaves, full tiles and a checkpoint whose
key is the tree's size: of two sealers that both believe they are alone, one fails and begins anew.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from django.db import connection, transaction

from audit import envelope, notes
from audit.merkle import TILE_WIDTH, Growth, Tree, fold
from audit.services.sequencing import LOCK_ROOM
from audit.standalone.verify_ledger import HASH_BYTES, Checkpoint, NotANote

logger = logging.getLogger(__name__)

LOCK_SEAL = 3
MOST_LEAVES = 4096

_COLUMNS = (*envelope.COLUMNS, *envelope.WORDS.values(), "words_salt")
UNSEALED = f"""
SELECT p.position - 1, {", ".join(f"e.{name}" for name in _COLUMNS)}, d.data::text, d.salt
  FROM audit_position p JOIN audit_event e ON e.id = p.event_id LEFT JOIN audit_payload d ON d.event_id = e.id
 WHERE p.position > %s ORDER BY p.position LIMIT %s
"""


class Forked(RuntimeError):
    """What was signed before is not in this ledger: it was restored to an older state, or altered."""


class Sealer:
    """Holds the right edge of the tree between batches. ``keys`` is asked before each: keys can change."""

    def __init__(self, keys: Callable[[], Sequence[notes.Signer]], memory: SignedBefore) -> None:
        self._keys = keys
        self._memory = memory
        self._growth: Growth | None = None

    def seal(self, limit: int = MOST_LEAVES) -> int:
        """Seal up to ``limit`` numbered events in one committed batch; return how many.

        Raise Forked if the ledger is not the continuation of what was signed, UnusableKey without a key. Then
        nothing is sealed, and numbering goes on.
        """
        signers = list(self._keys())
        try:
            return self._seal(signers, limit)
        except BaseException:
            self._growth = None  # what was added to it is not committed
            raise

    def forget(self) -> None:
        """Read the tree anew next time: the connection was lost, or another process sealed meanwhile."""
        self._growth = None

    def _seal(self, signers: list[notes.Signer], limit: int) -> int:
        with transaction.atomic(), connection.cursor() as cursor:
            # What is signed leaves the house: it has to be on the disk.
            cursor.execute("SET LOCAL synchronous_commit = on")
            cursor.execute("SELECT pg_advisory_xact_lock(%s, %s)", [LOCK_ROOM, LOCK_SEAL])
            size = sealed_size()
            growth = self._growth
            if growth is None or growth.size != size:
                growth = grown(size)
                self._memory.require(growth, signers[0].name)
            cursor.execute(UNSEALED, [size, limit])
            rows = cursor.fetchall()
            if not rows:
                self._growth = growth
                return 0
            if rows[0][0] != size or rows[-1][0] != size + len(rows) - 1:
                raise Forked(f"The positions after {size} have a gap.")
            sealed = [sealed_row(row) for row in rows]
            tiles = growth.add(one.leaf_hash for one in sealed)
            root = growth.root()
            note = notes.signed_checkpoint(signers, growth.size, root)
            _write(cursor, size, sealed, tiles)
            cursor.execute(
                "INSERT INTO audit_checkpoint (tree_size, root, note, signed_at)"
                " VALUES (%s, %s, %s, clock_timestamp())",
                [growth.size, root, note],
            )
            for signer in signers:
                cursor.execute(
                    "INSERT INTO audit_signingkey (vkey, first_size) VALUES (%s, %s) ON CONFLICT DO NOTHING",
                    [str(signer.verifier), growth.size],
                )
        self._growth = growth
        self._memory.keep(note)
        return len(rows)


class SignedBefore:
    """What this sealer signed last, kept outside the database, and what others have of it: the fork guard."""

    def __init__(self, kept: Path, elsewhere: Callable[[], list[str]] = list) -> None:
        self._kept = kept
        self._elsewhere = elsewhere

    def keep(self, note: str) -> None:
        """Remember the newest checkpoint."""
        new = self._kept.with_name(self._kept.name + ".new")
        new.write_text(note, encoding="utf-8")
        new.replace(self._kept)

    def require(self, growth: Growth, origin: str) -> None:
        """Raise Forked unless the ledger begins with everything that was signed under this origin."""
        notes_known = [self._kept.read_text(encoding="utf-8")] if self._kept.exists() else []
        for note in [*notes_known, *self._elsewhere()]:
            try:
                known = Checkpoint.parse(note)
            except NotANote as error:
                raise Forked(f"A checkpoint that was signed before cannot be read: {error}") from error
            if known.origin == origin:
                _require_continuation(known, growth)


def _require_continuation(known: Checkpoint, growth: Growth) -> None:
    if known.size > growth.size:
        raise Forked(
            f"The ledger has {growth.size} sealed events, and {known.size} were signed for before: "
            "the database was restored to an older state."
        )
    if known.size and tree().root(known.size) != known.root:
        raise Forked(f"The first {known.size} events are not those that were signed for before.")


def sealed_size() -> int:
    """Return how many events are sealed."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT coalesce(max(index) + 1, 0) FROM audit_leaf")
        return int(cursor.fetchone()[0])


def sealed_row(row: Sequence[Any]) -> envelope.Sealed:
    """Return what is sealed of one row of ``UNSEALED``."""
    *columns, data, salt = row[1:]
    values = dict(zip(_COLUMNS, columns, strict=True))
    values["risk"] = json.loads(values["risk"])
    return envelope.seal(values, data, salt)


def grown(size: int) -> Growth:
    """Read the right edge of the tree of the database."""
    edges: list[list[bytes]] = []
    at, level = size, 0
    while at:
        first = at // TILE_WIDTH * TILE_WIDTH
        edges.append(_hashes(level, first, at - first))
        at, level = at // TILE_WIDTH, level + 1
    return Growth(size, edges)


def tree() -> Tree:
    """Return the tree of the database, for proofs."""
    return Tree(tile)


def tile(level: int, index: int) -> bytes:
    """Return the hashes of a tile, full or as many as there are, together."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT hashes FROM audit_tile WHERE level = %s AND index = %s", [level, index])
        if found := cursor.fetchone():
            return bytes(found[0])
    return b"".join(_hashes(level, index * TILE_WIDTH, TILE_WIDTH))


def _hashes(level: int, first: int, count: int) -> list[bytes]:
    """Return hashes of a tile level, from an index on: of leaves themselves, or of the full tiles below."""
    with connection.cursor() as cursor:
        if level == 0:
            cursor.execute(
                "SELECT leaf_hash FROM audit_leaf WHERE index >= %s AND index < %s ORDER BY index",
                [first, first + count],
            )
            return [bytes(row[0]) for row in cursor.fetchall()]
        cursor.execute(
            "SELECT hashes FROM audit_tile WHERE level = %s AND index >= %s AND index < %s ORDER BY index",
            [level - 1, first, first + count],
        )
        return [fold(_parted(bytes(row[0]))) for row in cursor.fetchall()]


def _parted(hashes: bytes) -> list[bytes]:
    return [hashes[at : at + HASH_BYTES] for at in range(0, len(hashes), HASH_BYTES)]


def _write(
    cursor: Any, first: int, sealed: Sequence[envelope.Sealed], tiles: Sequence[tuple[int, int, bytes]]
) -> None:
    with cursor.copy(
        "COPY audit_leaf (index, leaf_hash, words_commitment, data_commitment) FROM STDIN (FORMAT BINARY)"
    ) as copy:
        copy.set_types(["int8", "bytea", "bytea", "bytea"])
        for index, one in enumerate(sealed, first):
            copy.write_row((index, one.leaf_hash, one.words_commitment, one.data_commitment))
    for level, index, hashes in tiles:
        cursor.execute(
            "INSERT INTO audit_tile (level, index, hashes) VALUES (%s, %s, %s)", [level, index, hashes]
        )
