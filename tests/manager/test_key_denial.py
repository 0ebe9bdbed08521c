"""What is denied stays denied, and a thief who ran ahead is outrun."""

from __future__ import annotations

import dataclasses
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loa_manager.content_index import NO_OBJECT
from loa_manager.denial import (
    AFTER_EXPIRY,
    KEPT_AFTER,
    denials,
    denied_values,
    extended,
    parse_digests,
    parse_keys,
    present_list,
)
from loa_manager.issued import list_issued
from loa_manager.keyring import parse_request
from loa_manager.publish.desk import Desk, export_rules
from loa_manager.publish.drafts import read_draft
from loa_manager.publish.editing import make_draft, seal_draft
from loa_manager.publish.publication import judge_draft, publish
from loa_protocol.envelope import Bundle, Kind, sign_bundle
from loa_protocol.errors import ConfigError
from loa_protocol.objects.authority import Role
from loa_protocol.objects.placement import Denied, DeniedKind, DenyList
from loa_protocol.trust import Refusal, TrustError
from support.bench_lab import FOUNDED
from support.key_lab import STATION, Board, KeyLab, Someone, deny_list, week
from support.schedules import text, write_tone

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
LAST = 2**63 - 1  # the last serial that the wire can carry
NOW_S = int(FOUNDED.timestamp())
YEAR_S = int(KEPT_AFTER.total_seconds())


