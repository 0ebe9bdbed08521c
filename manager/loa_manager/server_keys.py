"""The keys of the server: made at the founding, their certificates renewed every fortnight.

``keys/server`` holds head, time and ingest (Ed25519, each with a chain), tls and enrol-ca (P-256,
each with a .pem), and broker (Ed25519: the seed with which call-outs of the broker are answered).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from cryptography import x509 as pyca
from cryptography.hazmat.primitives.asymmetric import ec

from loa_manager import x509
from loa_manager.authority import SERVER_LIVES, Authority, open_device_ca
from loa_manager.content_tree import write_durably
from loa_manager.home import Home, read_bytes
from loa_manager.key_places import NEXT, archive_key, promote_key
from loa_manager.keyring import (
    KEY,
    Secrets,
    has_key,
    load_key,
    load_signer,
    make_key,
    parse_chain,
    public_of,
    read_chain,
)
from loa_protocol.errors import ConfigError
from loa_protocol.language import translator

_ = translator("loa_manager")

TLS: Final = "tls"
ENROLMENT_CA: Final = "enrol-ca"
BROKER: Final = "broker"
_ENROLMENT_RENEWAL: Final = timedelta(days=365)  # with less left than this, it is renewed too


@dataclass(frozen=True, slots=True)
class Renewal:
    """One renewed certificate, and until when it holds."""

    name: str
    expires: datetime


def make_server_keys(
    authority: Authority, hosts: Sequence[str], passphrase: Secrets, now: datetime
) -> list[Renewal]:
    """Make all keys of the server and certify them."""
    folder = authority.home.server_keys
    for name in (*SERVER_LIVES, BROKER):
        make_key(folder / f"{name}.key", passphrase)
    for name in (TLS, ENROLMENT_CA):
        make_key(folder / f"{name}.key", passphrase, "p256")
    ca = open_device_ca(authority.home, passphrase)
    return [
        *_certify_online(authority, passphrase, now, SERVER_LIVES),
        _certify_tls(authority.home, hosts, ca, passphrase, now),
        _certify_enrolment(authority.home, ca, passphrase, now),
    ]


def renew_server(
    authority: Authority,
    passphrase: Secrets,
    now: datetime,
    hosts: Sequence[str] = (),
    *,
    names: Collection[str] | None = None,
) -> list[Renewal]:
    """Certify the present keys of the server anew, for *hosts* or for those it has.

    Args:
        authority: The officers.
        passphrase: Opens the server's keys and the device CA.
        now: The certificates begin here.
        hosts: New names of the server; it is then certified for TLS in any case.
        names: Which keys; None for all, but the enrolment CA only within a year of its end.

    Raises:
        StoreError, ConfigError, FormatError: a key or certificate is missing or not opened.
    """
    home = authority.home
    if names is None:
        enrolment = x509.from_pem(read_bytes(home.server_keys / f"{ENROLMENT_CA}.pem"))
        is_old = enrolment.not_valid_after_utc - now < _ENROLMENT_RENEWAL
        names = {*SERVER_LIVES, TLS, *((ENROLMENT_CA,) if is_old else ())}
    online = [name for name in SERVER_LIVES if name in names]
    done = _certify_online(authority, passphrase, now, online)
    if hosts or TLS in names or ENROLMENT_CA in names:
        ca = open_device_ca(home, passphrase)
        if hosts or TLS in names:
            kept = hosts or server_hosts(home)
            done.append(_certify_tls(home, kept, ca, passphrase, now))
        if ENROLMENT_CA in names:
            done.append(_certify_enrolment(home, ca, passphrase, now))
    return done


def rotate_server(
    authority: Authority, name: str, passphrase: Secrets, now: datetime
) -> tuple[bytes | None, Renewal]:
    """Give the server another key for heads, time or receipts, certified at once.

    The old one is put aside. A running server takes the new one up when it is started again.

    Returns:
        The old key's id, which is to be denied (None where an interrupted call has put it aside),
        and the new certificate.

    Raises:
        ConfigError: not one of head, time and ingest.
        StoreError, FormatError: a file cannot be read or moved.
    """
    if name not in SERVER_LIVES:
        fault = _("the server's keys that are followed so are {names}")
        raise ConfigError(name, [fault.format(names=", ".join(SERVER_LIVES))])
    path = authority.home.server_keys / name
    following = path.parent / NEXT / name
    old = public_of(path).kid if has_key(path) else None
    if not has_key(following):
        make_key(following.with_name(f"{name}{KEY}"), passphrase)
    renewal = _certify(authority, name, following, passphrase, now)
    archive_key(path, now)
    promote_key(path)
    return old, renewal


def server_hosts(home: Home) -> tuple[str, ...]:
    """Return the names and addresses that the server's certificate is valid for."""
    certificate = x509.from_pem(read_bytes(home.server_keys / f"{TLS}.pem"))
    names = certificate.extensions.get_extension_for_class(pyca.SubjectAlternativeName).value
    return tuple(str(name.value) for name in names)


def _certify_online(
    authority: Authority, passphrase: Secrets, now: datetime, names: Iterable[str]
) -> list[Renewal]:
    folder = authority.home.server_keys
    return [_certify(authority, name, folder / name, passphrase, now) for name in names]


def _certify(
    authority: Authority, name: str, path: Path, passphrase: Secrets, now: datetime
) -> Renewal:
    key = load_signer(path, passphrase).signer.public
    chain = authority.issue_server(key, name, now)
    write_durably(path.with_name(f"{name}.cert"), chain)
    ends = min(each.expires for each in read_chain(parse_chain(chain)))
    return Renewal(name, datetime.fromtimestamp(ends, UTC))


def _certify_tls(
    home: Home, hosts: Sequence[str], ca: x509.Issuer, passphrase: Secrets, now: datetime
) -> Renewal:
    key = _p256(home, TLS, passphrase)
    der = x509.make_server_certificate(key.public_key(), hosts, ca, now)
    write_durably(home.server_keys / f"{TLS}.pem", x509.to_pem(der))
    return Renewal(TLS, now + x509.SERVER_LIFE)


def _certify_enrolment(home: Home, ca: x509.Issuer, passphrase: Secrets, now: datetime) -> Renewal:
    key = _p256(home, ENROLMENT_CA, passphrase)
    der = x509.make_enrolment_ca(key.public_key(), ca, now)
    write_durably(home.server_keys / f"{ENROLMENT_CA}.pem", x509.to_pem(der))
    return Renewal(ENROLMENT_CA, now + x509.ENROLMENT_CA_LIFE)


def _p256(home: Home, name: str, passphrase: Secrets) -> ec.EllipticCurvePrivateKey:
    path = home.server_keys / f"{name}.key"
    key = load_key(path, passphrase)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise ConfigError(str(path), [_("not a P-256 key")])
    return key
