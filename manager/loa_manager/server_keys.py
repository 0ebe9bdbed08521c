"""The keys of the server: made at the founding, their certificates renewed every fortnight.

``keys/server`` holds head, time and ingest (Ed25519, each with a chain), tls and enrol-ca (P-256,
each with a .pem), and broker (Ed25519: the seed with which call-outs of the broker are answered).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from cryptography import x509 as pyca
from cryptography.hazmat.primitives.asymmetric import ec

from loa_manager import x509
from loa_manager.authority import SERVER_LIVES, Authority, open_device_ca
from loa_manager.content_tree import write_durably
from loa_manager.home import Home, read_bytes
from loa_manager.keyring import Passphrase, load_key, load_signer, make_key
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
    authority: Authority, hosts: Sequence[str], passphrase: Passphrase, now: datetime
) -> list[Renewal]:
    """Make all keys of the server and certify them."""
    folder = authority.home.server_keys
    for name in (*SERVER_LIVES, BROKER):
        make_key(folder / f"{name}.key", passphrase)
    for name in (TLS, ENROLMENT_CA):
        make_key(folder / f"{name}.key", passphrase, "p256")
    ca = open_device_ca(authority.home, passphrase)
    return [
        *_certify_online(authority, passphrase, now),
        _certify_tls(authority.home, hosts, ca, passphrase, now),
        _certify_enrolment(authority.home, ca, passphrase, now),
    ]


def renew_server(
    authority: Authority, passphrase: Passphrase, now: datetime, hosts: Sequence[str] = ()
) -> list[Renewal]:
    """Certify the present keys of the server anew, for *hosts* or for those it has.

    Raises:
        StoreError, ConfigError, FormatError: a key or certificate is missing or not opened.
    """
    home = authority.home
    ca = open_device_ca(home, passphrase)
    kept = hosts or server_hosts(home)
    done = [
        *_certify_online(authority, passphrase, now),
        _certify_tls(home, kept, ca, passphrase, now),
    ]
    enrolment = x509.from_pem(read_bytes(home.server_keys / f"{ENROLMENT_CA}.pem"))
    if enrolment.not_valid_after_utc - now < _ENROLMENT_RENEWAL:
        done.append(_certify_enrolment(home, ca, passphrase, now))
    return done


def server_hosts(home: Home) -> tuple[str, ...]:
    """Return the names and addresses that the server's certificate is valid for."""
    certificate = x509.from_pem(read_bytes(home.server_keys / f"{TLS}.pem"))
    names = certificate.extensions.get_extension_for_class(pyca.SubjectAlternativeName).value
    return tuple(str(name.value) for name in names)


def _certify_online(authority: Authority, passphrase: Passphrase, now: datetime) -> list[Renewal]:
    folder = authority.home.server_keys
    done = []
    for name, (_role, life) in SERVER_LIVES.items():
        key = load_signer(folder / name, passphrase).signer.public
        write_durably(folder / f"{name}.cert", authority.issue_server(key, name, now))
        done.append(Renewal(name, now + life))
    return done


def _certify_tls(
    home: Home, hosts: Sequence[str], ca: x509.Issuer, passphrase: Passphrase, now: datetime
) -> Renewal:
    key = _p256(home, TLS, passphrase)
    der = x509.make_server_certificate(key.public_key(), hosts, ca, now)
    write_durably(home.server_keys / f"{TLS}.pem", x509.to_pem(der))
    return Renewal(TLS, now + x509.SERVER_LIFE)


def _certify_enrolment(
    home: Home, ca: x509.Issuer, passphrase: Passphrase, now: datetime
) -> Renewal:
    key = _p256(home, ENROLMENT_CA, passphrase)
    der = x509.make_enrolment_ca(key.public_key(), ca, now)
    write_durably(home.server_keys / f"{ENROLMENT_CA}.pem", x509.to_pem(der))
    return Renewal(ENROLMENT_CA, now + x509.ENROLMENT_CA_LIFE)


def _p256(home: Home, name: str, passphrase: Passphrase) -> ec.EllipticCurvePrivateKey:
    path = home.server_keys / f"{name}.key"
    key = load_key(path, passphrase)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise ConfigError(str(path), [_("not a P-256 key")])
    return key
