"""The Merkle tree against RFC 6962's own definitions, and against the vectors that Certificate Transparency's implementations share."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unioneyes.runbook.audit.merkle import (
    EMPTY_ROOT,
    HASH_BYTES,
    Tree,
    inclusion_ranges,
    is_included,
    leaf_hash,
    node_hash,
    prove,
)

VECTORS = [bytes.fromhex(leaf) for leaf in ("", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f")]
ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
"""Roots of the first 1, 2, ... 8 of the vectors. Source: the reference implementation of Certificate Transparency, merkletree tests."""


def grown(leaves: list[bytes]) -> Tree:
    tree = Tree()
    for leaf in leaves:
        tree.append(leaf_hash(leaf))
    return tree


def mth(leaves: list[bytes]) -> bytes:
    """The Merkle tree hash, as RFC 6962 defines it (2.1)."""
    if len(leaves) < 2:
        return leaf_hash(leaves[0]) if leaves else EMPTY_ROOT
    k = 1
    while 2 * k < len(leaves):
        k *= 2
    return node_hash(mth(leaves[:k]), mth(leaves[k:]))


def test_the_roots_are_those_of_the_known_vectors() -> None:
    assert EMPTY_ROOT.hex() == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    assert Tree().root() == EMPTY_ROOT
    assert [grown(VECTORS[:size]).root().hex() for size in range(1, 9)] == ROOTS


def test_the_proofs_are_those_of_the_rfc_s_example() -> None:
    """Source: RFC 6962, 2.1.3: seven leaves d0 to d6, over which stand a to l."""
    assert inclusion_ranges(0, 7) == ((1, 2), (2, 4), (4, 7))  # [b, h, l]
    assert inclusion_ranges(3, 7) == ((2, 3), (0, 2), (4, 7))  # [c, g, l]
    assert inclusion_ranges(4, 7) == ((5, 6), (6, 7), (0, 4))  # [f, j, k]
    assert inclusion_ranges(6, 7) == ((4, 6), (0, 4))  # [i, k]


leaves_of = st.lists(st.binary(max_size=8), min_size=1, max_size=70)


@dataclass(frozen=True)
class Included:
    leaves: list[bytes]
    index: int

    @property
    def proof(self) -> tuple[bytes, ...]:
        return prove(map(leaf_hash, self.leaves), inclusion_ranges(self.index, len(self.leaves)))

    def holds(
        self, proof: tuple[bytes, ...], *, leaf: bytes | None = None, index: int | None = None, size: int | None = None, root: bytes | None = None
    ) -> bool:
        return is_included(
            leaf_hash(self.leaves[self.index] if leaf is None else leaf),
            index=self.index if index is None else index,
            size=len(self.leaves) if size is None else size,
            root=root or mth(self.leaves),
            proof=proof,
        )


included = leaves_of.flatmap(lambda leaves: st.builds(Included, st.just(leaves), st.integers(0, len(leaves) - 1)))


def changed(value: bytes, bit: int) -> bytes:
    flipped = bytearray(value)
    flipped[bit // 8 % len(value)] ^= 1 << bit % 8
    return bytes(flipped)


@given(leaves_of)
def test_a_grown_tree_has_the_root_that_the_definition_gives(leaves: list[bytes]) -> None:
    assert grown(leaves).root() == mth(leaves)


@given(included)
def test_every_leaf_is_proven_to_be_in_its_tree(one: Included) -> None:
    assert one.holds(one.proof)


@given(included, st.binary(max_size=8))
def test_no_proof_holds_for_another_leaf(one: Included, other: bytes) -> None:
    assert one.holds(one.proof, leaf=other) is (other == one.leaves[one.index])


@given(included, st.integers(0, 80), st.integers(0, 80))
def test_no_proof_holds_for_another_place_or_size(one: Included, index: int, size: int) -> None:
    """Another size may share a leaf's whole path; never another root."""
    if index != one.index:
        assert not one.holds(one.proof, index=index) or one.leaves[index] == one.leaves[one.index]
    if size < len(one.leaves):
        assert not one.holds(one.proof, size=size, root=mth(one.leaves[:size]))


@given(included, st.data())
def test_no_proof_holds_when_it_was_changed(one: Included, data: st.DataObject) -> None:
    proof = one.proof
    if proof:
        at, bit = data.draw(st.integers(0, len(proof) - 1)), data.draw(st.integers(0, 8 * HASH_BYTES - 1))
        assert not one.holds((*proof[:at], changed(proof[at], bit), *proof[at + 1 :]))
        assert not one.holds(proof[:-1])
    assert not one.holds((*proof, proof[0] if proof else EMPTY_ROOT))
    assert not one.holds(proof, root=changed(mth(one.leaves), data.draw(st.integers(0, 8 * HASH_BYTES - 1))))


@pytest.mark.parametrize("index", [-1, 3])
def test_nothing_is_included_outside_of_its_tree(index: int) -> None:
    assert not is_included(leaf_hash(b""), index=index, size=3, root=mth(VECTORS[:3]), proof=())
