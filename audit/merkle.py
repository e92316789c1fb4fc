"""The tree of the ledger (RFC 6962) and its tiles of 256 hashes (C2SP tlog-tiles): pure, no database.

What is checked rather than made, an outsider needs as well: it is in ``audit.standalone.verify_ledger``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from audit.standalone.verify_ledger import EMPTY_ROOT, HASH_BYTES, node_hash

TILE_HEIGHT = 8
TILE_WIDTH = 1 << TILE_HEIGHT


def fold(hashes: Sequence[bytes]) -> bytes:
    """Return the root over hashes of one level whose number is a power of two."""
    level = list(hashes)
    while len(level) > 1:
        level = [node_hash(level[at], level[at + 1]) for at in range(0, len(level), 2)]
    return level[0]


@dataclass
class Growth:
    """A tree that grows at its right edge: it keeps the hashes that are in no full tile yet, by level."""

    size: int = 0
    # By tile level: the hashes of the unfinished tile, fewer than 256 of them.
    edges: list[list[bytes]] = field(default_factory=list)

    def add(self, leaves: Iterable[bytes]) -> list[tuple[int, int, bytes]]:
        """Append leaf hashes; return the tiles that became full: level, index, their 256 hashes together."""
        full: list[tuple[int, int, bytes]] = []
        for leaf in leaves:
            self.size += 1
            self._put(0, leaf, full)
        return full

    def _put(self, level: int, given: bytes, full: list[tuple[int, int, bytes]]) -> None:
        while len(self.edges) <= level:
            self.edges.append([])
        edge = self.edges[level]
        edge.append(given)
        if len(edge) < TILE_WIDTH:
            return
        index = (self.size >> (TILE_HEIGHT * (level + 1))) - 1
        full.append((level, index, b"".join(edge)))
        root = fold(edge)
        edge.clear()
        self._put(level + 1, root, full)

    def root(self) -> bytes:
        """Return the root of the whole tree, that of RFC 6962; of nothing, the hash of nothing."""
        found: bytes | None = None
        for edge in self.edges:
            for perfect in _perfect_from_the_right(edge):
                found = perfect if found is None else node_hash(perfect, found)
        return EMPTY_ROOT if found is None else found


def _perfect_from_the_right(edge: Sequence[bytes]) -> Iterator[bytes]:
    """Yield the roots of the perfect subtrees that the hashes of an unfinished tile make, smallest first."""
    end, width = len(edge), 1
    while end:
        if end & width:
            yield fold(edge[end - width : end])
            end -= width
        width <<= 1


class Tree:
    """Proofs. ``tile(level, index)`` gives the hashes of a tile together, as many as there are."""

    def __init__(self, tile: Callable[[int, int], bytes]) -> None:
        self._tile = tile

    def node(self, level: int, index: int) -> bytes:
        """Return the root over the 2^level leaves from index * 2^level on; all of them have to be there."""
        width = 1 << (level % TILE_HEIGHT)
        first = index * width
        hashes = self._tile(level // TILE_HEIGHT, first // TILE_WIDTH)
        at = first % TILE_WIDTH
        found = [hashes[HASH_BYTES * one : HASH_BYTES * (one + 1)] for one in range(at, at + width)]
        if len(found[-1]) < HASH_BYTES:
            raise LookupError(f"The tree does not have node {index} of level {level} yet.")
        return fold(found)

    def root(self, size: int) -> bytes:
        """Return the root of the first ``size`` leaves."""
        return EMPTY_ROOT if size == 0 else self.span(0, size)

    def span(self, start: int, end: int) -> bytes:
        """Return the hash over leaves [start, end) as RFC 6962 has it; start is where a subtree may begin."""
        width = end - start
        if width & (width - 1) == 0:
            level = width.bit_length() - 1
            return self.node(level, start >> level)
        middle = start + split(width)
        return node_hash(self.span(start, middle), self.span(middle, end))

    def inclusion(self, index: int, size: int) -> list[bytes]:
        """Return the proof that leaf ``index`` is in the tree of ``size``. Raise ValueError outside of it."""
        if not 0 <= index < size:
            raise ValueError(f"Leaf {index} is not in a tree of {size}.")
        proof: list[bytes] = []
        start, end = 0, size
        while end - start > 1:
            middle = start + split(end - start)
            if index < middle:
                proof.append(self.span(middle, end))
                end = middle
            else:
                proof.append(self.span(start, middle))
                start = middle
        return proof[::-1]

    def consistency(self, old: int, new: int) -> list[bytes]:
        """Return the proof that the tree of ``new`` begins with that of ``old``. Raise ValueError if not."""
        if not 0 <= old <= new:
            raise ValueError(f"A tree of {new} cannot begin with one of {old}.")
        if old in (0, new):
            return []
        proof: list[bytes] = []
        start, end, whole = 0, new, True
        while old != end:
            middle = start + split(end - start)
            if old <= middle:
                proof.append(self.span(middle, end))
                end = middle
            else:
                proof.append(self.span(start, middle))
                start, whole = middle, False
        if not whole:
            proof.append(self.span(start, end))
        return proof[::-1]


def split(width: int) -> int:
    """Return the largest power of two smaller than ``width``, where RFC 6962 splits as many leaves."""
    return 1 << (width - 1).bit_length() - 1
