"""RFC 9162 trees."""

from __future__ import annotations

import hashlib

from hypothesis import given
from hypothesis import strategies as st

from loa_protocol import merkle


def test_an_empty_tree_hashes_to_nothing_and_a_leaf_to_its_leaf_hash() -> None:
    assert merkle.root([]) == hashlib.sha256(b"").digest()
    assert merkle.root([b""]).hex() == (
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"  # RFC 6962 test value
    )


def test_a_known_tree_of_eight_leaves_has_its_published_root() -> None:
    # the eight test leaves of the certificate-transparency reference implementation
    leaves = ["", "00", "10", "2021", "3031", "40414243", "5051525354555657"]
    leaves.append("606162636465666768696a6b6c6d6e6f")
    assert merkle.root([bytes.fromhex(leaf) for leaf in leaves]).hex() == (
        "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328"
    )


@given(st.lists(st.binary(max_size=8), min_size=1, max_size=40), st.data())
def test_every_leaf_has_a_path_and_no_other_leaf_fits_it(
    leaves: list[bytes], data: st.DataObject
) -> None:
    index = data.draw(st.integers(0, len(leaves) - 1))
    tree, proof = merkle.root(leaves), merkle.path(leaves, index)
    size = len(leaves)
    assert merkle.is_included(leaves[index], index, proof, size=size, tree=tree)
    assert not merkle.is_included(leaves[index] + b"x", index, proof, size=size, tree=tree)
    assert not merkle.is_included(leaves[index], index, [*proof, bytes(32)], size=size, tree=tree)
    assert not merkle.is_included(leaves[index], size, proof, size=size, tree=tree)
    if proof:
        assert not merkle.is_included(leaves[index], index, proof[:-1], size=size, tree=tree)
