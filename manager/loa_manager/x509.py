"""X.509 for TLS alone: the device CA and what it signs. It carries no right to speak.

Device CA (P-256, 20 years) -> bench identity of each board (10 years), server certificate
(1 year), enrolment CA (2 years, path length 0) -> 30-day certificates of the boards (LDevID).
All pure but for fresh randomness; the clock is an argument.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from loa_protocol.errors import FormatError
from loa_protocol.keys import PublicKey

DEVICE_CA_LIFE: Final = timedelta(days=20 * 365)
BENCH_LIFE: Final = timedelta(days=10 * 365)
ENROLMENT_CA_LIFE: Final = timedelta(days=2 * 365)
SERVER_LIFE: Final = timedelta(days=365)
LDEVID_LIFE: Final = timedelta(days=30)
BENCH_UNIT: Final = "bench"
SERVER_UNIT: Final = "server"
LDEVID_UNIT: Final = "endpoint"
MAX_CSR_BYTES: Final = 4096
_EARLIER: Final = timedelta(hours=1)  # the other side's clock may be a little behind
# what cryptography raises for damaged and for foreign certificates; InvalidVersion is no ValueError
_UNREADABLE: Final = (ValueError, UnsupportedAlgorithm, InvalidSignature, x509.InvalidVersion)
_NO_USE: Final = dict.fromkeys(
    (
        "digital_signature",
        "content_commitment",
        "key_encipherment",
        "data_encipherment",
        "key_agreement",
        "key_cert_sign",
        "crl_sign",
        "encipher_only",
        "decipher_only",
    ),
    False,
)


@dataclass(frozen=True, slots=True, repr=False)
class Issuer:
    """A CA: its certificate and its key."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey


def make_device_ca(key: ec.EllipticCurvePrivateKey, scope: str, now: datetime) -> x509.Certificate:
    """Return the self-signed CA of the province *scope*."""
    name = _name(f"Loa device CA {scope}", "ca")
    builder = _builder(name, key.public_key(), now, DEVICE_CA_LIFE)
    return _as_ca(builder, 1).issuer_name(name).sign(key, hashes.SHA256())


def make_enrolment_ca(public: ec.EllipticCurvePublicKey, ca: Issuer, now: datetime) -> bytes:
    """Return the DER certificate of the CA that the server enrols boards with."""
    # the key in the name: a CA that it made under its own name would escape the path length
    name = _name(f"Loa enrolment CA {endpoint_id(public)[:16]}", "ca")
    builder = _builder(name, public, now, ENROLMENT_CA_LIFE)
    return _issue(_as_ca(builder, 0), ca)


def make_server_certificate(
    public: ec.EllipticCurvePublicKey, hosts: Sequence[str], ca: Issuer, now: datetime
) -> bytes:
    """Return the DER certificate of the server, valid for *hosts* (names or addresses).

    It serves TLS and is a client too: ingest reads the broker with it.
    """
    builder = _builder(_name(hosts[0], SERVER_UNIT), public, now, SERVER_LIFE).add_extension(
        x509.SubjectAlternativeName([_general_name(host) for host in hosts]), critical=False
    )
    uses = (ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH)
    return _issue(_as_leaf(builder, *uses), ca)


def make_bench_certificate(csr: bytes, ca: Issuer, now: datetime) -> bytes:
    """Return the DER bench identity (IDevID) for the key in the DER request *csr*.

    Raises:
        FormatError: as :func:`read_csr`.
    """
    return _client(read_csr(csr), BENCH_UNIT, ca, now, BENCH_LIFE)


def make_ldevid(csr: bytes, enrolment: Issuer, now: datetime) -> bytes:
    """Return the DER 30-day certificate for the key in the DER request *csr*.

    Raises:
        FormatError: as :func:`read_csr`.
    """
    return _client(read_csr(csr), LDEVID_UNIT, enrolment, now, LDEVID_LIFE)


