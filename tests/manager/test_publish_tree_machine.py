"""The content tree against a model of three dictionaries, in any order of doings."""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from loa_manager.content_tree import ContentTree
from loa_protocol import merkle
from loa_protocol.envelope import Bundle, Kind, sign_bundle
from loa_protocol.objects.online import Head, Inclusion
from loa_protocol.trust import Refusal, TrustError
from support.province import playlist, policy, province

SCOPES = st.sampled_from([f"vn/ls/st{number}" for number in range(6)])
SERIALS = st.integers(1, 6)
TITLES = st.sampled_from([1, 2])  # items: two bodies for one position


class TreeMachine(RuleBasedStateMachine):
    """Publishers and a head signer, each a tree of their own over one folder."""

    @initialize()
    def begin(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="loa-tree-"))
        self.publisher, self.signer = ContentTree(self.folder), ContentTree(self.folder)
        root = self.publisher.put_object(province().root_bundle)
        self.publisher.set_root("vn/ls", 1, root)
        self.objects = {root: province().root_bundle}
        self.playlists: dict[str, tuple[int, bytes]] = {}
        self.policy: tuple[int, bytes] | None = None
        self.head: tuple[Head, dict[str, bytes]] | None = None

    def teardown(self) -> None:
        shutil.rmtree(self.folder)

    @rule(scope=SCOPES, serial=SERIALS, items=TITLES)
    def publish(self, scope: str, serial: int, items: int) -> None:
        body = playlist(items, scope=scope, serial=serial)
        data = sign_bundle(Kind.PLAYLIST, body.to_bytes(), [province().editor.signer])
        digest = self.publisher.put_object(data)
        self.objects[digest] = data
        reached = self.playlists.get(scope)
        if refusal := self._judge(serial, digest, reached):
            with pytest.raises(TrustError) as refused:
                self.publisher.set_playlist(scope, 1, serial, digest)
            assert refused.value.reason is refusal
            return
        self.publisher.set_playlist(scope, 1, serial, digest)
        self.playlists[scope] = serial, digest

    @rule(serial=SERIALS)
    def rule_anew(self, serial: int) -> None:
        data = sign_bundle(
            Kind.POLICY, policy(serial=serial).to_bytes(), [province().officers[0].signer]
        )
        digest = self.publisher.put_object(data)
        self.objects[digest] = data
        if self._judge(serial, digest, self.policy) is None:
            self.publisher.set_policy("vn/ls", 1, serial, digest)
            self.policy = serial, digest

    @rule(content=st.binary(min_size=1, max_size=50))
    def add_media(self, content: bytes) -> None:
        source = self.folder.parent / f"{self.folder.name}.media"
        source.write_bytes(content)
        sha256 = self.publisher.put_media(source)
        source.unlink()
        assert sha256 == hashlib.sha256(content).digest()
        assert self.publisher.media_path(sha256).read_bytes() == content

    @rule()
    def sign_a_head(self) -> None:
        data = self.signer.renew_head(lambda facts: facts.at(1).to_bytes())
        leaves = {scope: digest for scope, (_serial, digest) in self.playlists.items()}
        self.head = Head.from_bytes(data), leaves

    @invariant()
    def what_was_put_is_there(self) -> None:
        for digest, data in self.objects.items():
            assert Bundle.from_bytes(self.signer.object(digest)).digest == digest
            assert self.signer.object(digest) == data

    @invariant()
    def the_index_is_the_model(self) -> None:
        leaves = {leaf.scope: (leaf.serial, leaf.digest) for leaf in self.signer.leaves()}
        assert leaves == self.playlists
        marks = [(mark.serial, mark.digest) for mark in self.signer.head_facts().policies]
        assert marks == ([] if self.policy is None else [self.policy])

    @invariant()
    def every_proof_belongs_to_the_head(self) -> None:
        if self.head is None:
            return
        head, leaves = self.head
        assert (self.folder / "head").read_bytes() == head.to_bytes()
        assert head.leaves == len(leaves)
        for scope, digest in leaves.items():
            proof = Inclusion.from_bytes((self.folder / "proof" / scope / "_").read_bytes())
            assert proof.leaf.digest == digest
            assert merkle.is_included(
                proof.leaf.to_bytes(), proof.index, proof.path, size=head.leaves, tree=head.tree
            )

    @invariant()
    def no_half_written_file_is_left(self) -> None:
        assert not list(self.folder.rglob(".new-*"))

    @staticmethod
    def _judge(serial: int, digest: bytes, reached: tuple[int, bytes] | None) -> Refusal | None:
        if reached is None or serial > reached[0]:
            return None
        if serial < reached[0]:
            return Refusal.ROLLBACK
        return None if digest == reached[1] else Refusal.EQUIVOCATION


TestTree = TreeMachine.TestCase
TestTree.settings = settings(max_examples=15, stateful_step_count=12)
