"""What officers sign is what boards accept, and nobody is two people."""

from __future__ import annotations

import contextlib
import dataclasses
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509 as pyca
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from hypothesis import given
from hypothesis import strategies as st

from loa_manager import x509
from loa_manager.authority import ONLINE_LIFE, Authority, Grant
from loa_manager.home import Home
from loa_manager.keyring import (
    Identity,
    Passphrase,
    make_key,
    make_request,
    parse_chain,
    parse_request,
)
from loa_manager.people import install_chain, list_keys, make_own_key
from loa_manager.policy_file import preset_policy
from loa_manager.serials import next_serial
from loa_manager.settings_file import parse_settings, present_settings
from loa_protocol.accept import accept
from loa_protocol.envelope import Bundle, Kind, sign_bundle
from loa_protocol.errors import ConfigError, FormatError, MessageError
from loa_protocol.keys import PublicKey, SoftSigner
from loa_protocol.objects.authority import EPOCH_LEAD, Role
from loa_protocol.objects.placement import Device, Settings
from loa_protocol.objects.policy import Policy
from loa_protocol.record import ClockTrust
from loa_protocol.trust import Now, Refusal, TrustError
from support.bench_lab import FOUNDED, SECRET, province_home
from support.passphrases import cheap
from support.province import playlist

PASSPHRASE = cheap(SECRET)
STATION = "vn/ls/st0137"
NOW = Now(int(FOUNDED.timestamp()) + 60, ClockTrust.T3)
CLUSTER = f"{STATION}/c01"