def read_csr(csr: bytes) -> ec.EllipticCurvePublicKey:
    """Return the P-256 key that made the PKCS#10 request *csr*; its name is not trusted.

    Raises:
        FormatError: too long, no request, not P-256, or not signed by its own key.
    """
    if len(csr) > MAX_CSR_BYTES:
        raise FormatError(f"a request of {len(csr)} bytes; at most {MAX_CSR_BYTES}")
    try:
        request = x509.load_der_x509_csr(csr)
        key = request.public_key()
        is_own = request.is_signature_valid
    except _UNREADABLE as error:
        raise FormatError(f"not a certificate request: {error}") from None
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
        raise FormatError("a request for a key that is not P-256")
    if not is_own:
        raise FormatError("a request that its own key did not sign")
    return key


def endpoint_id(key: ec.EllipticCurvePublicKey) -> str:
    """Return the 32 hex characters by which the board with *key* is known."""
    return PublicKey.of(key).kid.hex()


def from_der_key(der: bytes) -> ec.EllipticCurvePublicKey:
    """Return the P-256 key that the DER certificate *der* is for; raise FormatError for others."""
    try:
        key = _from_der(der).public_key()
    except _UNREADABLE as error:
        raise FormatError(f"not a certificate: {error}") from None
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
        raise FormatError("a certificate for a key that is not P-256")
    return key


def serial_of(der: bytes) -> str:
    """Return the serial number of the DER certificate *der* in hex."""
    return f"{_from_der(der).serial_number:x}"


def expiry_of(der: bytes) -> datetime:
    """Return until when the DER certificate *der* holds."""
    return _from_der(der).not_valid_after_utc


def to_pem(der: bytes) -> bytes:
    """Return the DER certificate *der* as PEM."""
    return _from_der(der).public_bytes(serialization.Encoding.PEM)


def from_pem(pem: bytes) -> x509.Certificate:
    """Return the first certificate in *pem*; raise FormatError when there is none."""
    try:
        return x509.load_pem_x509_certificate(pem)
    except _UNREADABLE as error:
        raise FormatError(f"not a certificate: {error}") from None


def _from_der(der: bytes) -> x509.Certificate:
    try:
        return x509.load_der_x509_certificate(der)
    except _UNREADABLE as error:
        raise FormatError(f"not a certificate: {error}") from None


def _client(
    public: ec.EllipticCurvePublicKey, unit: str, issuer: Issuer, now: datetime, life: timedelta
) -> bytes:
    builder = _builder(_name(endpoint_id(public), unit), public, now, life)
    return _issue(_as_leaf(builder, ExtendedKeyUsageOID.CLIENT_AUTH), issuer)


def _builder(
    name: x509.Name, public: ec.EllipticCurvePublicKey, now: datetime, life: timedelta
) -> x509.CertificateBuilder:
    start = now.astimezone(UTC).replace(microsecond=0)
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(start - _EARLIER)
        .not_valid_after(start + life)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
    )


def _as_ca(builder: x509.CertificateBuilder, below: int) -> x509.CertificateBuilder:
    use = x509.KeyUsage(**{**_NO_USE, "key_cert_sign": True, "crl_sign": True})
    return builder.add_extension(
        x509.BasicConstraints(ca=True, path_length=below), critical=True
    ).add_extension(use, critical=True)


def _as_leaf(
    builder: x509.CertificateBuilder, *uses: x509.ObjectIdentifier
) -> x509.CertificateBuilder:
    use = x509.KeyUsage(**{**_NO_USE, "digital_signature": True})
    return (
        builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(use, critical=True)
        .add_extension(x509.ExtendedKeyUsage(uses), critical=False)
    )


def _issue(builder: x509.CertificateBuilder, issuer: Issuer) -> bytes:
    above = x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer.key.public_key())
    return (
        builder.issuer_name(issuer.certificate.subject)
        .add_extension(above, critical=False)
        .sign(issuer.key, hashes.SHA256())
        .public_bytes(serialization.Encoding.DER)
    )


def _name(common: str, unit: str) -> x509.Name:
    return x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, unit),
            x509.NameAttribute(NameOID.COMMON_NAME, common[:64]),  # X.520's upper bound
        ]
    )


def _general_name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)
