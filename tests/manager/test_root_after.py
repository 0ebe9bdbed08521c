"""What comes after a new root, and every recovery as operations.md tells it."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from loa_manager.authority import Authority
from loa_manager.ceremony import certify_officers, lost_officers, publish_root, sign_transfer
from loa_manager.home import Home
from loa_manager.keyring import load_signer
from loa_manager.policy_file import preset_policy
from loa_manager.rechain import renew_arrived, renew_home
from loa_manager.root_draft import (
    Changes,
    make_draft,
    sign_draft,
)
from loa_manager.root_holders import distinct
from loa_protocol import language
from loa_protocol.accept import accept
from loa_protocol.bench import Stage
from loa_protocol.envelope import Bundle, Kind, sign_bundle
from loa_protocol.errors import ConfigError, StoreError
from loa_protocol.succession import accept_root
from loa_protocol.trust import Refusal, Trusted, TrustError
from support.bench_lab import FOUNDED, Board, desk_of, key_of, province_home, provision
from support.root_desk import LATER, PASSPHRASE, T3, holder, replaced


@pytest.fixture(autouse=True)
def _english(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOA_LANG", "en")
    monkeypatch.setattr(language, "_chosen", [])


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return province_home(tmp_path)


def test_what_officers_signed_leads_to_the_new_root_once_they_are_certified_anew(
    home: Home, tmp_path: Path
) -> None:
    """A board that knows the new root alone takes policy, settings and server as they stand."""
    lost = publish_root(home, replaced(home, tmp_path, 1, (2, 3, 4)), LATER).officers_lost
    assert lost == ("officer-1", "officer-2")  # root-1 had certified both
    new_board = _new_board(home)
    (mark,) = home.content.head_facts().policies
    policy = home.content.object(mark.digest)
    with pytest.raises(TrustError) as refused:
        accept(policy, new_board, T3)
    assert refused.value.reason is Refusal.CHAIN
    certify_officers(home, home.root, PASSPHRASE, LATER, holders=[holder(home, 4), holder(home, 3)])
    assert lost_officers(home, LATER) == []
    renewed = home.content.object(mark.digest)
    assert Bundle.from_bytes(renewed).seals == Bundle.from_bytes(policy).seals
    accept(renewed, new_board, T3)
    settings = home.settings_for("vn/ls/st0137/c01")
    assert settings is not None
    accept(settings, new_board, T3)
    head = load_signer(home.server_keys / "head", PASSPHRASE)
    assert len(head.chain) == 3
    Authority.open(home, PASSPHRASE).sign_policy(preset_policy("rural", "vn/ls", LATER), LATER)
    assert renew_home(home, head.chain[:2]) == 0  # again changes nothing


def test_a_draft_signed_under_the_old_root_is_published_under_the_new_one(
    home: Home, tmp_path: Path
) -> None:
    """An editor's home knows the officers' certificates of the day it got its own."""
    authority = Authority.open(home, PASSPHRASE)
    arrived = authority.sign_policy(preset_policy("rural", "vn/ls", FOUNDED), FOUNDED)
    publish_root(home, replaced(home, tmp_path, 1, (2, 3, 4)), LATER)
    certify_officers(home, home.root, PASSPHRASE, LATER, holders=[holder(home, 4), holder(home, 3)])
    with pytest.raises(TrustError):
        accept(arrived, _new_board(home), T3)
    accept(renew_arrived(home, arrived), _new_board(home), T3)


def _new_board(home: Home) -> Trusted:
    return dataclasses.replace(home.trusted(), positions={})


# -- recoveries, as operations.md tells them


@pytest.mark.requirement("SEC-6")
def test_recovery_a_root_key_is_lost(home: Home, tmp_path: Path) -> None:
    (home.root_keys / "root-2.key").unlink()
    publish_root(home, replaced(home, tmp_path, 2, (1, 3, 5)), LATER)
    certify_officers(home, home.root, PASSPHRASE, LATER)
    assert lost_officers(home, LATER) == []


@pytest.mark.requirement("SEC-6")
def test_recovery_a_root_key_is_stolen(home: Home, tmp_path: Path) -> None:
    """Its signature counts for nothing afterwards, neither on officers nor on roots."""
    thief = holder(home, 2)
    publish_root(home, replaced(home, tmp_path, 2, (1, 3, 5)), LATER)
    with pytest.raises(ConfigError, match="none of this root"):
        distinct([holder(home, 1), thief], home.root, 2)
    with pytest.raises(ConfigError, match="neither"):
        sign_draft(make_draft(home.root_bundle, Changes(threshold=2), LATER), thief)
    root = dataclasses.replace(home.root, version=3, threshold=2)
    forged = sign_bundle(Kind.ROOT, root.to_bytes(), [holder(home, 1), holder(home, 3), thief])
    with pytest.raises(TrustError) as refused:
        accept_root(forged, home.trusted(), T3)
    assert refused.value.reason is Refusal.UNKNOWN_SIGNER


def test_recovery_an_officers_key_is_lost(home: Home) -> None:
    old = Authority.open(home, PASSPHRASE)
    (home.authority_keys / "officer-1.key").unlink()
    certify_officers(home, home.root, PASSPHRASE, LATER, anew=["officer-1"])
    new = Authority.open(home, PASSPHRASE)
    assert new.officers[0].signer.public != old.officers[0].signer.public
    assert new.officers[1].signer.public == old.officers[1].signer.public
    new.sign_policy(preset_policy("rural", "vn/ls", LATER), LATER)


@pytest.mark.requirement("SEC-6")
def test_recovery_all_officers_are_lost(home: Home) -> None:
    for name in ("officer-1", "officer-2"):
        (home.authority_keys / f"{name}.key").unlink()
    holders = [holder(home, 5), holder(home, 4)]
    certify_officers(
        home, home.root, PASSPHRASE, LATER, holders=holders, anew=["officer-1", "officer-2"]
    )
    policy = preset_policy("rural", "vn/ls", LATER)
    data = Authority.open(home, PASSPHRASE).sign_policy(policy, LATER)
    accept(data, home.trusted(), T3)


def test_one_root_holder_makes_no_officers(home: Home) -> None:
    with pytest.raises(ConfigError, match="2 different holders are needed, here are 1"):
        certify_officers(
            home, home.root, PASSPHRASE, LATER, holders=[holder(home, 5), holder(home, 5)]
        )


def test_the_officers_epoch_rises_and_never_falls(home: Home) -> None:
    certify_officers(home, home.root, PASSPHRASE, LATER, epoch=3)
    assert Authority.open(home, PASSPHRASE).epoch == 3
    certify_officers(home, home.root, PASSPHRASE, LATER, anew=["officer-2", "officer-1"])
    assert Authority.open(home, PASSPHRASE).epoch == 3
    with pytest.raises(ConfigError, match="falls behind"):
        certify_officers(home, home.root, PASSPHRASE, LATER, epoch=2)


@pytest.mark.requirement("SEC-6")
def test_recovery_the_root_is_lost(tmp_path: Path) -> None:
    """A visit to the pole: button, silence, another root; what was recorded is kept."""
    old, new = province_home(tmp_path, "one"), province_home(tmp_path, "two")
    (tmp_path / "board").mkdir()
    board = Board(tmp_path / "board")
    with desk_of(old) as desk:
        provision(board.ask, desk)
    first = key_of(board)
    outbox = tmp_path / "board" / "outbox.db"
    outbox.write_bytes(b"records that were not delivered")
    for number in (1, 2, 3):
        (old.root_keys / f"root-{number}.key").unlink()
    with pytest.raises(StoreError, match="3 root keys are needed and 2 are here"):
        sign_transfer(old, new.root_bundle, PASSPHRASE, LATER, None)
    board.store.recover()
    assert board.server.status().stage is Stage.BLANK
    assert outbox.read_bytes() == b"records that were not delivered"
    with desk_of(new) as desk:
        done, _steps = provision(board.ask, desk)
    assert done.root == Bundle.from_bytes(new.root_bundle).digest
    assert key_of(board) != first
    assert outbox.read_bytes() == b"records that were not delivered"
    board.close()


@pytest.mark.requirement("SEC-6")
def test_a_transfer_takes_any_three_holders(home: Home, tmp_path: Path) -> None:
    other = province_home(tmp_path, "two")
    (tmp_path / "board").mkdir()
    board = Board(tmp_path / "board")
    with desk_of(home) as desk:
        provision(board.ask, desk)
    holders = [holder(home, n) for n in (5, 2, 4)]
    consent = sign_transfer(home, other.root_bundle, None, FOUNDED, None, holders=holders)
    with desk_of(other) as desk:
        done, _steps = provision(board.ask, desk, transfer=consent)
    assert done.root == Bundle.from_bytes(other.root_bundle).digest
    with pytest.raises(ConfigError, match="3 different holders"):
        sign_transfer(home, other.root_bundle, None, FOUNDED, None, holders=holders[:2])
    board.close()
