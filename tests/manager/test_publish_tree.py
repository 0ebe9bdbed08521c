"""The content tree: what is put in comes out, nothing falls back, and every leaf can be shown."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import signal
import stat
from datetime import UTC, datetime
from pathlib import Path
from typing import NoReturn

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loa_manager.content_index import ContentIndex
from loa_manager.content_tree import ContentTree, write_durably
from loa_protocol import merkle
from loa_protocol.envelope import Bundle, Kind
from loa_protocol.errors import MessageError, StoreError
from loa_protocol.objects.online import Head, Inclusion, Leaf
from loa_protocol.objects.playlist import Playlist
from loa_protocol.trust import Refusal, TrustError
from support.province import STATION, playlist, policy, province

NOW = datetime(2027, 1, 18, tzinfo=UTC)


def signed_playlist(scope: str = STATION, serial: int = 1) -> bytes:
    here = province()
    body = playlist(scope=scope, serial=serial)
    return here.sign(Kind.PLAYLIST, body, here.editor, here.approver)


@pytest.fixture
def tree(tmp_path: Path) -> ContentTree:
    tree = ContentTree(tmp_path / "content")
    here = province()
    tree.set_root("vn/ls", 1, tree.put_object(here.root_bundle))
    return tree


def put(tree: ContentTree, scope: str, serial: int = 1) -> bytes:
    digest = tree.put_object(signed_playlist(scope=scope, serial=serial))
    tree.set_playlist(scope, 1, serial, digest)
    return digest


def test_an_object_comes_out_as_it_went_in_under_the_hash_of_its_payload(tree: ContentTree) -> None:
    data = signed_playlist()
    digest = tree.put_object(data)
    assert digest == hashlib.sha256(Bundle.from_bytes(data).payload).digest()
    assert tree.object(digest) == data
    assert (tree.path / "objects" / digest.hex()).read_bytes() == data


@pytest.mark.requirement("MSG-5")
def test_a_draft_has_no_path_into_the_tree(tree: ContentTree) -> None:
    here = province()
    draft = here.sign(Kind.PLAYLIST, playlist())
    before = sorted(tree.path.rglob("*"))
    with pytest.raises(TrustError) as refused:
        tree.put_object(draft)
    assert refused.value.reason is Refusal.THRESHOLD
    assert sorted(tree.path.rglob("*")) == before


def test_media_are_named_by_the_bytes_that_were_written(tree: ContentTree, tmp_path: Path) -> None:
    source = tmp_path / "chime.opus"
    source.write_bytes(os.urandom(2_500_000))
    steps: list[int] = []
    sha256 = tree.put_media(source, steps.append)
    assert sha256 == hashlib.sha256(source.read_bytes()).digest()
    assert tree.media_path(sha256).read_bytes() == source.read_bytes()
    assert sum(steps) == 2_500_000
    assert len(steps) > 1
    assert tree.put_media(source) == sha256, "a second time is no fault"
    assert [each.name for each in (tree.path / "media").iterdir()] == [sha256.hex()]


def test_files_can_be_read_by_a_web_server_of_another_user(tree: ContentTree) -> None:
    digest = tree.put_object(signed_playlist())
    mode = (tree.path / "objects" / digest.hex()).stat().st_mode
    assert stat.S_IMODE(mode) == 0o644


def test_the_index_names_only_what_is_in_the_tree(tree: ContentTree) -> None:
    with pytest.raises(StoreError, match="not in the tree"):
        tree.set_playlist(STATION, 1, 1, bytes(32))
    assert tree.leaves() == []


def test_a_position_never_falls_and_never_changes_its_bytes(tree: ContentTree) -> None:
    second = put(tree, STATION, serial=2)
    first = tree.put_object(signed_playlist(serial=1))
    with pytest.raises(TrustError) as older:
        tree.set_playlist(STATION, 1, 1, first)
    assert older.value.reason is Refusal.ROLLBACK
    with pytest.raises(TrustError) as other:
        tree.set_playlist(STATION, 1, 2, first)
    assert other.value.reason is Refusal.EQUIVOCATION
    tree.set_playlist(STATION, 1, 2, second)
    assert [leaf.digest for leaf in tree.leaves()] == [second]


def test_a_cluster_s_playlist_stands_beside_its_station_s(tree: ContentTree) -> None:
    put(tree, STATION)
    old = tree.path / "proof" / STATION  # of a tree in which scopes did not lie in each other
    old.parent.mkdir(parents=True)
    old.write_bytes(b"a proof")
    cluster = f"{STATION}/c04"
    tree.set_playlist(cluster, 1, 1, tree.put_object(signed_playlist(scope=cluster)))
    tree.write_proofs()
    head = tree.head_facts().at(1_800_000_000)
    for scope in (STATION, cluster):
        proof = Inclusion.from_bytes((tree.path / "proof" / scope / "_").read_bytes())
        leaf = proof.leaf.to_bytes()
        assert proof.leaf.scope == scope
        assert merkle.is_included(leaf, proof.index, proof.path, size=head.leaves, tree=head.tree)


def test_every_proof_holds_under_the_head(tree: ContentTree) -> None:
    for number in range(5):
        put(tree, f"vn/ls/st{number}")
    tree.write_proofs()
    head = tree.head_facts().at(1_800_000_000)
    assert Head.from_bytes(head.to_bytes()) == head
    for number in range(5):
        proof = Inclusion.from_bytes((tree.path / f"proof/vn/ls/st{number}/_").read_bytes())
        assert proof.leaf.scope == f"vn/ls/st{number}"
        leaf = proof.leaf.to_bytes()
        assert merkle.is_included(leaf, proof.index, proof.path, size=head.leaves, tree=head.tree)


def test_a_head_names_the_newest_root_policy_and_deny_list(tree: ContentTree) -> None:
    here = province()
    rules = here.sign(Kind.POLICY, policy(), *here.officers)
    tree.set_policy("vn/ls", 1, 1, tree.put_object(rules))
    facts = tree.head_facts()
    assert facts.root == Bundle.from_bytes(here.root_bundle).digest
    assert [mark.digest for mark in facts.policies] == [Bundle.from_bytes(rules).digest]
    assert facts.deny_list == bytes(32)
    assert facts.standing_orders == bytes(32)
    denied = tree.put_object(signed_playlist())  # any object will do: the tree does not judge
    tree.set_deny_list("vn/ls", 1, 1, denied)
    assert tree.head_facts().deny_list == denied
    assert set(tree.index().positions) == {(Kind.POLICY, "vn/ls"), (Kind.DENY_LIST, "vn/ls")}


def test_a_tree_without_a_root_has_no_head_and_says_so(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="no root yet"):
        ContentTree(tmp_path).head_facts()


def test_a_renewed_head_and_its_proofs_are_of_one_moment(tree: ContentTree) -> None:
    put(tree, STATION)
    written = tree.renew_head(lambda facts: facts.at(1).to_bytes())
    head = Head.from_bytes((tree.path / "head").read_bytes())
    assert head.to_bytes() == written
    proof = Inclusion.from_bytes((tree.path / "proof" / STATION / "_").read_bytes())
    assert merkle.is_included(
        proof.leaf.to_bytes(), proof.index, proof.path, size=head.leaves, tree=head.tree
    )


def test_a_write_that_fails_leaves_the_old_file_and_no_litter(
    tree: ContentTree, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tree.path / "head"
    write_durably(file, b"old")
    monkeypatch.setattr(os, "fsync", _full_disk)
    with pytest.raises(StoreError, match="No space left"):
        write_durably(file, b"new")
    assert file.read_bytes() == b"old"
    assert not list(tree.path.glob(".new-*"))


def _full_disk(_: int) -> None:
    raise OSError(28, "No space left on device")


def test_leftovers_of_interrupted_writes_are_swept_after_a_day(tree: ContentTree) -> None:
    fresh, stale = tree.path / ".new-fresh", tree.path / "objects" / ".new-stale"
    for path, age_s in ((fresh, 3600), (stale, 90_000)):
        path.write_bytes(b"half")
        written = NOW.timestamp() - age_s
        os.utime(path, (written, written))
    assert tree.sweep(NOW) == 1
    assert fresh.exists()
    assert not stale.exists()


def test_a_publisher_killed_at_any_time_leaves_a_whole_tree(tree: ContentTree) -> None:
    data = [signed_playlist(serial=serial) for serial in range(1, 60)]
    for stop_after in (3, 20, 45):
        ready, child_end = os.pipe()
        child = os.fork()
        if child == 0:
            _publish_until_killed(tree, data, child_end)
        os.close(child_end)
        for _ in range(stop_after):
            assert os.read(ready, 1) == b"."
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        os.close(ready)
        (leaf,) = tree.leaves()
        assert leaf.serial >= stop_after
        assert Bundle.from_bytes(tree.object(leaf.digest)).digest == leaf.digest
        tree.renew_head(lambda facts: facts.at(1).to_bytes())


def _publish_until_killed(tree: ContentTree, data: list[bytes], done: int) -> NoReturn:
    try:
        for bundle in data:
            digest = tree.put_object(bundle)
            serial = Playlist.from_bytes(Bundle.from_bytes(bundle).payload).serial
            with contextlib.suppress(TrustError):  # the one killed before came as far
                tree.set_playlist(STATION, 1, serial, digest)
            os.write(done, b".")
    finally:
        os._exit(0)  # a child of the test run must not go on as a second test run


def test_state_goes_under_its_scope_and_only_as_what_it_is(tree: ContentTree) -> None:
    with pytest.raises(ValueError, match="no state file"):
        tree.put_state("../../etc", "settings", b"")
    with pytest.raises(ValueError, match="not a signed settings"):
        tree.put_state(STATION, "settings", signed_playlist())


def test_a_damaged_index_is_named(tree: ContentTree) -> None:
    file = tree.path / "index.json"
    file.write_bytes(file.read_bytes().replace(b'"format": 1', b'"format": 2'))
    with pytest.raises(MessageError, match=r"index\.json: format 2 is not 1"):
        tree.leaves()


LEAVES = st.dictionaries(
    st.sampled_from([f"vn/ls/st{n}" for n in range(9)]),
    st.tuples(st.integers(0, 3), st.integers(0, 2**62), st.binary(min_size=32, max_size=32)),
)


@given(LEAVES, LEAVES)
def test_the_index_survives_its_file(
    playlists: dict[str, tuple[int, int, bytes]], policies: dict[str, tuple[int, int, bytes]]
) -> None:
    index = ContentIndex()
    for scope, (epoch, serial, digest) in playlists.items():
        index = index.with_playlist(Leaf(scope=scope, epoch=epoch, serial=serial, digest=digest))
    for scope, (epoch, serial, digest) in policies.items():
        index = index.with_policy(Leaf(scope=scope, epoch=epoch, serial=serial, digest=digest))
    assert ContentIndex.from_json(index.to_json()) == index


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=9) | st.floats(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["root", "scope", "digest", "epoch", "vn/ls"]), inner)
    ),
    max_leaves=8,
)


@given(
    st.fixed_dictionaries(
        {"format": st.just(1)}
        | dict.fromkeys(["root", "playlists", "policies", "deny_lists"], JSON)
    )
)
def test_no_json_breaks_the_index_but_by_its_named_error(value: dict[str, object]) -> None:
    with contextlib.suppress(MessageError):
        ContentIndex.from_json(json.dumps(value).encode())


@given(st.binary(max_size=60))
def test_no_bytes_break_the_index_but_by_its_named_error(data: bytes) -> None:
    with pytest.raises(MessageError):
        ContentIndex.from_json(data)
