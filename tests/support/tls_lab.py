"""A throw-away X.509 laboratory: CAs and certificates with any dates, names and mistakes.

For tests of TLS only. The manager's own CA is ``loa_manager.x509``; this one can also make what an
honest CA never would: a certificate that ran out, one not yet valid, one by a stranger.
"""

from __future__ import annotations

import ipaddress
import ssl
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

LOCALHOST = ("127.0.0.1", "localhost")


def make_key() -> ec.EllipticCurvePrivateKey:
    """Return a fresh P-256 key."""
    return ec.generate_private_key(ec.SECP256R1())


def key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    """Return *key* as unencrypted PKCS#8 PEM."""
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def _now() -> datetime:
    return datetime.now(UTC).replace(microsecond=0)


@dataclass(frozen=True)
class Life:
    """Validity of a certificate, in days from now."""

    begins: float = -1
    ends: float = 400  # past the day on which the tests' province lives

    @property
    def not_before(self) -> datetime:
        """First instant."""
        return _now() + timedelta(days=self.begins)

    @property
    def not_after(self) -> datetime:
        """Last instant."""
        return _now() + timedelta(days=self.ends)


@dataclass(frozen=True)
class Issued:
    """A certificate with its key and the certificates above it, below the root."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey
    above: tuple[x509.Certificate, ...] = ()

    @property
    def pem(self) -> bytes:
        """The certificate and those above it, leaf first."""
        return b"".join(
            each.public_bytes(serialization.Encoding.PEM)
            for each in (self.certificate, *self.above)
        )

    @property
    def der(self) -> bytes:
        """The certificate alone."""
        return self.certificate.public_bytes(serialization.Encoding.DER)

    def write(self, folder: Path, name: str) -> tuple[Path, Path]:
        """Write ``<name>.pem`` and ``<name>.key`` and return their paths."""
        certificate, key = folder / f"{name}.pem", folder / f"{name}.key"
        certificate.write_bytes(self.pem)
        key.write_bytes(key_pem(self.key))
        key.chmod(0o600)
        return certificate, key


@dataclass
class Authority:
    """A CA, root or below another."""

    name: str = "laboratory CA"
    life: Life = field(default_factory=lambda: Life(-1, 3650))
    parent: Authority | None = None
    key: ec.EllipticCurvePrivateKey = field(default_factory=make_key)
    certificate: x509.Certificate = field(init=False)

    def __post_init__(self) -> None:
        issuer = self if self.parent is None else self.parent
        builder = _builder(self.name, issuer.name, self.key.public_key(), self.life)
        builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), True)
        self.certificate = builder.sign(issuer.key, hashes.SHA256())

    @property
    def der(self) -> bytes:
        """The CA's certificate."""
        return self.certificate.public_bytes(serialization.Encoding.DER)

    @property
    def pem(self) -> bytes:
        """The CA's certificate as PEM."""
        return self.certificate.public_bytes(serialization.Encoding.PEM)

    def server(self, *hosts: str, life: Life | None = None) -> Issued:
        """Issue a server certificate for *hosts* (loopback when none is given)."""
        names = [_general_name(host) for host in hosts or LOCALHOST]
        extensions: list[x509.ExtensionType] = [
            x509.SubjectAlternativeName(names),
            x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]),
        ]
        return self._issue("server", make_key(), life or Life(), extensions)

    def client(
        self,
        name: str,
        *,
        key: ec.EllipticCurvePrivateKey | None = None,
        life: Life | None = None,
    ) -> Issued:
        """Issue a client certificate with common name *name*."""
        usage = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH])
        return self._issue(name, key or make_key(), life or Life(), [usage])

    def sign_request(self, request: x509.CertificateSigningRequest, *, life: Life) -> Issued:
        """Issue a client certificate for the key of *request*; the key itself is not known here."""
        common = request.subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value
        public = request.public_key()
        assert isinstance(public, ec.EllipticCurvePublicKey)
        builder = _builder(str(common), self.name, public, life)
        return Issued(builder.sign(self.key, hashes.SHA256()), self.key, self._above())

    def _issue(
        self,
        name: str,
        key: ec.EllipticCurvePrivateKey,
        life: Life,
        extensions: list[x509.ExtensionType],
    ) -> Issued:
        builder = _builder(name, self.name, key.public_key(), life)
        for extension in extensions:
            builder = builder.add_extension(extension, critical=False)
        return Issued(builder.sign(self.key, hashes.SHA256()), key, self._above())

    def _above(self) -> tuple[x509.Certificate, ...]:
        return () if self.parent is None else (self.certificate, *self.parent._above())


def server_context(
    folder: Path, issued: Issued, *, clients: Authority | None = None, required: bool = True
) -> ssl.SSLContext:
    """Return a TLS 1.3 server context; *clients* is the CA whose client certificates it takes."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.load_cert_chain(*issued.write(folder, "server"))
    if clients is not None:
        context.verify_mode = ssl.CERT_REQUIRED if required else ssl.CERT_OPTIONAL
        context.load_verify_locations(cadata=clients.der)
    return context


def _builder(
    subject: str, issuer: str, public: ec.EllipticCurvePublicKey, life: Life
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(_name(subject))
        .issuer_name(_name(issuer))
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(life.not_before)
        .not_valid_after(life.not_after)
    )


def _name(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])


def _general_name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)
