"""One key follows another, and there is never a moment without one that works."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from loa_manager import people
from loa_manager.authority import Authority
from loa_manager.denial import denials
from loa_manager.home import Home
from loa_manager.issued import list_issued
from loa_manager.key_places import NEXT, OLD
from loa_manager.keyring import Passphrase, PassphraseError, load_signer, make_key, parse_request
from loa_manager.people import list_keys, make_own_key, rotate_own_key
from loa_manager.server_keys import rotate_server
from loa_protocol.errors import ConfigError, FormatError, StoreError
from loa_protocol.objects.authority import Role
from support.bench_lab import FOUNDED
from support.key_lab import PASSPHRASE, STATION, KeyLab, week
from support.passphrases import CHEAP, cheap

LATER = FOUNDED + timedelta(days=80)


@pytest.fixture(autouse=True)
def _english(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("loa_protocol.language._chosen", ["en"])


@pytest.fixture
def lab(tmp_path: Path) -> KeyLab:
    return KeyLab(tmp_path)


@pytest.mark.requirement("SEC-6")
def test_the_old_key_signs_until_the_new_certificate_is_installed(lab: KeyLab) -> None:
    nga = lab.person("nga", Role.EDITOR, "Trần Thị Nga")
    son = lab.person("son", Role.APPROVER, "Lương Văn Sơn")
    board, old = lab.board(), nga.identity.signer.public
    nga.request = nga.rotate()
    asked = parse_request(nga.request)
    assert (asked.holder, asked.roles) == ("Trần Thị Nga", (Role.EDITOR,))
    assert nga.identity.signer.public == old
    board.take(week(nga.identity, son.identity, serial=1))
    lab.certify(nga, LATER)
    assert nga.identity.signer.public == asked.key != old
    board.take(week(nga.identity, son.identity, serial=2, at=LATER), LATER)


def test_the_old_key_is_kept_aside_with_its_certificate(lab: KeyLab) -> None:
    nga = lab.person("nga", Role.EDITOR, "Trần Thị Nga")
    old = nga.identity
    nga.request = nga.rotate()
    waiting = [facts.folder for facts in list_keys(nga.home)]
    assert waiting == ["own", NEXT]
    lab.certify(nga, LATER)
    (kept,) = (nga.home.own_keys / OLD).glob("*.key")
    assert load_signer(kept, PASSPHRASE).signer.public == old.signer.public
    assert load_signer(kept, PASSPHRASE).chain == old.chain
    assert [facts.folder for facts in list_keys(nga.home)] == ["own"]


def test_a_new_key_has_its_own_passphrase(lab: KeyLab) -> None:
    nga = lab.person("nga", Role.EDITOR, "Trần Thị Nga")
    path, _kid = rotate_own_key(nga.home, "editor", cheap("another passphrase"))
    nga.request = path.read_bytes()
    chain = lab.authority.certify(parse_request(nga.request), (STATION,), FOUNDED)
    people.install_chain(nga.home, chain, FOUNDED)
    with pytest.raises(PassphraseError):
        _ = nga.identity
    load_signer(nga.home.own_keys / "editor", cheap("another passphrase"))


def test_two_keys_never_wait_to_follow_one(lab: KeyLab) -> None:
    nga = lab.person("nga", Role.EDITOR, "Trần Thị Nga")
    nga.rotate()
    with pytest.raises(ConfigError, match="never overwritten"):
        nga.rotate()
    with pytest.raises(ConfigError, match="no key of this name"):
        rotate_own_key(nga.home, "approver", PASSPHRASE)


@pytest.mark.parametrize("moves", range(6))
def test_an_installation_cut_short_goes_on_where_it_was(
    lab: KeyLab, monkeypatch: pytest.MonkeyPatch, moves: int
) -> None:
    nga = lab.person("nga", Role.EDITOR, "Trần Thị Nga")
    nga.request = nga.rotate()
    chain = lab.authority.certify(parse_request(nga.request), (STATION,), LATER)
    rename, left = Path.rename, [moves]

    def cut(source: Path, target: Path) -> Path:
        if source.suffix in (".key", ".cert", ".request"):
            left[0] -= 1
            if left[0] < 0:
                raise OSError(5, "the power is gone")
        return rename(source, target)

    with monkeypatch.context() as power:
        power.setattr(Path, "rename", cut)
        with pytest.raises(StoreError):
            nga.install(chain, LATER)
    identity = nga.install(chain, LATER)
    assert identity.signer.public == parse_request(nga.request).key
    assert identity.certificate is not None


def test_a_key_is_never_lost_on_the_way(lab: KeyLab) -> None:
    nga = lab.person("nga", Role.EDITOR, "Trần Thị Nga")
    for day in range(3):
        nga.request = nga.rotate()
        lab.certify(nga, FOUNDED + timedelta(days=day + 1))
    assert len(list((nga.home.own_keys / OLD).glob("*.key"))) == 3


def test_the_server_gets_another_key_at_once_and_the_old_one_can_be_denied(lab: KeyLab) -> None:
    before = load_signer(lab.home.server_keys / "head", PASSPHRASE)
    old, renewed = rotate_server(lab.authority, "head", PASSPHRASE, LATER)
    after = load_signer(lab.home.server_keys / "head", PASSPHRASE)
    assert old == before.signer.public.kid != after.signer.public.kid
    assert after.certificate is not None
    assert renewed.expires.timestamp() == after.certificate.expires
    entries = denials(list_issued(lab.home), keys=[old], now_s=int(LATER.timestamp()))
    lab.authority.deny(entries, LATER)
    with pytest.raises(ConfigError):
        rotate_server(lab.authority, "tls", PASSPHRASE, LATER)


# --- whose passphrase opens what


class Apart:
    """Each officer's own passphrase."""

    def __init__(self, secrets: dict[str, str]) -> None:
        self.secrets = secrets

    def for_key(self, name: str) -> Passphrase:
        return Passphrase(self.secrets[name], CHEAP)


def test_two_officers_have_two_passphrases(lab: KeyLab) -> None:
    for name, secret in (("officer-1", "of the first"), ("officer-2", "of the second")):
        (lab.home.authority_keys / f"{name}.key").unlink()
        make_key(lab.home.authority_keys / f"{name}.key", cheap(secret))
    Authority.open(lab.home, Apart({"officer-1": "of the first", "officer-2": "of the second"}))
    with pytest.raises(PassphraseError, match="officer-2"):
        Authority.open(lab.home, cheap("of the first"))


def test_a_name_that_no_certificate_takes_is_refused(lab: KeyLab) -> None:
    home = Home(lab.folder / "x")
    with pytest.raises(FormatError):
        make_own_key(home, Role.EDITOR, "x" * 300, PASSPHRASE)
    make_own_key(home, Role.EDITOR, "Nga", PASSPHRASE)  # no key was left behind
