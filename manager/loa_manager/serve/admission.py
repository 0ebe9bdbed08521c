"""Who stands behind a client certificate, and whether the registry lets it in.

Pure: the certificate, the registry's answer and the time come in, a verdict goes out. The TLS layer
has verified the chain already; what is judged here is what it cannot know: which authority issued
the certificate, to whom, and whether that board is still one of ours.
"""

from __future__ import annotations

import enum
import re
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Protocol

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from loa_manager.x509 import BENCH_UNIT, LDEVID_UNIT
from loa_protocol.keys import PublicKey

SERVER: Final = "server"  # our own ingest client, by name and by MQTT client id
_ENDPOINT: Final = re.compile(r"[0-9a-f]{32}")


class Denial(enum.StrEnum):
    """Why somebody is not let in."""

    NO_CERTIFICATE = "no_certificate"
    CERTIFICATE = "certificate"  # not one that can be read
    ISSUER = "issuer"  # by none of our authorities
    NAME = "name"  # says neither a board nor the server
    EXPIRED = "expired"
    NOT_YET = "not_yet"
    UNKNOWN = "unknown"  # a board that the registry does not have
    REVOKED = "revoked"
    KEY = "key"  # not the key that was registered at the bench
    KIND = "kind"  # a bench identity where only a short-lived certificate will do
    CLIENT_ID = "client_id"  # an MQTT client id that is not the board's own
    WORD = "word"  # the server's certificate, and not the word of the server that runs
    NOT_MQTT = "not_mqtt"
    UNAVAILABLE = "unavailable"  # the registry could not be asked; come again


class CertificateKind(enum.StrEnum):
    """What a client certificate is for."""

    BENCH = "bench"  # ten years, made at the bench
    DEVICE = "device"  # thirty days, by the enrolment authority (802.1AR: LDevID)
    SERVER = "server"  # our own: the certificate we serve TLS with, as a client of the broker


_UNITS: Final = {CertificateKind.BENCH: BENCH_UNIT, CertificateKind.DEVICE: LDEVID_UNIT}


@dataclass(frozen=True, slots=True)
class Denied:
    """Not let in; *who* is the certificate's or client's own claim, for the log."""

    reason: Denial
    who: str = ""


@dataclass(frozen=True, slots=True)
class Admitted:
    """Let in: what for, as whom, where it hangs, and until when."""

    kind: CertificateKind
    name: str  # the endpoint id in hex, or "server"
    scope: str  # empty for the server
    expires: datetime


@dataclass(frozen=True, slots=True)
class Enrolled:
    """A board as the registry has it."""

    endpoint: str  # 32 hexadecimal digits
    key: PublicKey
    scope: str
    is_revoked: bool


class Roster(Protocol):
    """The registry's answer to who is ours. May be asked from any thread."""

    def find(self, endpoint: str) -> Enrolled | None:
        """Return the board of that id, or None where there is none."""

    def revoked(self) -> frozenset[str]:
        """Return the ids of all revoked boards."""


@dataclass(frozen=True, slots=True)
class Authorities:
    """The certificates that stand above those of clients."""

    device: x509.Certificate
    enrolment: tuple[x509.Certificate, ...]
    server: bytes = b""  # DER of the one certificate of our own ingest client


Verdict = Admitted | Denied


def admit(der: bytes | None, authorities: Authorities, roster: Roster, now: datetime) -> Verdict:
    """Judge the client certificate *der* that the TLS layer has verified.

    Args:
        der: The leaf, or None where the client showed none.
        authorities: Whose certificates count here.
        roster: The registry.
        now: Time of the judgement, UTC.
    """
    leaf = None if der is None else _read(der)
    if leaf is None:
        return Denied(Denial.NO_CERTIFICATE if der is None else Denial.CERTIFICATE)
    denial = _check_dates(leaf, now)
    if denial is None and der == authorities.server:
        return Admitted(CertificateKind.SERVER, SERVER, "", leaf.expires)
    kind = _kind(leaf.certificate, authorities)
    denial = denial or _check_name(leaf, kind)
    board = None if denial else roster.find(leaf.name)
    denial = denial or _check_board(leaf, board)
    if kind is None or board is None or denial is not None:
        return Denied(denial or Denial.UNKNOWN, leaf.name)
    return Admitted(kind, leaf.name, board.scope, leaf.expires)


@dataclass(frozen=True, slots=True)
class _Leaf:
    certificate: x509.Certificate
    name: str
    unit: str
    public: object

    @property
    def expires(self) -> datetime:
        return self.certificate.not_valid_after_utc


def _read(der: bytes) -> _Leaf | None:
    try:
        certificate = x509.load_der_x509_certificate(der)
        return _Leaf(
            certificate,
            _attribute(certificate, NameOID.COMMON_NAME),
            _attribute(certificate, NameOID.ORGANIZATIONAL_UNIT_NAME),
            certificate.public_key(),
        )
    except (ValueError, TypeError, UnsupportedAlgorithm, x509.InvalidVersion):
        return None


def _check_dates(leaf: _Leaf, now: datetime) -> Denial | None:
    if now < leaf.certificate.not_valid_before_utc:
        return Denial.NOT_YET
    return Denial.EXPIRED if now >= leaf.expires else None


def _check_name(leaf: _Leaf, kind: CertificateKind | None) -> Denial | None:
    if kind is None:
        return Denial.ISSUER
    is_board = leaf.unit == _UNITS[kind] and _ENDPOINT.fullmatch(leaf.name) is not None
    return None if is_board else Denial.NAME


def _check_board(leaf: _Leaf, board: Enrolled | None) -> Denial | None:
    if board is None:
        return Denial.UNKNOWN
    if board.is_revoked:
        return Denial.REVOKED
    return None if is_key(leaf.public, board.key) else Denial.KEY


def _kind(certificate: x509.Certificate, authorities: Authorities) -> CertificateKind | None:
    if any(_is_issued_by(certificate, authority) for authority in authorities.enrolment):
        return CertificateKind.DEVICE
    if _is_issued_by(certificate, authorities.device):
        return CertificateKind.BENCH
    return None


def is_key(public: object, registered: PublicKey) -> bool:
    """Tell whether *public*, as an X.509 structure carries it, is the *registered* P-256 key."""
    return (
        isinstance(public, ec.EllipticCurvePublicKey)
        and isinstance(public.curve, ec.SECP256R1)
        and PublicKey.of(public) == registered
    )


def _is_issued_by(certificate: x509.Certificate, authority: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(authority)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def _attribute(certificate: x509.Certificate, oid: x509.ObjectIdentifier) -> str:
    values = certificate.subject.get_attributes_for_oid(oid)
    return str(values[0].value) if len(values) == 1 else ""
