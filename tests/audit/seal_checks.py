"""What has to hold of the seals of a test's ledger, worked out from its rows alone."""

from __future__ import annotations

from django.db import connection

from audit.merkle import Growth
from audit.models import Checkpoint as CheckpointRow
from audit.models import Leaf, Position, Tile
from audit.services import sealing
from audit.standalone.verify_ledger import Checkpoint, VerifierKey


def check_seals(key: VerifierKey) -> int:
    """Check every leaf, tile and checkpoint; return how many events are sealed."""
    with connection.cursor() as cursor:
        cursor.execute(sealing.UNSEALED, [0, 1_000_000])
        rows = cursor.fetchall()
    sealed = [sealing.sealed_row(row) for row in rows]
    leaves = list(Leaf.objects.order_by("index").values_list("index", "leaf_hash"))
    assert [index for index, _ in leaves] == list(range(len(leaves)))
    assert len(leaves) <= Position.objects.count()
    hashes = [bytes(leaf_hash) for _, leaf_hash in leaves]
    assert hashes == [one.leaf_hash for one in sealed[: len(hashes)]]
    growth, roots, tiles = Growth(), {}, {}
    sizes = set(CheckpointRow.objects.values_list("tree_size", flat=True))
    for leaf_hash in hashes:
        tiles |= {(level, index): given for level, index, given in growth.add([leaf_hash])}
        if growth.size in sizes:
            roots[growth.size] = growth.root()
    stored = {(row.level, row.index): bytes(row.hashes) for row in Tile.objects.all()}
    assert stored == tiles
    for row in CheckpointRow.objects.all():
        checkpoint = Checkpoint.parse(row.note)
        assert checkpoint.note.signed_by([key]) == [key]
        assert (checkpoint.size, checkpoint.root) == (row.tree_size, bytes(row.root))
        assert checkpoint.root == roots[checkpoint.size]
    assert max(sizes, default=0) == len(hashes)
    return len(hashes)
