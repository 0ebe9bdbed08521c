"""The keeper: what waits, what rules, and what a deny list takes away."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from loa_endpoint.app.keeper import Keeper
from loa_endpoint.store.identity import NEXT_PLAYLIST, IdentityStore
from loa_endpoint.store.state import State
from loa_protocol.accept import accept
from loa_protocol.envelope import Bundle, Kind
from loa_protocol.objects.placement import Denied, DeniedKind, DenyList
from support.province import NOW, SCOPE, START, playlist, province


@pytest.mark.requirement("SEC-3")
def test_a_playlist_denied_while_it_waits_leaves_the_present_one_in_force(tmp_path: Path) -> None:
    people = province()
    store = IdentityStore(tmp_path, State.open(tmp_path / "state.db", create=True))
    keeper = Keeper(store)
    now, later = playlist(), playlist(serial=2, not_before=START + 86_400)
    bundles = [people.sign(Kind.PLAYLIST, b, people.editor, people.approver) for b in (now, later)]
    for bundle in bundles:
        accepted = accept(bundle, people.trusted(), NOW)
        keeper.keep(accepted, bundle)
        keeper.put_into_force(accepted)
    entry = Denied(
        kind=list(DeniedKind)[-1], value=Bundle.from_bytes(bundles[1]).digest, until=START * 2
    )
    keeper.deny_list = DenyList(scope=SCOPE, epoch=1, serial=1, entries=(entry,))
    assert not keeper.come_into_force(START + 2 * 86_400)
    assert dataclasses.asdict(keeper.playlist or later) == dataclasses.asdict(now)
    assert not keeper.is_denied()
    assert store.bundle(NEXT_PLAYLIST) is None
    store.state.close()
