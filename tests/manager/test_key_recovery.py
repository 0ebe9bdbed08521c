"""A key is lost or stolen, and the province goes on: each row of the table in operations.md."""

from __future__ import annotations

import dataclasses
import json
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from loa_manager.authority import officers_epoch
from loa_manager.ceremony import certify_officers
from loa_manager.cli.main import run
from loa_manager.denial import denials
from loa_manager.issued import list_issued
from loa_manager.keyring import load_signer
from loa_manager.policy_file import preset_policy
from loa_manager.renewal import Renewed, renew_due
from loa_protocol.envelope import Bundle, Kind, sign_bundle
from loa_protocol.errors import ConfigError
from loa_protocol.keys import PublicKey
from loa_protocol.objects.authority import Role
from loa_protocol.objects.online import Head
from loa_protocol.trust import Refusal, TrustError
from support import serve_process
from support.bench_lab import FOUNDED
from support.key_lab import CLUSTER, PASSPHRASE, KeyLab, Someone, deny_list, week
from support.province import person
from support.serve_process import TestProvince

DAY = timedelta(days=1)
LATE = FOUNDED + 10 * DAY


@pytest.fixture(autouse=True)
def _english(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("loa_protocol.language._chosen", ["en"])


@pytest.fixture
def lab(tmp_path: Path) -> KeyLab:
    return KeyLab(tmp_path)


def deny(lab: KeyLab, at: datetime, *kids: bytes, holders: tuple[str, ...] = ()) -> bytes:
    now_s = int(at.timestamp())
    entries = denials(list_issued(lab.home), keys=kids, holders=holders, now_s=now_s)
    lab.authority.deny(entries, at)
    return deny_list(lab.home)


def renew(lab: KeyLab, at: datetime) -> list[Renewed]:
    return renew_due(lab.authority, PASSPHRASE, at, output=lab.folder / "out", within=DAY)


@pytest.mark.requirement("SEC-6", "MSG-5")
@pytest.mark.parametrize("role", [Role.EDITOR, Role.APPROVER])
def test_an_editors_or_approvers_machine_is_stolen(lab: KeyLab, role: Role) -> None:
    nga = lab.person("nga", Role.EDITOR, "Trần Thị Nga")
    son = lab.person("son", Role.APPROVER, "Lương Văn Sơn")
    victim = nga if role is Role.EDITOR else son
    stolen, board = {nga.role: nga.identity, son.role: son.identity}, lab.board()
    last = week(stolen[Role.EDITOR], stolen[Role.APPROVER], days=30)
    board.take(last)
    # deny first, by the holder's name; then the same person gets another key
    board.take(deny(lab, LATE, holders=(victim.holder,)), LATE)
    with pytest.raises(TrustError) as refused:
        board.take(last, LATE)
    assert refused.value.reason is Refusal.DENIED
    fresh = lab.person("new-machine", role, victim.holder, certify=False)
    lab.certify(fresh, LATE)
    other = son if role is Role.EDITOR else nga
    board.take(week(fresh.identity, other.identity, serial=2, at=LATE), LATE)


@pytest.mark.requirement("MSG-5")
def test_an_approver_is_away_and_a_deputy_signs_on_the_same_day(lab: KeyLab) -> None:
    nga = lab.person("nga", Role.EDITOR, "Trần Thị Nga")
    deputy = lab.person("hoa", Role.APPROVER, "Hoàng Thị Hoa")
    lab.board().take(week(nga.identity, deputy.identity))


def board_of_c01(lab: KeyLab) -> PublicKey:
    """Hang a board at the first cluster and return its key."""
    key = person("board", p256=True).signer.public
    lab.authority.assign(key, CLUSTER, "Bản Khuổi Mẫu", FOUNDED)
    return key


@pytest.mark.requirement("SEC-6")
def test_an_officers_key_is_stolen_and_everything_hangs_on_another(lab: KeyLab) -> None:
    nga = lab.person("nga", Role.EDITOR, "Trần Thị Nga")
    son = lab.person("son", Role.APPROVER, "Lương Văn Sơn")
    board_of_c01(lab)
    thief = lab.authority.officers[0]
    board = lab.board()
    board.take(policy_of(lab))

    certify_officers(lab.home, lab.home.root, PASSPHRASE, LATE, anew=["officer-1"])
    with pytest.raises(ConfigError, match="Nga"):  # everybody would fall silent
        deny(lab, LATE, thief.signer.public.kid)
    done = renew(lab, LATE)
    assert {each.what for each in done} == {"server", "person", "policy", "settings", "assignment"}
    install(done, nga, son)
    board.take(deny(lab, LATE, thief.signer.public.kid), LATE)

    board.take(policy_of(lab), LATE)
    board.take(week(nga.identity, son.identity, at=LATE), LATE)
    for name in ("settings", "assignment"):
        data = lab.home.content.path / "state" / (CLUSTER if name == "assignment" else "vn/ls")
        board.take((data / name).read_bytes(), LATE)
    board.take(head_of(lab, LATE), LATE)
    assert renew(lab, LATE) == []
    # what the thief signs with the other, honest officer's old signature is refused
    second = lab.authority.officers[1]
    draft = preset_policy("rural", "vn/ls", LATE).to_bytes()
    chain = (*thief.chain, *second.chain)
    forged = sign_bundle(Kind.POLICY, draft, [thief.signer, second.signer], certificates=chain)
    with pytest.raises(TrustError) as refused:
        board.take(forged, LATE)
    assert refused.value.reason is Refusal.DENIED


@pytest.mark.requirement("SEC-6")
def test_an_officers_key_is_lost_and_nothing_is_in_a_hurry(lab: KeyLab) -> None:
    nga = lab.person("nga", Role.EDITOR, "Trần Thị Nga")
    son = lab.person("son", Role.APPROVER, "Lương Văn Sơn")
    for file in lab.home.authority_keys.glob("officer-2.key"):
        file.unlink()
    certify_officers(lab.home, lab.home.root, PASSPHRASE, LATE, anew=["officer-2"])
    board = lab.board()
    board.take(week(nga.identity, son.identity, at=LATE), LATE)  # signed under the lost key
    lab.authority.sign_policy(preset_policy("rural", "vn/ls", LATE), LATE)
    board.take(policy_of(lab), LATE)


@pytest.mark.requirement("SEC-6")
def test_two_stolen_officers_who_ran_ahead_are_outrun_by_the_roots_next_epoch(lab: KeyLab) -> None:
    thieves, board = lab.authority.officers, lab.board()
    chain = tuple(each for thief in thieves for each in thief.chain)
    ahead = preset_policy("rural", "vn/ls", FOUNDED)
    forged = sign_bundle(
        Kind.POLICY,
        dataclasses.replace(ahead, epoch=1, serial=2**63 - 1).to_bytes(),
        [thief.signer for thief in thieves],
        certificates=chain,
    )
    board.take(forged, LATE)
    both = ["officer-1", "officer-2"]
    certify_officers(lab.home, lab.home.root, PASSPHRASE, LATE, anew=both, epoch=2)
    assert lab.authority.epoch == 2
    renew(lab, LATE)
    board.take(policy_of(lab), LATE)
    board.take(deny(lab, LATE, *(thief.signer.public.kid for thief in thieves)), LATE)
    with pytest.raises(TrustError) as refused:
        board.take(forged, LATE)
    assert refused.value.reason is Refusal.DENIED


@pytest.mark.requirement("SEC-6")
def test_an_officer_gets_another_key_from_the_command_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    home, secret = TestProvince.found(tmp_path / "ls").home, tmp_path / "secret"
    secret.write_text(serve_process.PASSPHRASE.secret)

    def done(*words: str) -> Any:
        common = ("--home", str(home.path), "--passphrase-file", str(secret), "--json")
        assert run(["key", *words, *common]) == 0, capsys.readouterr().err
        return json.loads(capsys.readouterr().out)

    told = done("renew-officers", "--anew", "officer-1", "--epoch", "2")
    assert officers_epoch(home) == 2
    rows = done("renew", "--due")
    assert {row["what"] for row in rows} == {"server", "policy", "settings"}
    assert done("revoke", "--key", *told["old"])["epoch"] == 2


def policy_of(lab: KeyLab) -> bytes:
    leaf = lab.home.content.index().policies["vn/ls"]
    data = lab.home.content.object(leaf.digest)
    assert Bundle.from_bytes(data).digest == leaf.digest
    return data


def head_of(lab: KeyLab, at: datetime) -> bytes:
    head = load_signer(lab.home.server_keys / "head", PASSPHRASE)
    body = lab.home.content.head_facts().at(int(at.timestamp()))
    assert isinstance(body, Head)
    return sign_bundle(Kind.HEAD, body.to_bytes(), [head.signer], certificates=head.chain)


def install(done: list[Renewed], *people: Someone) -> None:
    for someone in people:
        (mine,) = [each for each in done if each.name == someone.holder]
        assert mine.file is not None
        someone.install(mine.file.read_bytes(), LATE)
