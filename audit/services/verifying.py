"""Verifying the ledger where it is: what the offline verifier does with an export, done with the database."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from django.contrib.postgres.aggregates import ArrayAgg
from django.db.models import Max, Q

from audit.merkle import Growth
from audit.models import Checkpoint as CheckpointRow
from audit.models import Cosignature, Leaf, Position, SigningKey, Tile
from audit.services.sealed_rows import SealedRow, at_one_moment, sealed_rows
from audit.standalone.verify_ledger import (
    Anchor,
    Check,
    Checkpoint,
    Findings,
    Keyring,
    NotANote,
    VerifierKey,
)

LEAVES_AT_ONCE = 4096


def verify_database(
    *, keys: Sequence[VerifierKey] = (), anchors: Sequence[Anchor] = (), seals_only: bool = False
) -> dict[str, Any]:
    """Return the report of the verifier on this database, as it is at one moment; safe while it is used.

    Each leaf is made anew from the rows. seals_only: leave that out, and compare leaves, tiles and checkpoints
    with each other; quick, and blind to what was done to events. Raise Refusal if nothing is sealed.
    """
    return at_one_moment(lambda newest: _verify(newest, list(keys), anchors, seals_only))


def _verify(
    newest: CheckpointRow, pinned: list[VerifierKey], anchors: Sequence[Anchor], seals_only: bool
) -> dict[str, Any]:
    problems = Findings()
    named = [VerifierKey.parse(vkey) for vkey in SigningKey.objects.values_list("vkey", flat=True)]
    own_word = "YOU DID NOT GIVE IT: it is the database's own word"
    check = Check(
        origin=newest.note.partition("\n")[0],
        size=newest.tree_size,
        checkpoints=_checkpoints(problems),
        keys=Keyring(pinned, named) if pinned else Keyring(named, why=own_word),
        anchors=anchors,
        nodes=_leaves(newest.tree_size) if seals_only else (),
        follows_actions=not seals_only,
    )
    growth, tiles = Growth(), _Tiles(problems)
    if seals_only:
        for _, _, leaf in _leaves(newest.tree_size):
            tiles.compare(growth.add([leaf]))
    else:
        for row in sealed_rows(range(newest.tree_size)):
            tiles.compare(growth.add([row.leaf_hash]))
            _feed(check, row)
    check.finish()
    tiles.finish()
    _beyond(newest.tree_size, problems)
    for one in problems.listed:
        check.findings.add(one.code, one.sentence, one.index)
    if not pinned:
        words = "The keys are the database's own: who can change all of it can have changed them. Give --key."
        check.findings.add("keys_not_given", words, is_wrong=False)
    waiting = (Position.objects.aggregate(newest=Max("position"))["newest"] or 0) - newest.tree_size
    return {**check.report(), "source": "database", "seals_only": seals_only, "not_sealed_yet": waiting}


def _feed(check: Check, row: SealedRow) -> None:
    if row.sealed is None:
        return  # the next one tells that it is missing
    words = (row.words_salt.hex(), row.sealed.words) if row.words_salt else None
    data = None if row.sealed.data is None else (row.data_salt.hex(), row.sealed.data)
    check.event(row.index, row.sealed.envelope, row.leaf_hash.hex(), words, data)


def _checkpoints(problems: Findings) -> Iterator[Checkpoint]:
    of_witnesses = ArrayAgg("cosignatures__content", filter=Q(cosignatures__kind=Cosignature.Kind.WITNESS))
    rows = CheckpointRow.objects.order_by("tree_size").annotate(said=of_witnesses)
    found = rows.values_list("tree_size", "root", "note", "said")
    for size, root, note, said in found.iterator(chunk_size=LEAVES_AT_ONCE):
        try:
            checkpoint = Checkpoint.parse(note).with_cosignatures(bytes(one).decode() for one in said or ())
            if (checkpoint.size, checkpoint.root) != (size, bytes(root)):
                raise NotANote("its columns say something else than its note")
        except (NotANote, UnicodeDecodeError) as error:
            problems.add("checkpoint", f"The checkpoint of {size} is damaged: {error}")
            continue
        yield checkpoint


def _leaves(size: int) -> Iterator[tuple[int, int, bytes]]:
    rows = Leaf.objects.filter(index__lt=size).order_by("index").values_list("index", "leaf_hash")
    for index, leaf in rows.iterator(chunk_size=LEAVES_AT_ONCE):
        yield index, 0, bytes(leaf)


class _Tiles:
    """Compares the tiles that are kept with those that the leaves make."""

    def __init__(self, problems: Findings) -> None:
        self._problems = problems
        self._count = 0

    def compare(self, made: list[tuple[int, int, bytes]]) -> None:
        for level, index, hashes in made:
            self._count += 1
            kept = Tile.objects.filter(level=level, index=index).values_list("hashes", flat=True).first()
            if kept is None or bytes(kept) != hashes:
                words = f"The tile {level}/{index} is not what its leaves make: proofs over it fail."
                self._problems.add("tile", words)

    def finish(self) -> None:
        if (kept := Tile.objects.count()) != self._count:
            self._problems.add("tile", f"There are {kept} tiles, and the leaves make {self._count}.")


def _beyond(size: int, problems: Findings) -> None:
    for index in Leaf.objects.filter(index__gte=size).order_by("index").values_list("index", flat=True)[:1]:
        problems.add("beyond", f"There are leaves from {index} on that no checkpoint covers.", index)
