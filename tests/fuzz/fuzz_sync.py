"""Fuzz target: what a content server sends for each kind of file that is not media."""

from __future__ import annotations

from functools import cache

from loa_endpoint.core import want as wants
from loa_endpoint.core.sync import CatchUp, Have
from loa_endpoint.core.want import Step, Want
from support.content_lab import village_lab
from support.province import NOW, STATION
from support.vault import MemoryVault


def fuzz(data: bytes) -> None:
    """Offer *data* as each kind of file: nothing comes out but refusals, and nothing changes."""
    board, have = _board()
    head = board.head
    for step in Step:
        digest = b"" if step in (Step.HEAD, Step.PROOF, Step.SETTINGS) else bytes(32)
        want = Want(step=step, path="x", limit=wants.PROOF, scope=STATION, digest=digest)
        if step is not Step.MEDIA:
            effects = board.on_body(want, data, have, now=NOW, now_ms=0)
            assert [type(effect).__name__ for effect in effects] in (["Refuse"], [])
    assert board.head == head


@cache
def _board() -> tuple[CatchUp, Have]:
    board, vault = CatchUp(bytes(16)), MemoryVault()
    lab = village_lab()
    board.on_body(wants.head(), lab.files["/head"], vault.have(), now=NOW, now_ms=0)
    assert board.head is not None
    return board, vault.have()