@pytest.fixture(autouse=True)
def _english(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("loa_protocol.language._chosen", ["en"])


@pytest.fixture
def lab(tmp_path: Path) -> KeyLab:
    return KeyLab(tmp_path)


def refused(board: Board, data: bytes, at: datetime = FOUNDED) -> Refusal:
    with pytest.raises(TrustError) as error:
        board.take(data, at)
    return error.value.reason


def station(lab: KeyLab) -> tuple[Someone, Someone]:
    nga = lab.person("nga", Role.EDITOR, "Trần Thị Nga")
    return nga, lab.person("son", Role.APPROVER, "Lương Văn Sơn")


def deny(lab: KeyLab, at: datetime = FOUNDED, **what: object) -> DenyList:
    entries = denials(list_issued(lab.home), now_s=int(at.timestamp()), **what)  # type: ignore[arg-type]  # test convenience
    return DenyList.from_bytes(Bundle.from_bytes(lab.authority.deny(entries, at)).payload)


@pytest.mark.requirement("SEC-6")
@pytest.mark.parametrize("by", ["keys", "holders", "digests"])
def test_what_a_denied_key_signed_is_refused_by_the_board(lab: KeyLab, by: str) -> None:
    nga, son = station(lab)
    board, playlist = lab.board(), week(nga.identity, son.identity)
    what: dict[str, Any] = {
        "keys": [nga.identity.signer.public.kid],
        "holders": ["Trần Thị Nga"],
        "digests": [Bundle.from_bytes(playlist).digest],
    }
    board.take(playlist)
    deny(lab, **{by: what[by]})
    board.take(deny_list(lab.home))
    assert refused(board, playlist) is Refusal.DENIED


def test_the_head_names_the_deny_list(lab: KeyLab) -> None:
    assert lab.home.content.head_facts().deny_list == NO_OBJECT
    deny(lab, digests=[bytes(32)])
    data = deny_list(lab.home)
    assert lab.home.content.head_facts().deny_list == Bundle.from_bytes(data).digest


def test_a_denial_covers_every_key_of_a_holder_and_lasts_a_year_beyond_the_last(
    lab: KeyLab,
) -> None:
    nga, _son = station(lab)
    second = lab.person("nga2", Role.LIVE, "Trần Thị Nga")
    signed = deny(lab, holders=["Trần Thị Nga"])
    kids = {each.identity.signer.public.kid for each in (nga, second)}
    assert {entry.value for entry in signed.entries} == kids
    ends = NOW_S + 90 * 86_400
    assert {entry.until for entry in signed.entries} == {ends + AFTER_EXPIRY.total_seconds()}


def test_a_holder_without_a_certificate_is_a_mistake(lab: KeyLab) -> None:
    with pytest.raises(ConfigError, match="Nobody"):
        deny(lab, holders=["Nobody"])
    assert present_list(lab.home) is None


def test_nobody_certifies_a_denied_key_again(lab: KeyLab) -> None:
    nga, _son = station(lab)
    deny(lab, keys=[nga.identity.signer.public.kid])
    with pytest.raises(TrustError) as error:
        lab.certify(nga, FOUNDED + HOUR)
    assert error.value.reason is Refusal.DENIED


def test_a_signing_officer_is_never_denied_by_mistake(lab: KeyLab) -> None:
    officer = lab.authority.officers[0].signer.public.kid
    with pytest.raises(ConfigError, match="another key first"):
        deny(lab, keys=[officer])
    assert present_list(lab.home) is None


def test_lists_rise_and_keep_what_they_said(lab: KeyLab) -> None:
    first = deny(lab, digests=[b"\1" * 32])
    second = deny(lab, FOUNDED + HOUR, digests=[b"\2" * 32])
    assert second.serial > first.serial
    assert {entry.value for entry in second.entries} == {b"\1" * 32, b"\2" * 32}
    assert denied_values(lab.home) == {b"\1" * 32, b"\2" * 32}


def test_the_desks_of_people_know_the_list_after_an_export(lab: KeyLab) -> None:
    nga, _son = station(lab)
    deny(lab, keys=[nga.identity.signer.public.kid])
    export_rules(lab.home, nga.home)
    assert nga.identity.signer.public.kid in Desk.open(nga.home, FOUNDED + HOUR).trusted.denied


entries = st.builds(
    Denied,
    kind=st.sampled_from(DeniedKind),
    value=st.integers(0, 3).map(lambda n: bytes([n]) * 16),
    until=st.integers(NOW_S - 100, NOW_S + 100),
)


@given(st.lists(st.lists(entries, max_size=5), max_size=6), st.integers(-100, 100))
def test_no_entry_leaves_before_its_time(rounds: list[list[Denied]], at: int) -> None:
    present: DenyList | None = None
    for added in rounds:
        present = extended(present, "vn/ls", added, NOW_S - 100)
    now_s = NOW_S + at + YEAR_S  # a year later, for boards whose clock lags
    later = extended(present, "vn/ls", [], now_s)
    held = {(each.kind, each.value): each.until for each in later.entries}
    for each in (entry for added in rounds for entry in added):
        if each.until > now_s - YEAR_S:
            assert held[each.kind, each.value] >= each.until
    assert all(until > now_s - YEAR_S for until in held.values())


def test_what_is_over_makes_room_on_a_list_that_is_full() -> None:
    over = [Denied(kind=DeniedKind.KEY, value=n.to_bytes(16), until=NOW_S) for n in range(4096)]
    present = extended(None, "vn/ls", over, NOW_S)
    assert len(present.entries) == 4096
    more = Denied(kind=DeniedKind.KEY, value=b"\xff" * 16, until=NOW_S + 1)
    assert extended(present, "vn/ls", [more], NOW_S).entries == (more,)


@pytest.mark.requirement("SEC-6")
def test_an_officer_with_an_older_list_at_hand_denies_nobody_less(lab: KeyLab) -> None:
    """As after a backup was restored: boards hold a newer list than the home does."""
    board = lab.board()
    first = deny(lab, digests=[b"\1" * 32])
    board.take(deny_list(lab.home))
    without = dataclasses.replace(first, entries=())
    with pytest.raises(TrustError) as error:  # at the desk already, where it is known
        lab.authority._sign(Kind.DENY_LIST, without, "deny list vn/ls", FOUNDED + HOUR)
    assert error.value.reason is Refusal.ROLLBACK
    signers = [each.signer for each in lab.authority.officers]
    chains = lab.authority._chains()
    later = dataclasses.replace(without, serial=first.serial + 1)
    data = sign_bundle(Kind.DENY_LIST, later.to_bytes(), signers, certificates=chains)
    assert refused(board, data) is Refusal.ROLLBACK
    deny(lab, FOUNDED + HOUR, digests=[b"\2" * 32])
    board.take(deny_list(lab.home), FOUNDED + HOUR)
    assert board.trusted.denied == {b"\1" * 32, b"\2" * 32}


def test_a_list_that_is_full_says_so() -> None:
    many = [Denied(kind=DeniedKind.KEY, value=n.to_bytes(16), until=NOW_S + 1) for n in range(4097)]
    assert len(extended(None, "vn/ls", many[1:], NOW_S).entries) == 4096
    with pytest.raises(ConfigError, match="4097"):
        extended(None, "vn/ls", many, NOW_S)


@pytest.mark.parametrize("text", ["", "zz", "00" * 15, "00" * 17, "00" * 32])
def test_key_ids_are_32_hex_digits(text: str) -> None:
    assert parse_keys(["00" * 16]) == [bytes(16)]
    assert parse_digests(["ff" * 32]) == [b"\xff" * 32]
    with pytest.raises(ConfigError):
        parse_keys(["00" * 16, text])


# --- a thief runs ahead


@pytest.mark.requirement("SEC-3", "SEC-6")
def test_a_thief_who_signed_the_last_serial_is_outrun_by_the_next_epoch(lab: KeyLab) -> None:
    nga, son = station(lab)
    board, late = lab.board(), FOUNDED + DAY
    board.take(week(nga.identity, son.identity, serial=5))
    # both keys in wrong hands: the last number there is, so that nothing can follow
    attack = week(nga.identity, son.identity, serial=LAST)
    board.take(attack)
    assert refused(board, week(nga.identity, son.identity, serial=6)) is Refusal.ROLLBACK

    old = (nga.identity, son.identity)
    deny(lab, late, holders=[nga.holder, son.holder])
    for someone in (nga, son):
        someone.request = someone.rotate()
        lab.certify(someone, late, epoch=2)
    cured = week(nga.identity, son.identity, serial=7, epoch=2, at=late)
    board.take(cured, late)  # the epoch alone is enough, before the denial arrives
    assert refused(board, attack, late) is Refusal.ROLLBACK
    assert refused(board, week(*old, serial=LAST, epoch=2), late) is Refusal.EPOCH

    board.take(deny_list(lab.home), late)
    assert refused(board, week(*old, serial=LAST), late) is Refusal.DENIED
    board.take(week(nga.identity, son.identity, serial=8, epoch=2, at=late), late)


def test_a_raised_epoch_is_kept_by_every_later_certificate_of_the_place(lab: KeyLab) -> None:
    nga, son = station(lab)
    lab.certify(nga, epoch=3)
    assert nga.identity.certificate is not None
    assert nga.identity.certificate.epoch == 3
    assert lab.certify(son).certificate.epoch == 3  # type: ignore[union-attr]  # certified above
    elsewhere = lab.authority.certify(parse_request(son.request), ("vn/ls/st0200",), FOUNDED)
    assert son.install(elsewhere).certificate.epoch == 1  # type: ignore[union-attr]  # as above
    with pytest.raises(ConfigError, match="epoch 2"):
        lab.certify(nga, epoch=2)


def test_drafts_take_the_epoch_of_the_editors_certificate_and_are_published(lab: KeyLab) -> None:
    nga, son = station(lab)
    monday = datetime.fromtimestamp(1_800_000_000, FOUNDED.tzinfo)
    for someone in (nga, son):
        lab.certify(someone, monday, epoch=2)
        export_rules(lab.home, someone.home)
    file = lab.folder / "week" / "tuan.toml"
    write_tone(file.parent / "gia-lua.wav")
    file.write_bytes(text().replace(b"gia-lua.opus", b"gia-lua.wav"))
    target = lab.folder / "out" / "tuan.draft"
    made = make_draft(file, target, nga.home, Desk.open(nga.home, monday))
    assert made.playlist.epoch == 2
    for someone in (nga, son):
        desk = Desk.open(someone.home, monday)
        seal_draft(read_draft(target), someone.identity, someone.role, desk)
    desk = Desk.open(lab.home, monday)
    judge_draft(read_draft(target), desk)
    publish(read_draft(target), lab.home, desk, at=monday)
    assert lab.home.content.index().playlists[STATION].epoch == 2
