"""Sealing: numbered events become leaves of the tree, and the tree's root is signed. One process does it.

Its transaction takes one lock, begins where the leaves end, and adds leaves, full tiles and a checkpoint whose
key is the tree's size: of two sealers that both believe they are alone, one fails and begins anew.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from django.db import connection, transaction

from audit import envelope, notes
from audit.merkle import Growth
from audit.services.fork_guard import Forked, SignedBefore, require_known_key
from audit.services.sequencing import LOCK_ROOM
from audit.services.stored_tree import grown, sealed_size

LOCK_SEAL = 3
MOST_LEAVES = 4096

UNSEALED = f"""
SELECT p.position - 1, {", ".join(f"e.{name}" for name in envelope.SEALED_COLUMNS)}, d.data::text, d.salt
  FROM audit_position p JOIN audit_event e ON e.id = p.event_id LEFT JOIN audit_payload d ON d.event_id = e.id
 WHERE p.position > %s ORDER BY p.position LIMIT %s
"""


class Sealer:
    """Holds the right edge of the tree between batches. ``keys`` is asked before each: keys can change."""

    def __init__(self, keys: Callable[[], Sequence[notes.Signer]], memory: SignedBefore) -> None:
        self._keys = keys
        self._memory = memory
        self._growth: Growth | None = None
        self._signers: list[notes.Signer] = []

    def seal(self, limit: int = MOST_LEAVES) -> int:
        """Seal up to ``limit`` numbered events in one committed batch; return how many.

        Raise Forked if the ledger is not the continuation of what was signed, UnusableKey without a key, and
        StillLooking while others are asked what they have of it. Then nothing is sealed. Raise OSError if what
        was signed cannot be kept: it is sealed, and nothing more is until it can be.
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
        self._memory.forget()

    def _seal(self, signers: list[notes.Signer], limit: int) -> int:
        with transaction.atomic(), connection.cursor() as cursor:
            # What is signed leaves the house: it has to be on the disk.
            cursor.execute("SET LOCAL synchronous_commit = on")
            # One that hangs with the lock is told of, and numbering does not hang with it.
            cursor.execute("SET LOCAL lock_timeout = '5s'")
            cursor.execute("SELECT pg_advisory_xact_lock(%s, %s)", [LOCK_ROOM, LOCK_SEAL])
            size = sealed_size()
            growth = self._checked(signers, size)
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

    def _checked(self, signers: list[notes.Signer], size: int) -> Growth:
        """Return the right edge of the tree: as it is known, or read anew and compared with what was signed."""
        growth = self._growth
        if growth is not None and growth.size == size and signers == self._signers:
            return growth
        growth = grown(size)
        require_known_key(signers)
        self._memory.require(growth, signers[0].name)
        self._signers = signers
        return growth


def sealed_row(row: Sequence[Any]) -> envelope.Sealed:
    """Return what is sealed of one row of ``UNSEALED``."""
    *columns, data, salt = row[1:]
    values = dict(zip(envelope.SEALED_COLUMNS, columns, strict=True))
    values["risk"] = envelope.risk_of(values["risk"])
    return envelope.seal(values, data, salt)


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


__all__ = ["Forked", "Sealer", "SignedBefore", "sealed_row"]
