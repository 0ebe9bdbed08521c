"""A province is made whole or not at all, and what it is made of holds together."""

from __future__ import annotations

import stat
import subprocess
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509 as pyca
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from loa_manager import audit, database, founding, x509
from loa_manager.authority import SERVER_LIVES, Authority, open_device_ca, open_issuer
from loa_manager.ceremony import ROOT_HOLDERS, certify_officers
from loa_manager.founding import Plan, found_province
from loa_manager.home import UNFINISHED, Home
from loa_manager.keyring import load_key, load_signer, read_chain
from loa_manager.server_keys import renew_server, server_hosts
from loa_protocol.accept import accept
from loa_protocol.envelope import Bundle, Kind, sign_bundle
from loa_protocol.errors import ConfigError, StoreError
from loa_protocol.objects.authority import Level, Role
from loa_protocol.objects.placement import Settings
from loa_protocol.objects.policy import Policy
from loa_protocol.record import ClockTrust
from loa_protocol.succession import accept_root
from loa_protocol.trust import Now, Refusal, TrustError
from support.bench_lab import FOUNDED, SECRET, province_home
from support.passphrases import cheap

PASSPHRASE = cheap(SECRET)
PLAN = Plan(scope="vn/ls", is_test=True)
T3 = Now(int(FOUNDED.timestamp()) + 60, ClockTrust.T3)


