"""The file in which a private key lies: locked by a passphrase, memory-hard, nothing else in it.

Armoured text ``LOA PRIVATE KEY`` around deterministic CBOR ``{1: header, 2: sealed}``. The header
says how the passphrase becomes a key (scrypt, RFC 7914: log2 N, r, p, salt), which nonce was used,
and the public key, so that a key can be listed and counted without opening it. *sealed* is the
PKCS#8 DER under ChaCha20-Poly1305 (RFC 8439) with ``loa/private-key/1`` and the header's bytes as
associated data: a file whose header was touched does not open.

Pure but for fresh randomness; files are read by ``keyring``.
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from typing import Final

from cryptography.exceptions import InvalidTag, UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

from loa_manager.armour import armour, unarmour
from loa_protocol.errors import FormatError, MessageError
from loa_protocol.keys import Algorithm, PublicKey
from loa_protocol.schema import Bytes, Choice, Int, Nested, Wire, wire

PrivateKey = ed25519.Ed25519PrivateKey | ec.EllipticCurvePrivateKey

MAX_MEMORY: Final = 128 * 2**20  # bytes: a hostile file may not eat more while it is tried
_TITLE: Final = "LOA PRIVATE KEY"
_LABEL: Final = b"loa/private-key/1"
_KEY_BYTES: Final = 32


class LockedError(FormatError):
    """The passphrase does not open this key, or the file was changed: the two look alike."""


@dataclass(frozen=True, slots=True)
class Cost:
    """What one guess at the passphrase costs: 128 * r * 2**log_n bytes of memory, p times."""

    log_n: int = 15
    r: int = 8
    p: int = 1

    @property
    def memory(self) -> int:
        """Bytes that one guess needs."""
        return 128 * self.r << self.log_n


STRONG: Final = Cost()  # 32 MiB and about 0.1 s on a laptop


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyHeader(Wire):
    """Everything in the file that is no secret."""

    version: int = wire(1, Int(1, 1))
    log_n: int = wire(2, Int(4, 20))
    r: int = wire(3, Int(1, 32))
    p: int = wire(4, Int(1, 4))
    salt: bytes = wire(5, Bytes(16, 16))
    nonce: bytes = wire(6, Bytes(12, 12))
    algorithm: Algorithm = wire(7, Choice(Algorithm))
    raw: bytes = wire(8, Bytes(32, 33))

    @property
    def public(self) -> PublicKey:
        """The public half, as the file claims it."""
        return PublicKey(self.algorithm, self.raw)

    @property
    def cost(self) -> Cost:
        """What a guess costs."""
        return Cost(self.log_n, self.r, self.p)


@dataclass(frozen=True, slots=True, kw_only=True)
class LockedKey(Wire):
    """The whole file."""

    header: KeyHeader = wire(1, Nested(KeyHeader))
    sealed: bytes = wire(2, Bytes(1, 1024))


def lock_key(key: PrivateKey, secret: bytes, cost: Cost = STRONG) -> bytes:
    """Return the file that holds *key* under the passphrase *secret*."""
    public = PublicKey.of(key.public_key())
    header = KeyHeader(
        version=1,
        log_n=cost.log_n,
        r=cost.r,
        p=cost.p,
        salt=os.urandom(16),
        nonce=os.urandom(12),
        algorithm=public.algorithm,
        raw=public.raw,
    )
    der = key.private_bytes(
        serialization.Encoding.DER,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    sealed = _cipher(header, secret).encrypt(header.nonce, der, _LABEL + header.to_bytes())
    return armour(_TITLE, LockedKey(header=header, sealed=sealed).to_bytes())


def unlock_key(data: bytes, secret: bytes) -> PrivateKey:
    """Return the private key in the file *data*.

    Raises:
        LockedError: *secret* does not open it, or the file was changed.
        FormatError: *data* is no key file, or asks for more memory than is allowed.
    """
    locked = _parse(data)
    header = locked.header
    associated = _LABEL + header.to_bytes()
    try:
        der = _cipher(header, secret).decrypt(header.nonce, locked.sealed, associated)
    except InvalidTag:
        raise LockedError("the passphrase does not open this key, or it was changed") from None
    return _load(der, header.public)


def read_public(data: bytes) -> PublicKey:
    """Return the public key that the file *data* names; nothing proves it but opening the file.

    Raises:
        FormatError: *data* is no key file.
    """
    public = _parse(data).header.public
    public.check()
    return public


def _parse(data: bytes) -> LockedKey:
    locked = LockedKey.from_bytes(unarmour(_TITLE, data))
    memory = locked.header.cost.memory
    if memory > MAX_MEMORY:
        raise MessageError(f"the key file asks for {memory} bytes of memory, at most {MAX_MEMORY}")
    return locked


def _cipher(header: KeyHeader, secret: bytes) -> ChaCha20Poly1305:
    key = hashlib.scrypt(
        secret,
        salt=header.salt,
        n=1 << header.log_n,
        r=header.r,
        p=header.p,
        dklen=_KEY_BYTES,
        maxmem=2 * MAX_MEMORY,  # OpenSSL counts its own buffers too
    )
    return ChaCha20Poly1305(key)


def _load(der: bytes, public: PublicKey) -> PrivateKey:
    try:
        key = serialization.load_der_private_key(der, None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise FormatError(f"not a private key: {error}") from None
    is_ours = isinstance(key, ed25519.Ed25519PrivateKey) or (
        isinstance(key, ec.EllipticCurvePrivateKey) and isinstance(key.curve, ec.SECP256R1)
    )
    if not is_ours:
        raise FormatError("neither an Ed25519 nor a P-256 key")
    assert isinstance(key, (ed25519.Ed25519PrivateKey, ec.EllipticCurvePrivateKey))
    if PublicKey.of(key.public_key()) != public:
        raise FormatError("the file holds another key than it names")
    return key
