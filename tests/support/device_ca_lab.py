"""A throw-away device CA with server, boards and a stranger: real X.509, real TLS contexts."""

from __future__ import annotations

import ssl
import tempfile
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509 as crypto_x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from loa_manager import x509
from loa_manager.serve.admission import Authorities, Enrolled
from loa_protocol.keys import PublicKey

HOSTS = ("localhost", "127.0.0.1")
PEM = serialization.Encoding.PEM


def new_key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    plain = serialization.NoEncryption()
    return key.private_bytes(PEM, serialization.PrivateFormat.PKCS8, plain)


def make_csr(key: ec.EllipticCurvePrivateKey) -> bytes:
    name = crypto_x509.Name([])
    request = crypto_x509.CertificateSigningRequestBuilder().subject_name(name)
    return request.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.DER)


@dataclass
class Client:
    """A key and a certificate to show."""

    key: ec.EllipticCurvePrivateKey
    certificate: bytes  # DER

    @property
    def public(self) -> PublicKey:
        return PublicKey.of(self.key.public_key())

    @property
    def id(self) -> str:
        return self.public.kid.hex()


@dataclass
class X509Lab:
    """The authorities of one test, and what they hand out."""

    now: datetime = field(default_factory=lambda: datetime.now(UTC))
    ca: x509.Issuer = field(init=False)
    enrolment: x509.Issuer = field(init=False)
    server: Client = field(init=False)

    def __post_init__(self) -> None:
        # authorities are old enough for certificates dated back
        began = self.now - timedelta(days=100)
        key, enrolment_key, server_key = new_key(), new_key(), new_key()
        self.ca = x509.Issuer(x509.make_device_ca(key, "vn/ls", began), key)
        der = x509.make_enrolment_ca(enrolment_key.public_key(), self.ca, began)
        self.enrolment = x509.Issuer(crypto_x509.load_der_x509_certificate(der), enrolment_key)
        self.server = Client(
            server_key,
            x509.make_server_certificate(server_key.public_key(), HOSTS, self.ca, self.now),
        )

    @property
    def authorities(self) -> Authorities:
        return Authorities(
            self.ca.certificate, (self.enrolment.certificate,), self.server.certificate
        )

    @property
    def ca_pem(self) -> bytes:
        return self.ca.certificate.public_bytes(PEM)

    @property
    def enrolment_pem(self) -> bytes:
        return self.enrolment.certificate.public_bytes(PEM)

    def board(self, *, age_days: float = 0) -> Client:
        """Return a board with a 30-day certificate that is *age_days* old."""
        key, at = new_key(), self.now - timedelta(days=age_days)
        return Client(key, x509.make_ldevid(make_csr(key), self.enrolment, at))

    def bench(self, key: ec.EllipticCurvePrivateKey) -> Client:
        """Return the lasting bench identity of the board with *key*."""
        return Client(key, x509.make_bench_certificate(make_csr(key), self.ca, self.now))


def client_context(lab: X509Lab, client: Client | None, chain: bytes = b"") -> ssl.SSLContext:
    """Return the TLS context of a board that trusts *lab*'s CA and shows *client*'s certificate."""
    context = ssl.create_default_context(cadata=lab.ca_pem.decode())
    if client is not None:
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "client.pem"
            file.write_bytes(key_pem(client.key) + x509.to_pem(client.certificate) + chain)
            context.load_cert_chain(file)
    return context


@dataclass
class FixedRoster:
    """A registry in memory."""

    boards: dict[str, Enrolled] = field(default_factory=dict)

    def add(self, client: Client, scope: str = "vn/ls/st0137/c04") -> None:
        self.boards[client.id] = Enrolled(client.id, client.public, scope, False)

    def revoke(self, client: Client) -> None:
        old = self.boards[client.id]
        self.boards[client.id] = Enrolled(old.endpoint, old.key, old.scope, True)

    def find(self, endpoint: str) -> Enrolled | None:
        return self.boards.get(endpoint)

    def revoked(self) -> frozenset[str]:
        return frozenset(each.endpoint for each in self.boards.values() if each.is_revoked)
