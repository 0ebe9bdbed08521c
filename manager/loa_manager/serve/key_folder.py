"""The key folder of the server, opened: the only one that ``loa serve`` reads."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from cryptography import x509 as pyca
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519

from loa_manager import x509
from loa_manager.home import Home, read_bytes
from loa_manager.key_terms import chain_term, tls_term
from loa_manager.key_warnings import judge_terms
from loa_manager.keyring import Identity, Secrets, load_key, parse_chain, read_chain
from loa_manager.serve.admission import Authorities
from loa_manager.serve.message_plane import ServerTls
from loa_manager.serve.nats_token import KeyType, NatsKey
from loa_manager.server_keys import BROKER, ENROLMENT_CA, TLS
from loa_protocol.envelope import Kind, sign_bundle
from loa_protocol.errors import ConfigError, StoreError
from loa_protocol.keys import Signer, SoftSigner
from loa_protocol.language import translator
from loa_protocol.schema import Wire

_ = translator("loa_manager")


class OnlineSigner:
    """A key of the server with its certificate chain, which may be renewed while we run."""

    def __init__(self, name: str, signer: Signer, chain_file: Path) -> None:
        self.name = name
        self._signer, self._file = signer, chain_file
        self._read_at, self._chain = -1, tuple[bytes, ...]()

    @property
    def chain(self) -> tuple[bytes, ...]:
        """The certificates to the root, as they stand on disk now.

        Raises:
            StoreError: the file cannot be read.
            FormatError: it is damaged.
        """
        try:
            changed = self._file.stat().st_mtime_ns
        except OSError as error:
            raise StoreError(str(self._file), error.strerror or str(error)) from None
        if changed != self._read_at:
            self._chain = parse_chain(read_bytes(self._file))
            self._read_at = changed
        return self._chain

    @property
    def identity(self) -> Identity:
        """The key with its present chain; raises as :attr:`chain`."""
        return Identity(self.name, self._signer, self.chain)

    @property
    def expires(self) -> int:
        """When the first certificate of the chain ends, unix seconds."""
        return min(each.expires for each in read_chain(self.chain))

    def sign(self, kind: Kind, body: Wire) -> bytes:
        """Return the bundle of *body* with the chain; raises as :attr:`chain`."""
        return sign_bundle(kind, body.to_bytes(), [self._signer], certificates=self.chain)


@dataclass(frozen=True, slots=True, repr=False)
class ServerKeys:
    """Everything in the folder."""

    head: OnlineSigner
    time: OnlineSigner
    ingest: OnlineSigner
    tls: ServerTls
    enrolment: x509.Issuer
    broker: NatsKey

    @classmethod
    def open(cls, home: Home, passphrase: Secrets) -> ServerKeys:
        """Open ``keys/server`` of *home*.

        Raises:
            StoreError: a file is missing or cannot be read.
            ConfigError: the passphrase does not open a key.
            FormatError: a certificate is damaged.
        """
        folder = home.server_keys
        head, time, ingest = (
            OnlineSigner(
                name, SoftSigner(load_key(folder / name, passphrase)), folder / f"{name}.cert"
            )
            for name in ("head", "time", "ingest")
        )
        enrolment = x509.Issuer(
            _certificate(folder, ENROLMENT_CA), _p256(folder, ENROLMENT_CA, passphrase)
        )
        device_ca = x509.from_pem(read_bytes(home.device_ca_path))
        own = _certificate(folder, TLS).public_bytes(serialization.Encoding.DER)
        return cls(
            head=head,
            time=time,
            ingest=ingest,
            tls=ServerTls(
                _plain_pem(_p256(folder, TLS, passphrase)),
                Authorities(device_ca, (enrolment.certificate,), own),
            ),
            enrolment=enrolment,
            broker=_broker_key(folder, passphrase),
        )

    def running_out(self, now: datetime) -> dict[str, int]:
        """Return the days left to each certificate that ends soon (see ``key_warnings``).

        Those that were renewed on disk and wait for a new start are told of too.
        """
        chains = [(each.name, each.chain) for each in (self.head, self.time, self.ingest)]
        own = pyca.load_der_x509_certificate(self.tls.authorities.server)
        terms = [chain_term("server", name, chain) for name, chain in chains]
        terms += [
            tls_term("server", TLS, own),
            tls_term("server", ENROLMENT_CA, self.enrolment.certificate),
        ]
        return {each.term.name: each.days_left for each in judge_terms(now, terms)}


def _certificate(folder: Path, name: str) -> pyca.Certificate:
    return x509.from_pem(read_bytes(folder / f"{name}.pem"))


def _p256(folder: Path, name: str, passphrase: Secrets) -> ec.EllipticCurvePrivateKey:
    key = load_key(folder / name, passphrase)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise ConfigError(str(folder / f"{name}.key"), [_("not a P-256 key")])
    return key


def _broker_key(folder: Path, passphrase: Secrets) -> NatsKey:
    key = load_key(folder / BROKER, passphrase)
    if not isinstance(key, ed25519.Ed25519PrivateKey):
        raise ConfigError(str(folder / f"{BROKER}.key"), [_("not an Ed25519 key")])
    return NatsKey(KeyType.ACCOUNT, key)


def _plain_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
