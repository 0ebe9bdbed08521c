"""How much the mailbox keeps: nobody fills the server's disk with what nobody will hear."""

from __future__ import annotations

import dataclasses
import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loa_manager.home import Home
from loa_manager.mailbox.office import Office
from loa_manager.mailbox.rejection import Rejection, seal_rejection
from loa_manager.mailbox.room import Held, Limits, drafts_to_drop
from loa_manager.mailbox.store import DraftBox
from loa_manager.publish.drafts import Draft
from loa_manager.request_seal import RequestError, Sender
from loa_protocol.envelope import Kind
from loa_protocol.objects.authority import Level, Role
from support.desks import NOW, Desks, identity, make_desks
from support.province import START, STATION, province

NGA = Sender(
    "editor",
    province().editor.signer.public.kid,
    (STATION,),
    frozenset({Role.EDITOR}),
    Level.COMMUNE,
)
HUNG = Sender(
    "approver",
    province().approver.signer.public.kid,
    (STATION,),
    frozenset({Role.APPROVER}),
    Level.COMMUNE,
)
LIMITS = Limits(drafts_of_scope=3, drafts_of_holder=4, media_of_scope=100, media_of_holder=150)


@pytest.fixture
def desks(tmp_path: Path) -> Desks:
    return make_desks(tmp_path)


def held(n: int, size: int = 40, **changes: object) -> Held:
    facts: dict[str, object] = {
        "digest": f"{n}",
        "scope": "vn/ls/a",
        "by": "nga",
        "submitted_ms": n,
        "is_open": True,
        "media": {bytes([n]): size},
    }
    return Held(**{**facts, **changes})  # type: ignore[arg-type]  # test convenience


@pytest.mark.requirement("SEC-7")
def test_one_person_does_not_get_more_room_by_writing_for_many_places() -> None:
    there = [held(n, 40, scope=f"vn/ls/{n}") for n in range(3)]
    assert drafts_to_drop(held(9, 40, scope="vn/ls/9"), there, LIMITS) is None
    assert drafts_to_drop(held(9, 40, scope="vn/ls/9", by="son"), there, LIMITS) == []


def test_what_is_settled_weighs_until_it_is_gone_and_goes_the_oldest_first() -> None:
    there = [held(n, 40, is_open=False) for n in (2, 1)]
    assert drafts_to_drop(held(9, 40), there, LIMITS) == ["1"]
    assert drafts_to_drop(held(9, 100), there, LIMITS) == ["1", "2"]
    assert drafts_to_drop(held(9, 101), there, LIMITS) is None


def test_drafts_of_one_place_share_their_sound() -> None:
    there = [held(1, 90), held(2, 90, media={b"\1": 90})]
    assert drafts_to_drop(held(3, 90, media={b"\1": 90}), there, LIMITS) == []


DRAFT = st.builds(
    held,
    st.integers(0, 99),
    st.integers(0, 80),
    scope=st.sampled_from(["a", "b"]),
    by=st.sampled_from(["nga", "son"]),
    is_open=st.booleans(),
)


@given(
    DRAFT.map(lambda each: dataclasses.replace(each, is_open=True)),
    st.lists(DRAFT, max_size=8, unique_by=lambda each: each.digest),
)
def test_nothing_open_ever_goes_and_what_stays_is_within_the_limits(
    new: Held, there: list[Held]
) -> None:
    gone = drafts_to_drop(new, there, LIMITS)
    if gone is None:
        return
    stay = [each for each in there if each.digest not in gone]
    assert all(each in stay for each in there if each.is_open)
    beside = [each for each in (*stay, new) if each.scope == new.scope]
    mine = [each for each in (*stay, new) if each.by == new.by]
    assert len(beside) <= LIMITS.drafts_of_scope
    assert len(mine) <= LIMITS.drafts_of_holder
    assert sum({k: v for e in beside for k, v in e.media.items()}.values()) <= LIMITS.media_of_scope


# --- in the office


def sealed(desks: Desks) -> Draft:
    return desks.seal(desks.draft(), province().editor, Role.EDITOR)


def deliver(office: Office, draft: Draft) -> None:
    office.submit(NGA, draft.data, NOW)
    for media in draft.playlist.media:
        data = (draft.media / media.sha256.hex()).read_bytes()
        names = draft.bundle.digest.hex(), media.sha256.hex()
        office.receive(NGA, *names, offset=0, data=data, now=NOW)


def no_to(draft: bytes) -> bytes:
    said = Rejection(draft=draft, scope=STATION, reason="Sai", time=START)
    return seal_rejection(said, identity(province().approver))


def sounds(home: Home) -> list[Path]:
    return [path for path in (home.path / "mailbox").rglob("media/*") if path.is_file()]


def test_the_sound_of_what_was_rejected_makes_room_for_other_sound(desks: Desks) -> None:
    draft = sealed(desks)
    (media,) = draft.playlist.media
    office, name = Office(desks.server, Limits(media_of_scope=media.size)), draft.bundle.digest
    deliver(office, draft)
    office.reject(HUNG, name.hex(), no_to(name), NOW)
    assert len(sounds(desks.server)) == 1
    other = dataclasses.replace(media, sha256=bytes(32))
    body = dataclasses.replace(draft.playlist, serial=99, media=(other,))
    office.submit(NGA, province().sign(Kind.PLAYLIST, body, province().editor), NOW)
    assert sounds(desks.server) == []


def test_a_disk_that_is_nearly_full_takes_no_sound(
    desks: Desks, monkeypatch: pytest.MonkeyPatch
) -> None:
    office, draft = Office(desks.server, Limits(free=1000)), sealed(desks)
    monkeypatch.setattr(DraftBox, "free", lambda _box: 999)
    with pytest.raises(RequestError, match="507 full"):
        deliver(office, draft)
    assert sounds(desks.server) == []
    monkeypatch.setattr(DraftBox, "free", lambda _box: 1000)
    deliver(office, draft)
    assert sounds(desks.server)


@pytest.mark.requirement("SEC-7")
def test_no_other_user_of_the_machine_looks_into_the_mailbox(desks: Desks) -> None:
    deliver(Office(desks.server), sealed(desks))
    assert stat.S_IMODE((desks.server.path / "mailbox").stat().st_mode) == 0o700