@pytest.fixture(autouse=True)
def _english(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOA_LANG", "en")


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return province_home(tmp_path)


def test_the_root_is_three_of_five_holders_and_signed_by_them(home: Home) -> None:
    root = accept_root(home.root_bundle, None, T3)
    assert (root.scope, root.test, root.threshold) == ("vn/ls", True, 3)
    assert sorted(key.holder for key in root.keys) == sorted(ROOT_HOLDERS)
    assert len({key.raw for key in root.keys}) == 5
    assert len(Bundle.from_bytes(home.root_bundle).seals) == 3
    assert {Kind.PLAYLIST, Kind.POLICY, Kind.SETTINGS, Kind.ASSIGNMENT, Kind.DENY_LIST} == {
        Kind(kind) for kind, holders in root.floors.items() if holders == 2
    }


def test_two_officers_may_issue_everything_and_speak_for_the_province(home: Home) -> None:
    officers = Authority.open(home, PASSPHRASE).officers
    certificates = [officer.certificate for officer in officers]
    assert len({certificate.holder for certificate in certificates if certificate}) == 2
    for certificate in certificates:
        assert certificate is not None
        assert set(certificate.roles) == {Role.POLICY, Role.OPERATE, Role.REVOKE}
        assert set(certificate.may_issue) == set(Role)
        assert certificate.level is Level.PROVINCE
        assert certificate.expires == FOUNDED.timestamp() + 365 * 86_400
        assert len(Bundle.from_bytes(officers[0].chain[0]).seals) == 2


def test_the_default_policy_and_settings_are_what_a_board_accepts(home: Home) -> None:
    (mark,) = home.content.head_facts().policies
    policy = accept(home.content.object(mark.digest), home.trusted(), T3)
    assert isinstance(policy.body, Policy)
    assert policy.is_known
    assert policy.body.minutes_per_session == 45
    data = home.settings_for("vn/ls/st0137/c01")
    assert data is not None
    settings = accept(data, home.trusted(), T3).body
    assert isinstance(settings, Settings)
    assert settings.content == ("https://localhost:8443/content",)
    assert settings.broker == ("mqtts://localhost:8883",)
    ca = x509.from_pem(home.device_ca_path.read_bytes())
    assert settings.authorities == (ca.public_bytes(serialization.Encoding.DER),)


def test_online_keys_hold_one_small_role_for_two_weeks(home: Home) -> None:
    for name, (role, life) in SERVER_LIVES.items():
        certificate = load_signer(home.server_keys / name, PASSPHRASE).certificate
        assert certificate is not None
        assert (certificate.roles, certificate.may_issue) == ((role,), ())
        assert certificate.expires - certificate.not_before == life.total_seconds()
        assert certificate.not_before <= FOUNDED.timestamp()
    assert {life for _role, life in SERVER_LIVES.values()} == {timedelta(days=14)}


@pytest.mark.parametrize("name", list(SERVER_LIVES))
def test_a_server_key_cannot_speak(home: Home, name: str) -> None:
    thief = load_signer(home.server_keys / name, PASSPHRASE)
    (mark,) = home.content.head_facts().policies
    payload = Bundle.from_bytes(home.content.object(mark.digest)).payload
    forged = sign_bundle(Kind.POLICY, payload, [thief.signer], certificates=thief.chain)
    with pytest.raises(TrustError) as refused:
        accept(forged, home.trusted(), T3)
    assert refused.value.reason is Refusal.ROLE


@pytest.mark.requirement("SEC-1")
def test_every_private_key_is_encrypted_and_its_owners_alone(home: Home) -> None:
    keys = sorted(home.path.rglob("*.key"))
    assert len(keys) == 5 + 3 + 6
    for key in keys:
        assert stat.S_IMODE(key.stat().st_mode) == 0o600
        assert key.read_bytes().startswith(b"-----BEGIN LOA PRIVATE KEY-----")
        assert stat.S_IMODE(key.parent.stat().st_mode) == 0o700
    assert stat.S_IMODE(home.path.stat().st_mode) == 0o700
    with pytest.raises(ConfigError, match="officer-1"):
        load_key(home.authority_keys / "officer-1", cheap("a wrong one"))


def test_the_database_names_the_province_and_accounts_for_its_founding(home: Home) -> None:
    engine = database.open(home.database_url)
    with database.reading(engine) as connection:
        assert database.get_province(connection) == database.Province("vn/ls", True, 420)
        assert audit.verify(connection).broken is None
    engine.dispose()


@pytest.mark.needs("openssl")
def test_tls_certificates_are_what_openssl_expects(home: Home, tmp_path: Path) -> None:
    enrolment = open_issuer(
        home.server_keys / "enrol-ca", home.server_keys / "enrol-ca.pem", PASSPHRASE
    )
    assert server_hosts(home) == ("localhost", "127.0.0.1")
    openssl = ["openssl", "verify", "-attime", str(T3.unix_s), "-x509_strict"]
    openssl += ["-CAfile", str(home.device_ca_path)]
    server = home.server_keys / "tls.pem"
    for purpose in ("sslserver", "sslclient"):
        subprocess.run([*openssl, "-purpose", purpose, str(server)], check=True)
    hostname = [*openssl, "-verify_hostname"]
    subprocess.run([*hostname, "localhost", str(server)], check=True)
    assert subprocess.run([*hostname, "example.org", str(server)], check=False).returncode
    csr = make_csr()
    board, ldevid = tmp_path / "board.pem", tmp_path / "ldevid.pem"
    ca = open_device_ca(home, PASSPHRASE)
    board.write_bytes(x509.to_pem(x509.make_bench_certificate(csr, ca, FOUNDED)))
    ldevid.write_bytes(x509.to_pem(x509.make_ldevid(csr, enrolment, FOUNDED)))
    subprocess.run([*openssl, "-purpose", "sslclient", str(board)], check=True)
    chain = ["-untrusted", str(home.server_keys / "enrol-ca.pem")]
    subprocess.run([*openssl, "-purpose", "sslclient", *chain, str(ldevid)], check=True)
    # an enrolment CA may not make CAs: what stands below one leads nowhere
    rogue_key = ec.generate_private_key(ec.SECP256R1())
    rogue = x509.to_pem(x509.make_enrolment_ca(rogue_key.public_key(), enrolment, FOUNDED))
    (tmp_path / "rogue.pem").write_bytes(rogue)
    leaf = x509.make_ldevid(csr, x509.Issuer(x509.from_pem(rogue), rogue_key), FOUNDED)
    ldevid.write_bytes(x509.to_pem(leaf))
    chain += ["-untrusted", str(tmp_path / "rogue.pem")]
    refused = subprocess.run(
        [*openssl, *chain, str(ldevid)], check=False, capture_output=True, text=True
    )
    assert "path length constraint exceeded" in refused.stderr


def test_a_second_founding_touches_nothing(home: Home) -> None:
    before = {each: each.read_bytes() for each in home.path.rglob("*") if each.is_file()}
    with pytest.raises(ConfigError, match="not empty"):
        found_province(home, PLAN, PASSPHRASE, FOUNDED)
    assert {each: each.read_bytes() for each in home.path.rglob("*") if each.is_file()} == before


def test_a_folder_with_something_else_in_it_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "keys").mkdir()
    with pytest.raises(ConfigError):
        found_province(Home(tmp_path), PLAN, PASSPHRASE, FOUNDED)
    assert (tmp_path / "keys").is_dir()