@pytest.fixture(autouse=True)
def _english(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOA_LANG", "en")


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority.open(province_home(tmp_path), PASSPHRASE)


def certified(authority: Authority, holder: str, *roles: Role) -> Identity:
    """Return somebody with a fresh key, certified for the station."""
    signer = SoftSigner(ec.generate_private_key(ec.SECP256R1()))
    request = parse_request(make_request(signer, holder, roles))
    chain = parse_chain(authority.certify(request, (STATION,), FOUNDED))
    return Identity(holder, signer, chain)


def week(authority: Authority, *people: Identity) -> bytes:
    """Return a week's playlist signed by *people*."""
    start = int(FOUNDED.timestamp())
    body = playlist(scope=STATION, not_before=start, expires=start + 7 * 86_400)
    chains = [each for person in people for each in person.chain]
    signers = [person.signer for person in people]
    return sign_bundle(Kind.PLAYLIST, body.to_bytes(), signers, certificates=chains)


@pytest.mark.requirement("MSG-5")
def test_an_editor_and_an_approver_make_a_playlist(authority: Authority) -> None:
    nga = certified(authority, "Trần Thị Nga", Role.EDITOR)
    hung = certified(authority, "Lý Văn Hùng", Role.APPROVER)
    assert accept(week(authority, nga, hung), authority.trusted, NOW).kind is Kind.PLAYLIST


@pytest.mark.requirement("MSG-5")
def test_one_holder_with_two_certificates_is_still_one(authority: Authority) -> None:
    as_editor = certified(authority, "Trần Thị Nga", Role.EDITOR)
    as_approver = certified(authority, "Trần Thị Nga", Role.APPROVER)
    with pytest.raises(TrustError) as refused:
        accept(week(authority, as_editor, as_approver), authority.trusted, NOW)
    assert refused.value.reason is Refusal.THRESHOLD


def test_a_certificate_ends_after_ninety_days(authority: Authority) -> None:
    nga = certified(authority, "Nga", Role.EDITOR)
    hung = certified(authority, "Hùng", Role.APPROVER)
    late = Now(NOW.unix_s + 90 * 86_400, ClockTrust.T3)
    with pytest.raises(TrustError) as refused:
        accept(week(authority, nga, hung), authority.trusted, late)
    assert refused.value.reason is Refusal.EXPIRED


def test_an_online_key_is_not_certified_for_longer_than_boards_allow(authority: Authority) -> None:
    key = SoftSigner(ec.generate_private_key(ec.SECP256R1())).public
    grant = Grant(scopes=("vn/ls",), roles=(Role.TIME,), life=ONLINE_LIFE + timedelta(seconds=1))
    with pytest.raises(ConfigError, match="14 days at most"):
        authority.issue(key, "server", grant, FOUNDED)
    assert authority.issue(key, "server", dataclasses.replace(grant, life=ONLINE_LIFE), FOUNDED)


def test_an_epoch_that_boards_would_refuse_is_refused_at_the_desk(authority: Authority) -> None:
    signer = SoftSigner(ec.generate_private_key(ec.SECP256R1()))
    request = parse_request(make_request(signer, "Nga", (Role.EDITOR,)))
    last = authority.epoch + EPOCH_LEAD
    assert authority.certify(request, (STATION,), FOUNDED, epoch=last)
    with pytest.raises(ConfigError, match="leads"):
        authority.certify(request, (STATION,), FOUNDED, epoch=last + 1)


@pytest.mark.parametrize(
    ("roles", "scopes"),
    [
        ((Role.EDITOR,), ("vn/hn/st1",)),
        ((Role.EDITOR,), ()),
        ((Role.HEAD,), (STATION,)),
        ((Role.EDITOR, Role.INGEST), (STATION,)),
    ],
)
def test_officers_certify_people_of_their_province_alone(
    authority: Authority, roles: tuple[Role, ...], scopes: tuple[str, ...]
) -> None:
    signer = SoftSigner(ec.generate_private_key(ec.SECP256R1()))
    with pytest.raises(ConfigError):
        authority.certify(parse_request(make_request(signer, "Nga", roles)), scopes, FOUNDED)


def test_a_request_is_signed_by_the_key_it_names() -> None:
    nga, thief = (SoftSigner(ec.generate_private_key(ec.SECP256R1())) for _ in range(2))

    @dataclasses.dataclass
    class Borrowed:
        public: PublicKey = nga.public

        def sign(self, message: bytes) -> bytes:
            return thief.sign(message)

    parse_request(make_request(nga, "Nga", (Role.EDITOR,)))
    with pytest.raises(MessageError, match="not signed"):
        parse_request(make_request(Borrowed(), "Nga", (Role.EDITOR,)))


@pytest.mark.parametrize(
    "text",
    [b"", b"\xff", b"-----BEGIN LOA KEY REQUEST-----", b"x" * 70_000]
    + [f"-----BEGIN LOA {t}-----\n!!\n-----END LOA {t}-----".encode() for t in ("KEY REQUEST",)],
)
def test_what_is_no_request_is_refused(text: bytes) -> None:
    with pytest.raises(FormatError):
        parse_request(text)
    with pytest.raises(FormatError):
        parse_chain(text)


def test_policies_rise_and_a_commune_has_its_own(authority: Authority) -> None:
    first = authority.sign_policy(preset_policy("hanoi", STATION, FOUNDED), FOUNDED)
    second = authority.sign_policy(preset_policy("rural", STATION, FOUNDED), FOUNDED)
    one, two = (Policy.from_bytes(Bundle.from_bytes(each).payload) for each in (first, second))
    assert two.serial == one.serial + 1
    with pytest.raises(TrustError) as refused:
        accept(first, authority.home.trusted(), NOW)
    assert refused.value.reason is Refusal.ROLLBACK
    scopes = [mark.scope for mark in authority.home.content.head_facts().policies]
    assert scopes == ["vn/ls", STATION]


def test_what_a_board_would_refuse_never_leaves_the_desk(authority: Authority) -> None:
    with pytest.raises(TrustError):
        authority.sign_policy(preset_policy("rural", "vn/hn", FOUNDED), FOUNDED)
    key = SoftSigner(ec.generate_private_key(ec.SECP256R1())).public
    with pytest.raises(TrustError):
        authority.assign(key, "vn/hn/st1/c1", "Bản", FOUNDED)
    with pytest.raises(MessageError):
        authority.assign(key, "not a scope", "Bản", FOUNDED)
    assert not (authority.home.content.path / "state" / "vn" / "hn").exists()


def test_the_nearest_settings_above_a_cluster_are_its_own(authority: Authority) -> None:
    home, base = authority.home, present_settings(authority.home)
    text = f"""
        scope = "{STATION}"
        heartbeat_s = 60
        [fallback]
        fm_fail_ms = 4000
        [[fitting]]
        device = "tuner"
        port = "/dev/ttyUSB1"
    """
    authority.sign_settings(parse_settings(text, base), FOUNDED)
    data = home.settings_for(CLUSTER)
    assert data is not None
    settings = Settings.from_bytes(Bundle.from_bytes(data).payload)
    assert (settings.scope, settings.heartbeat_s, settings.fallback) == (STATION, 60, {5: 4000})
    assert [(f.device, f.port, f.option) for f in settings.fittings] == [
        (Device.TUNER, "/dev/ttyUSB1", 0)
    ]
    assert (settings.content, settings.authorities) == (base.content, base.authorities)
    other = home.settings_for("vn/ls/st0200/c01")
    assert other is not None
    assert Settings.from_bytes(Bundle.from_bytes(other).payload).scope == "vn/ls"


def test_every_fault_of_a_settings_file_is_named(authority: Authority) -> None:
    text = """
        heartbeat_s = "60"
        content = "https://x"
        typo = 1
        [fallback]
        hodl_ms = 1
        [[fitting]]
        device = "tv"
        port = "/dev/x"
    """
    with pytest.raises(ConfigError) as refused:
        parse_settings(text, present_settings(authority.home), "cum.toml")
    named = {fault.partition(":")[0] for fault in refused.value.faults}
    assert named == {"heartbeat_s", "content", "typo", "fallback", "fitting"}


def test_people_make_send_install_and_list_their_keys(authority: Authority, tmp_path: Path) -> None:
    home = Home(tmp_path / "nga")
    request, kid = make_own_key(home, Role.EDITOR, "Trần Thị Nga", PASSPHRASE)
    with pytest.raises(ConfigError):
        make_own_key(home, Role.EDITOR, "Trần Thị Nga", PASSPHRASE)
    (facts,) = list_keys(home)
    assert (facts.name, facts.holder) == ("editor", None)
    chain = authority.certify(parse_request(request.read_bytes()), (STATION,), FOUNDED)
    with pytest.raises(FormatError):
        install_chain(home, chain[:-40], FOUNDED)
    (home.path / "public").mkdir()
    home.root_path.write_bytes(province_home(tmp_path / "x", "two").root_bundle)
    with pytest.raises(TrustError):
        install_chain(home, chain, FOUNDED)
    home.root_path.write_bytes(authority.home.root_bundle)
    with pytest.raises(TrustError):
        install_chain(home, chain, FOUNDED + timedelta(days=91))
    assert install_chain(home, chain, FOUNDED).key.kid == kid
    (facts,) = list_keys(home)
    assert (facts.holder, facts.roles, facts.kid) == ("Trần Thị Nga", (Role.EDITOR,), kid)
    stranger = Home(tmp_path / "hung")
    make_own_key(stranger, Role.APPROVER, "Hùng", PASSPHRASE)
    with pytest.raises(ConfigError):
        install_chain(stranger, chain, FOUNDED)


def test_a_passphrase_never_shows_itself_and_is_not_too_short() -> None:
    assert SECRET not in repr(PASSPHRASE) + str(PASSPHRASE)
    with pytest.raises(ConfigError):
        Passphrase("1234567").check()


def test_a_private_key_is_in_no_text_of_its_signer(tmp_path: Path) -> None:
    key = make_key(tmp_path / "a.key", PASSPHRASE)
    assert key.private_bytes_raw().hex() not in repr(SoftSigner(key))  # type: ignore[union-attr]  # Ed25519


def test_serials_rise_in_one_second_when_the_clock_goes_back_and_without_the_note(
    tmp_path: Path,
) -> None:
    first = next_serial(tmp_path, "policy vn/ls", FOUNDED)
    second = next_serial(tmp_path, "policy vn/ls", FOUNDED)
    third = next_serial(tmp_path, "policy vn/ls", FOUNDED - timedelta(days=1))
    assert (first, second, third) == (FOUNDED.timestamp(), first + 1, first + 2)
    assert next_serial(tmp_path, "settings vn/ls", FOUNDED) == first
    (tmp_path / "serials.json").unlink()
    assert next_serial(tmp_path, "policy vn/ls", FOUNDED + timedelta(minutes=1)) > third
    (tmp_path / "serials.json").write_text("[")
    with pytest.raises(FormatError, match=r"serials\.json"):
        next_serial(tmp_path, "policy vn/ls", FOUNDED)


def csr(key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey) -> bytes:
    builder = pyca.CertificateSigningRequestBuilder().subject_name(pyca.Name([]))
    return builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.DER)


@pytest.mark.parametrize(
    "key", [ec.generate_private_key(ec.SECP384R1()), rsa.generate_private_key(65_537, 2048)]
)
def test_only_p256_requests_are_certified(
    key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey,
) -> None:
    with pytest.raises(FormatError, match="P-256"):
        x509.read_csr(csr(key))


KEY = ec.generate_private_key(ec.SECP256R1())
REQUEST = csr(KEY)


@given(st.data())
def test_a_damaged_request_never_names_another_key(data: st.DataObject) -> None:
    damaged = bytearray(REQUEST)
    damaged[data.draw(st.integers(0, len(damaged) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    with contextlib.suppress(FormatError):
        assert x509.read_csr(bytes(damaged)) == KEY.public_key()
