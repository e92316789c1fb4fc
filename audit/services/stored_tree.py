"""The tree as the database has it: its size, its right edge, its tiles and proofs."""

from __future__ import annotations

from django.db import connection

from audit.merkle import TILE_WIDTH, Growth, Tree, fold
from audit.standalone.verify_ledger import HASH_BYTES


def sealed_size() -> int:
    """Return how many events are sealed."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT coalesce(max(index) + 1, 0) FROM audit_leaf")
        return int(cursor.fetchone()[0])


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
