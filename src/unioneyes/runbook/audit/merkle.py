"""The Merkle tree of RFC 6962: roots and inclusion proofs. Pure, and of constant memory whatever the tree's size.

Source: RFC 6962, section 2.1; how proofs are verified: RFC 9162, section 2.1.3.2 (the same tree).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from hashlib import sha256

HASH_BYTES = 32
EMPTY_ROOT = sha256().digest()

Range = tuple[int, int]
"""Leaves from the first on, up to but without the second."""


def leaf_hash(leaf: bytes) -> bytes:
    """Return the hash of a leaf."""
    return sha256(b"\x00" + leaf).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Return the hash of a node above two others."""
    return sha256(b"\x01" + left + right).digest()


class Tree:
    """A tree that leaves are appended to; it keeps only the hash of each complete subtree, at most one per bit of its size."""

    def __init__(self) -> None:
        """Begin empty."""
        self.size = 0
        self._complete: list[bytes] = []

    def append(self, hashed: bytes) -> None:
        """The tree ends with the leaf of that hash."""
        merges = self.size
        while merges & 1:
            hashed = sha256(b"\x01" + self._complete.pop() + hashed).digest()
            merges >>= 1
        self._complete.append(hashed)
        self.size += 1

    def root(self) -> bytes:
        """Return the hash of the whole."""
        if not self._complete:
            return EMPTY_ROOT
        *lefts, root = self._complete
        for left in reversed(lefts):
            root = node_hash(left, root)
        return root


def inclusion_ranges(index: int, size: int) -> tuple[Range, ...]:
    """Return the leaves below each hash of the proof that leaf `index` is in the tree of `size` leaves, from the leaf up."""
    found: list[Range] = []
    begin, end = 0, size
    while end - begin > 1:
        middle = begin + _left(end - begin)
        if index < middle:
            found.append((middle, end))
            end = middle
        else:
            found.append((begin, middle))
            begin = middle
    return tuple(reversed(found))


def prove(leaf_hashes: Iterable[bytes], ranges: Sequence[Range]) -> tuple[bytes, ...]:
    """Return the hash of each of `ranges`, which do not overlap, in their order; the leaves are gone through once.

    A range whose leaves are not all there has none, and so the proof is short.
    """
    roots: dict[Range, bytes] = {}
    waiting = sorted(ranges, reverse=True)
    tree = Tree()
    for index, hashed in enumerate(leaf_hashes):
        if not waiting:
            break
        begin, end = waiting[-1]
        if index >= begin:
            tree.append(hashed)
        if index + 1 == end:
            roots[waiting.pop()] = tree.root()
            tree = Tree()
    return tuple(roots[each] for each in ranges if each in roots)


def is_included(hashed: bytes, *, index: int, size: int, root: bytes, proof: Sequence[bytes]) -> bool:
    """Return whether `proof` shows that leaf `index` of the tree of `size` leaves and that `root` has this hash. Source: RFC 9162, 2.1.3.2."""
    if not 0 <= index < size:
        return False
    node, last = index, size - 1
    for beside in proof:
        if last == 0:
            return False
        if node & 1 or node == last:
            hashed = node_hash(beside, hashed)
            while not node & 1 and node:
                node, last = node >> 1, last >> 1
        else:
            hashed = node_hash(hashed, beside)
        node, last = node >> 1, last >> 1
    return last == 0 and hashed == root


def _left(size: int) -> int:
    """Return how many leaves stand on the left of the topmost node: the greatest power of two below `size`."""
    return 1 << ((size - 1).bit_length() - 1)
