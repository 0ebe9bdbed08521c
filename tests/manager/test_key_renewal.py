"""One ceremony renews what is due, says what it did, and nothing that is not due."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from loa_manager.denial import denials
from loa_manager.issued import list_issued
from loa_manager.keyring import parse_request
from loa_manager.policy_file import preset_policy
from loa_manager.renewal import Renewed, renew_due
from loa_protocol.objects.authority import Role
from support.bench_lab import FOUNDED
from support.key_lab import PASSPHRASE, STATION, KeyLab, week

DAY = timedelta(days=1)
ONLINE = {("server", "head"), ("server", "time"), ("server", "ingest")}


@pytest.fixture
def lab(tmp_path: Path) -> KeyLab:
    return KeyLab(tmp_path)


def renew(lab: KeyLab, days: float, within: int = 30) -> list[Renewed]:
    now, output = FOUNDED + days * DAY, lab.folder / "renewed"
    authority = lab.authority
    return renew_due(authority, PASSPHRASE, now, output=output, within=within * DAY)


def names(done: list[Renewed]) -> set[tuple[str, str]]:
    return {(each.what, each.name) for each in done}


@pytest.mark.requirement("MSG-5")
def test_one_ceremony_renews_the_server_and_everybody_who_is_due(lab: KeyLab) -> None:
    nga = lab.person("nga", Role.EDITOR, "Trần Thị Nga")
    son = lab.person("son", Role.APPROVER, "Lương Văn Sơn")
    done = renew(lab, 70)
    people = {("person", nga.holder), ("person", son.holder)}
    assert names(done) == ONLINE | people
    late = FOUNDED + 100 * DAY  # the first certificates have ended by now
    for each, someone in ((one, who) for one in done for who in (nga, son)):
        if each.name == someone.holder:
            assert each.file is not None
            someone.install(each.file.read_bytes(), FOUNDED + 70 * DAY)
    lab.board().take(week(nga.identity, son.identity, at=late), late)


def test_the_second_time_nothing_is_left_but_the_fortnights(lab: KeyLab) -> None:
    lab.person("nga", Role.EDITOR, "Trần Thị Nga")
    assert renew(lab, 70)
    assert names(renew(lab, 70, within=13)) == set()
    assert names(renew(lab, 70)) == ONLINE


def test_tls_and_the_enrolment_ca_are_renewed_when_their_time_comes(lab: KeyLab) -> None:
    assert names(renew(lab, 1)) == ONLINE
    assert ("server", "tls") in names(renew(lab, 340))
    assert ("server", "enrol-ca") in names(renew(lab, 340, within=400))


def test_the_key_stays_and_so_does_what_it_may(lab: KeyLab) -> None:
    nga = lab.person("nga", Role.EDITOR, "Trần Thị Nga")
    before = nga.identity
    (mine,) = [each for each in renew(lab, 80) if each.what == "person"]
    assert mine.kid == before.signer.public.kid
    assert mine.file is not None
    after = nga.install(mine.file.read_bytes(), FOUNDED + 80 * DAY).certificate
    assert after is not None
    assert before.certificate is not None
    assert (after.scopes, after.roles, after.level, after.holder, after.epoch) == (
        before.certificate.scopes,
        before.certificate.roles,
        before.certificate.level,
        before.certificate.holder,
        before.certificate.epoch,
    )
    assert mine.expires == FOUNDED + 170 * DAY


def test_who_is_denied_or_ran_out_or_has_time_is_not_renewed(lab: KeyLab) -> None:
    denied = lab.person("nga", Role.EDITOR, "Trần Thị Nga")
    lab.person("son", Role.APPROVER, "Lương Văn Sơn")
    fresh = lab.person("hoa", Role.APPROVER, "Hoàng Thị Hoa", certify=False)
    lab.certify(fresh, FOUNDED + 60 * DAY)
    at = FOUNDED + 61 * DAY
    entries = denials(list_issued(lab.home), holders=[denied.holder], now_s=int(at.timestamp()))
    lab.authority.deny(entries, at)
    assert [each.name for each in renew(lab, 62) if each.what == "person"] == ["Lương Văn Sơn"]
    assert [each.name for each in renew(lab, 200) if each.what == "person"] == []


@pytest.mark.requirement("MSG-5")
def test_several_deputies_are_normal_each_with_a_key_of_their_own(lab: KeyLab) -> None:
    nga = lab.person("nga", Role.EDITOR, "Trần Thị Nga")
    deputies = [
        lab.person(f"deputy{n}", Role.APPROVER, holder)
        for n, holder in enumerate(("Lương Văn Sơn", "Hoàng Thị Hoa", "Nông Văn Páo"))
    ]
    board = lab.board()
    for serial, deputy in enumerate(deputies, 1):
        board.take(week(nga.identity, deputy.identity, serial=serial))
    kids = {deputy.identity.signer.public.kid for deputy in deputies}
    assert len(kids) == 3
    renewed = [each.kid for each in renew(lab, 70) if each.what == "person"]
    assert set(renewed) == kids | {nga.identity.signer.public.kid}
    # one is away for good; the two others go on
    entries = denials(list_issued(lab.home), holders=["Hoàng Thị Hoa"], now_s=0)
    lab.authority.deny(entries, FOUNDED + DAY)
    lab.board().take(week(nga.identity, deputies[2].identity))


def test_two_certificates_of_one_key_are_renewed_once(lab: KeyLab) -> None:
    nga = lab.person("nga", Role.EDITOR, "Trần Thị Nga")
    lab.authority.certify(parse_request(nga.request), (STATION, "vn/ls/st0200"), FOUNDED + DAY)
    (mine,) = [each for each in renew(lab, 80) if each.what == "person"]
    assert mine.file is not None
    certificate = nga.install(mine.file.read_bytes(), FOUNDED + 80 * DAY).certificate
    assert certificate is not None
    assert certificate.scopes == (STATION, "vn/ls/st0200")


def test_a_key_that_was_followed_by_another_is_renewed_no_more(lab: KeyLab) -> None:
    nga = lab.person("nga", Role.EDITOR, "Trần Thị Nga")
    nga.request = nga.rotate()
    lab.certify(nga, FOUNDED + DAY)
    kids = [each.kid for each in renew(lab, 80) if each.what == "person"]
    assert kids == [nga.identity.signer.public.kid]


def test_policies_of_officers_who_are_still_there_are_left_alone(lab: KeyLab) -> None:
    lab.authority.sign_policy(preset_policy("rural", STATION, FOUNDED), FOUNDED)
    assert not {each.what for each in renew(lab, 1)} & {"policy", "settings", "deny_list"}