CUTS = [
    ("_make_root", "before"),
    ("_make_root", "after"),
    ("certify_officers", "after"),
    ("_make_device_ca", "after"),
    ("make_server_keys", "after"),
    ("_settings", "after"),
    ("_make_database", "after"),
]


@pytest.mark.parametrize(("step", "when"), CUTS)
def test_a_founding_cut_short_is_seen_and_begun_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str, when: str
) -> None:
    home = Home(tmp_path / "home")
    honest: Callable[..., object] = getattr(founding, step)

    def full(*arguments: object, **named: object) -> object:
        if when == "after":
            honest(*arguments, **named)
        raise StoreError("disk", "full")

    with monkeypatch.context() as power:
        power.setattr(founding, step, full)
        with pytest.raises(StoreError):
            found_province(home, PLAN, PASSPHRASE, FOUNDED)
    assert (home.path / UNFINISHED).exists()
    with pytest.raises(ConfigError, match="interrupted"):
        Home.open(home.path)
    found_province(home, PLAN, PASSPHRASE, FOUNDED)
    assert Home.open(home.path).root.scope == "vn/ls"


@pytest.mark.parametrize("plan", [Plan(scope="VN LS"), Plan(scope="vn/ls", hosts=())])
def test_a_faulty_plan_makes_nothing(tmp_path: Path, plan: Plan) -> None:
    with pytest.raises(ConfigError):
        found_province(Home(tmp_path / "home"), plan, PASSPHRASE, FOUNDED)
    assert not (tmp_path / "home").exists()


def test_renewal_keeps_the_keys_and_gives_them_another_fortnight(home: Home) -> None:
    before = load_signer(home.server_keys / "head", PASSPHRASE)
    later = FOUNDED + timedelta(days=10)
    renewed = renew_server(Authority.open(home, PASSPHRASE), PASSPHRASE, later)
    assert [each.name for each in renewed] == ["head", "time", "ingest", "tls"]
    after = load_signer(home.server_keys / "head", PASSPHRASE)
    assert after.signer.public == before.signer.public
    assert after.certificate is not None
    assert after.certificate.not_before <= int(later.timestamp())
    life_s = after.certificate.expires - after.certificate.not_before
    assert life_s == timedelta(days=14).total_seconds()
    assert server_hosts(home) == ("localhost", "127.0.0.1")


def test_renewal_takes_new_hosts_and_an_ageing_enrolment_ca(home: Home) -> None:
    later = FOUNDED + timedelta(days=364)
    authority = Authority.open(home, PASSPHRASE)
    renewed = renew_server(authority, PASSPHRASE, later, ["loa.example.vn", "10.0.0.7"])
    assert "enrol-ca" not in [each.name for each in renewed]
    assert server_hosts(home) == ("loa.example.vn", "10.0.0.7")
    later = FOUNDED + timedelta(days=366)
    with pytest.raises(ConfigError, match="renew-officers"):
        renew_server(authority, PASSPHRASE, later)
    certify_officers(home, home.root, PASSPHRASE, later)
    authority = Authority.open(home, PASSPHRASE)
    assert "enrol-ca" in [each.name for each in renew_server(authority, PASSPHRASE, later)]


@pytest.mark.parametrize("gone", [(), (1,), (1, 2), (2, 4, 5)])
def test_officers_are_renewed_by_any_two_root_keys_that_are_here(
    home: Home, gone: tuple[int, ...]
) -> None:
    later = FOUNDED + timedelta(days=300)
    for number in gone:
        (home.root_keys / f"root-{number}.key").unlink()
    certify_officers(home, home.root, PASSPHRASE, later)
    for officer in Authority.open(home, PASSPHRASE).officers:
        (certificate,) = read_chain(officer.chain)
        assert certificate.expires == int((later + timedelta(days=365)).timestamp())


def test_one_root_key_renews_nobody(home: Home) -> None:
    for number in (1, 2, 3, 5):
        (home.root_keys / f"root-{number}.key").unlink()
    with pytest.raises(StoreError, match="2 root keys are needed and 1 are here"):
        certify_officers(home, home.root, PASSPHRASE, FOUNDED)


def make_csr() -> bytes:
    builder = pyca.CertificateSigningRequestBuilder().subject_name(pyca.Name([]))
    request = builder.sign(ec.generate_private_key(ec.SECP256R1()), hashes.SHA256())
    return request.public_bytes(serialization.Encoding.DER)
