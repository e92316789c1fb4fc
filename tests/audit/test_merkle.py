"""The tree is that of RFC 6962: the vectors of Certificate Transparency, and every proof of small trees."""

from __future__ import annotations

from functools import lru_cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audit.merkle import Growth, Tree
from audit.standalone import verify_ledger as outside

ENTRIES = [
    bytes.fromhex(entry)
    for entry in (
        *("", "00", "10", "2021", "3031", "40414243", "5051525354555657"),
        "606162636465666768696a6b6c6d6e6f",
    )
]
ROOTS = [
    bytes.fromhex(root)
    for root in (
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
        "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
        "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
        "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
        "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
    )
]
INCLUSION = {
    (0, 1): [],
    (0, 8): [
        "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
    ],
    (5, 8): [
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ],
    (2, 3): ["fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"],
    (1, 5): [
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
    ],
}
CONSISTENCY = {
    (1, 1): [],
    (1, 8): INCLUSION[0, 8],
    (2, 5): [
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
    ],
    (6, 8): [
        "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ],
}
LEAVES = [outside.leaf_hash(b"%d" % at) for at in range(10_000)]


class Remembering(Tree):
    """A tree over given leaves that works out each node once."""

    def __init__(self, leaves):
        growth, tiles = Growth(), {}
        for level, index, hashes in growth.add(leaves):
            tiles[level, index] = hashes
        for level, edge in enumerate(growth.edges):
            tiles[level, growth.size >> 8 * (level + 1)] = b"".join(edge)
        super().__init__(lambda level, index: tiles.get((level, index), b""))
        self.node = lru_cache(maxsize=None)(self.node)


@pytest.fixture(scope="module")
def tree():
    return Remembering(LEAVES)


def test_the_vectors_of_certificate_transparency():
    leaves = [outside.leaf_hash(entry) for entry in ENTRIES]
    assert leaves[0] == ROOTS[1]
    for size, root in enumerate(ROOTS):
        growth = Growth()
        growth.add(leaves[:size])
        assert growth.root() == Remembering(leaves).root(size) == root
    for (index, size), proof in INCLUSION.items():
        made = Remembering(leaves).inclusion(index, size)
        assert [one.hex() for one in made] == proof
        assert outside.is_included(leaves[index], index, size, ROOTS[size], made)
    for (old, new), proof in CONSISTENCY.items():
        made = Remembering(leaves).consistency(old, new)
        assert [one.hex() for one in made] == proof
        assert outside.is_consistent(old, ROOTS[old], new, ROOTS[new], made)


def inclusion_holds(tree, sizes):
    for size in sizes:
        root = tree.root(size)
        for index in range(size):
            proof = tree.inclusion(index, size)
            assert outside.root_from_inclusion(LEAVES[index], index, size, proof) == root, (index, size)


def test_a_tenth_of_all_proofs_of_inclusion_to_1024(tree):
    inclusion_holds(tree, [*range(40), *range(43, 1024, 14), 1023, 1024])


@pytest.mark.full
def test_all_proofs_of_inclusion_to_1024(tree):
    inclusion_holds(tree, range(1025))


def test_all_proofs_of_consistency_to_256(tree):
    roots = [tree.root(size) for size in range(257)]
    for new in range(257):
        for old in range(new + 1):
            proof = tree.consistency(old, new)
            assert outside.is_consistent(old, roots[old], new, roots[new], proof), (old, new)


@settings(deadline=None, max_examples=150)
@given(st.data())
def test_any_proof_to_10000_holds_and_an_altered_one_does_not(tree, data):
    size = data.draw(st.integers(1, 10_000))
    index, old = data.draw(st.integers(0, size - 1)), data.draw(st.integers(1, size))
    root, proof = tree.root(size), tree.inclusion(index, size)
    assert outside.is_included(LEAVES[index], index, size, root, proof)
    steps = tree.consistency(old, size)
    assert outside.is_consistent(old, tree.root(old), size, root, steps)
    for path, holds in (
        (proof, lambda path: outside.is_included(LEAVES[index], index, size, root, path)),
        (steps, lambda path: outside.is_consistent(old, tree.root(old), size, root, path)),
    ):
        assert not holds([*path, b"\0" * 32])
        if path:
            at = data.draw(st.integers(0, len(path) - 1))
            assert not holds([*path[:at], b"\1" * 32, *path[at + 1 :]])
            assert not holds(path[:-1])
    other = data.draw(st.integers(0, size - 1).filter(lambda other: other != index)) if size > 1 else None
    assert other is None or not outside.is_included(LEAVES[other], index, size, root, proof)


def test_what_cannot_be_proved_is_refused(tree):
    for index, size in ((0, 0), (-1, 5), (5, 5)):
        with pytest.raises(ValueError, match="is not in a tree"):
            tree.inclusion(index, size)
    with pytest.raises(ValueError, match="cannot begin with"):
        tree.consistency(6, 5)
    with pytest.raises(LookupError, match="does not have node"):
        tree.node(0, 10_000)
