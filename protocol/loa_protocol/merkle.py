"""Merkle trees as in RFC 9162 section 2.1: leaf hashes begin with 00, node hashes with 01."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence


def leaf_hash(leaf: bytes) -> bytes:
    """Hash one leaf."""
    return hashlib.sha256(b"\x00" + leaf).digest()


def root(leaves: Sequence[bytes]) -> bytes:
    """Return the tree hash over the bytes of *leaves*; none gives the SHA-256 of nothing."""
    if not leaves:
        return hashlib.sha256().digest()
    if len(leaves) == 1:
        return leaf_hash(leaves[0])
    cut = _largest_power_below(len(leaves))
    return _node(root(leaves[:cut]), root(leaves[cut:]))


def path(leaves: Sequence[bytes], index: int) -> list[bytes]:
    """Return the inclusion path of leaf *index*, nearest sibling first (RFC 9162 2.1.3.1)."""
    if len(leaves) <= 1:
        return []
    cut = _largest_power_below(len(leaves))
    if index < cut:
        return [*path(leaves[:cut], index), root(leaves[cut:])]
    return [*path(leaves[cut:], index - cut), root(leaves[:cut])]


def is_included(leaf: bytes, index: int, proof: Sequence[bytes], *, size: int, tree: bytes) -> bool:
    """Tell whether *proof* shows *leaf* at *index* of a tree of *size* (RFC 9162 2.1.3.2)."""
    if not 0 <= index < size:
        return False
    node, last, value = index, size - 1, leaf_hash(leaf)
    for sibling in proof:
        if last == 0:
            return False
        if node & 1 or node == last:
            value = _node(sibling, value)
            while node and not node & 1:
                node, last = node >> 1, last >> 1
        else:
            value = _node(value, sibling)
        node, last = node >> 1, last >> 1
    return last == 0 and value == tree


def _node(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\x01" + left + right).digest()


def _largest_power_below(count: int) -> int:
    return 1 << (count - 1).bit_length() - 1
