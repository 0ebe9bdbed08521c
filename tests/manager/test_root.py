"""The root's life at the desks: drafts, holders who never meet, and what comes after a new root."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519
from hypothesis import given
from hypothesis import strategies as st

from fuzz.fuzz_root_draft import fuzz
from loa_manager.armour import armour, unarmour
from loa_manager.authority import Authority
from loa_manager.ceremony import certify_officers, lost_officers, publish_root, sign_transfer
from loa_manager.cli.main import run
from loa_manager.cli.root_view import differences
from loa_manager.home import Home
from loa_manager.keyring import load_signer, make_key
from loa_manager.policy_file import preset_policy
from loa_manager.rechain import renew_arrived, renew_home
from loa_manager.root_draft import (
    Changes,
    RootDraft,
    make_draft,
    next_root,
    parse_draft,
    sign_draft,
)
from loa_manager.root_holders import distinct, make_card, parse_card
from loa_protocol import language
from loa_protocol.accept import accept
from loa_protocol.bench import Stage
from loa_protocol.envelope import Bundle, Kind, sign_bundle
from loa_protocol.errors import ConfigError, FormatError, StoreError
from loa_protocol.keys import Algorithm, SoftSigner
from loa_protocol.objects.authority import Root, RootKey
from loa_protocol.record import ClockTrust
from loa_protocol.succession import accept_root
from loa_protocol.trust import Now, Refusal, Trusted, TrustError
from support.bench_lab import FOUNDED, SECRET, Board, desk_of, key_of, province_home, provision
from support.passphrases import cheap

PASSPHRASE = cheap(SECRET)
LATER = FOUNDED + timedelta(days=40)
T3 = Now(int(LATER.timestamp()) + 60, ClockTrust.T3)


@pytest.fixture(autouse=True)
def _english(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOA_LANG", "en")
    monkeypatch.setattr(language, "_chosen", [])


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return province_home(tmp_path)


def holder(home: Home, number: int) -> SoftSigner:
    signer = load_signer(home.root_keys / f"root-{number}", PASSPHRASE).signer
    assert isinstance(signer, SoftSigner)
    return signer


def newcomer(folder: Path, name: str) -> tuple[SoftSigner, RootKey]:
    """Make the key of a new holder and return it with its card."""
    signer = SoftSigner(make_key(folder / f"{name}.key", PASSPHRASE))
    return signer, parse_card(make_card(signer, name))


def replaced(home: Home, folder: Path, gone: int, signers: Sequence[int]) -> RootDraft:
    """Return the signed draft in which ``root-6`` follows holder *gone*."""
    _signer, card = newcomer(folder, "root-6")
    draft = make_draft(home.root_bundle, Changes(add=(card,), remove=(f"root-{gone}",)), LATER)
    for number in signers:
        draft = parse_draft(sign_draft(draft, holder(home, number)).to_text())
    return draft


# -- a new root


@pytest.mark.requirement("SEC-6")
@pytest.mark.parametrize("signers", [(1, 3, 4), (5, 4, 3), (1, 3, 4, 5)])
def test_any_three_of_the_four_left_replace_a_lost_key(
    home: Home, tmp_path: Path, signers: tuple[int, ...]
) -> None:
    before = home.trusted()
    draft = replaced(home, tmp_path, 2, signers)
    done = publish_root(home, draft, LATER)
    assert done.root.version == 2
    assert {key.holder for key in done.root.keys} == {f"root-{n}" for n in (1, 3, 4, 5, 6)}
    assert accept_root(home.root_bundle, before, T3) == done.root
    assert home.content.head_facts().root_version == 2
    assert (home.content.path / "root" / "1").read_bytes() != home.root_bundle
    assert (home.content.path / "root" / "2").read_bytes() == home.root_bundle
    assert home.content.object(draft.next.digest) == home.root_bundle


@pytest.mark.requirement("SEC-6")
def test_two_holders_replace_nobody(home: Home, tmp_path: Path) -> None:
    draft = replaced(home, tmp_path, 2, (1, 3))
    assert not draft.signatures().is_complete
    before = home.root_bundle
    with pytest.raises(TrustError) as refused:
        publish_root(home, draft, LATER)
    assert refused.value.reason is Refusal.THRESHOLD
    assert home.root_bundle == before
    assert home.content.head_facts().root_version == 1


def test_all_holders_are_replaced_when_both_three_agree(home: Home, tmp_path: Path) -> None:
    new = [newcomer(tmp_path, f"new-{n}") for n in range(5)]
    changes = Changes(
        add=tuple(card for _signer, card in new), remove=tuple(f"root-{n}" for n in range(1, 6))
    )
    draft = make_draft(home.root_bundle, changes, LATER)
    for number in (1, 2, 5):
        draft = sign_draft(draft, holder(home, number))
    with pytest.raises(TrustError):
        publish_root(home, draft, LATER)
    for signer, _card in new[:3]:
        draft = sign_draft(draft, signer)
    assert publish_root(home, draft, LATER).root.version == 2
    assert len(Bundle.from_bytes(home.root_bundle).seals) == 6


def test_publishing_again_after_a_crash_does_what_was_left(
    home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    draft = replaced(home, tmp_path, 2, (1, 3, 4))

    def no_power(_path: Path, _data: bytes) -> None:
        raise StoreError("disk", "full")

    with monkeypatch.context() as cut:
        cut.setattr("loa_manager.ceremony.write_durably", no_power)
        with pytest.raises(StoreError):
            publish_root(home, draft, LATER)
    assert home.root.version == 1
    assert publish_root(home, draft, LATER).root.version == 2
    assert publish_root(home, draft, LATER).root.version == 2


def test_a_draft_that_was_overtaken_is_refused(home: Home, tmp_path: Path) -> None:
    late = make_draft(home.root_bundle, Changes(threshold=4), LATER)
    publish_root(home, replaced(home, tmp_path, 2, (1, 3, 4)), LATER)
    for number in (1, 3, 4, 5):
        late = sign_draft(late, holder(home, number))
    with pytest.raises(ConfigError, match="another root"):
        publish_root(home, late, LATER)


def test_the_format_floor_and_algorithms_are_the_roots_to_say(home: Home) -> None:
    changes = Changes(
        formats={Kind.PLAYLIST: 2}, floors={Kind.ALERT: 2}, remove_algorithms=(Algorithm.ES256,)
    )
    new = next_root(home.root, changes, LATER)
    assert new.formats == {Kind.PLAYLIST: 2}
    assert new.floors[Kind.ALERT] == 2
    assert new.algorithms == (Algorithm.EDDSA,)
    told = differences(home.root, new)
    assert any("playlist: only version 2" in each for each in told)
    assert any("alert: at least 2" in each for each in told)
    assert any("ES256 are accepted no more" in each for each in told)


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({}, "nothing would change"),
        ({"remove": ("nobody",)}, "no holder"),
        ({"threshold": 1}, "from 2 to 4"),
        ({"threshold": 5}, "from 2 to 4"),
        ({"remove": ("root-1", "root-2")}, "too few"),
        ({"remove_algorithms": (Algorithm.EDDSA,)}, "algorithm"),
        ({"formats": {Kind.PLAYLIST: 0}}, "would fall"),
        ({"floors": {Kind.POLICY: 1}}, "at least 2 holders"),
    ],
)
def test_changes_that_do_not_go_together_are_named(
    home: Home, changes: dict[str, Any], fault: str
) -> None:
    with pytest.raises(ConfigError, match=fault):
        next_root(home.root, Changes(**changes), LATER)


def test_a_holder_has_one_key_and_a_key_one_holder(home: Home, tmp_path: Path) -> None:
    _signer, card = newcomer(tmp_path, "root-1")
    with pytest.raises(ConfigError, match="two keys"):
        next_root(home.root, Changes(add=(card,)), LATER)
    assert next_root(home.root, Changes(add=(card,), remove=("root-1",)), LATER)
    same = dataclasses.replace(home.root.keys[0], holder="somebody else")
    with pytest.raises(ConfigError, match="twice"):
        next_root(home.root, Changes(add=(same,)), LATER)


def test_a_strangers_key_signs_no_draft(home: Home, tmp_path: Path) -> None:
    draft = make_draft(home.root_bundle, Changes(threshold=2), LATER)
    stranger, _card = newcomer(tmp_path, "stranger")
    with pytest.raises(ConfigError, match="neither"):
        sign_draft(draft, stranger)
    once = sign_draft(draft, holder(home, 1))
    assert sign_draft(once, holder(home, 1)) == once


@pytest.mark.requirement("SEC-6")
def test_a_draft_whose_root_in_force_is_no_root_is_not_even_shown(home: Home) -> None:
    """Whoever prepares a draft cannot pretend that a holder of theirs was there before."""
    bundle = Bundle.from_bytes(home.root_bundle)
    root = Root.from_bytes(bundle.payload)
    faked = dataclasses.replace(root, threshold=2)
    forged = dataclasses.replace(bundle, payload=faked.to_bytes()).to_bytes()
    draft = make_draft(home.root_bundle, Changes(threshold=4), LATER)
    with pytest.raises(TrustError):
        parse_draft(dataclasses.replace(draft, present=forged).to_text())


@given(st.binary(max_size=400))
def test_any_bytes_are_a_draft_or_refused_by_name(data: bytes) -> None:
    fuzz(data)


@given(st.integers(0, 10**6))
def test_no_flipped_bit_of_a_draft_gets_through(seed: int) -> None:
    bits = bytearray(unarmour("LOA ROOT DRAFT", _drafted()))
    bit = seed % (len(bits) * 8)
    bits[bit // 8] ^= 1 << bit % 8
    before = parse_draft(_drafted())
    try:
        after = parse_draft(armour("LOA ROOT DRAFT", bytes(bits)))
    except (FormatError, TrustError):
        return
    raise AssertionError(f"{after} after {before}")


_MADE: list[bytes] = []


def _drafted() -> bytes:
    if not _MADE:
        keys = [SoftSigner(ed25519.Ed25519PrivateKey.generate()) for _ in range(3)]
        root = Root(
            scope="vn/ls",
            version=1,
            test=True,
            created=0,
            keys=tuple(
                RootKey(algorithm=k.public.algorithm, raw=k.public.raw, holder=f"h{n}")
                for n, k in enumerate(keys)
            ),
            threshold=2,
            algorithms=(Algorithm.EDDSA,),
            formats={},
            floors={},
            recovery_keys=2,
        )
        present = sign_bundle(Kind.ROOT, root.to_bytes(), keys[:2])
        draft = make_draft(present, Changes(floors={Kind.ALERT: 2}), LATER)
        _MADE.append(sign_draft(draft, keys[0]).to_text())
    return _MADE[0]


def test_a_card_of_a_key_that_did_not_make_it_is_refused(tmp_path: Path) -> None:
    signer, _card = newcomer(tmp_path, "one")
    other, _card = newcomer(tmp_path, "two")
    card = bytearray(unarmour("LOA ROOT KEY", make_card(signer, "một")))
    at = bytes(card).index(signer.public.raw)
    card[at : at + 32] = other.public.raw
    with pytest.raises(FormatError):
        parse_card(armour("LOA ROOT KEY", bytes(card)))


# -- what comes after it


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


# -- the commands


def loa(*words: object) -> int:
    return run([str(word) for word in words])


def test_holders_who_never_meet_make_the_next_root(
    home: Home, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    secret = tmp_path / "secret"
    secret.write_text(SECRET + "\n")
    opened = ("--passphrase-file", secret)
    key, draft = tmp_path / "root-6.key", tmp_path / "root.draft"
    assert loa("root", "make-key", key, "--holder", "Hoàng Văn Lâm", *opened) == 0
    card = key.with_suffix(".public")
    change = ("--remove", "root-2", "--add", card, "--format", "playlist=1", "-o", draft)
    assert loa("root", "draft", "--home", home.path, *change) == 0
    capsys.readouterr()
    away = ("--home", tmp_path / "nowhere")  # a holder's own machine knows no province
    for number in (5, 1, 3):
        told = capsys.readouterr().out
        stick = home.root_keys / f"root-{number}.key"
        assert loa("root", "publish", "--home", home.path, draft) == 4
        assert loa("root", "sign", draft, *away, "--root-key", stick, *opened, "--yes") == 0
    told = capsys.readouterr().out
    assert "comes: Hoàng Văn Lâm" in told
    assert "leaves: root-2" in told
    assert "nothing: publish it" in told
    assert loa("root", "show", draft, *away, "--json") == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["complete"] is True
    assert shown["signed_old"] == ["root-1", "root-3", "root-5"]
    assert loa("root", "publish", "--home", home.path, draft) == 0
    assert "officer-1, officer-2" in capsys.readouterr().err
    sticks = ("--root-key", home.root_keys / "root-4.key", "--root-key", key)
    assert loa("key", "renew-officers", "--home", home.path, *sticks, *opened) == 0
    assert loa("root", "show", "--home", home.path) == 0
    assert "Hoàng Văn Lâm" in capsys.readouterr().out


def test_each_holder_has_their_own_passphrase(
    home: Home, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    secret, other = tmp_path / "secret", tmp_path / "other"
    secret.write_text(SECRET + "\n")
    other.write_text("của riêng tôi\n")
    new = tmp_path / "root-6.key"
    assert loa("root", "make-key", new, "--holder", "Lâm", "--passphrase-file", other) == 0
    draft = tmp_path / "d"
    change = ("--remove", "root-2", "--add", new.with_suffix(".public"), "-o", draft)
    assert loa("root", "draft", "--home", home.path, *change) == 0
    keys = ("--root-key", new, "--root-key", home.root_keys / "root-1.key")
    words = ("root", "sign", draft, *keys, "--yes")
    assert loa(*words, "--root-passphrase-file", secret) == 2  # does not open the first
    files = ("--root-passphrase-file", other, "--root-passphrase-file", secret)
    assert loa(*words, *files) == 0
    assert loa(*words, *files, "--root-passphrase-file", secret) == 2
    assert "one for all, or one for each" in capsys.readouterr().err
