"""Public keys, key ids, and the small interface behind which a private key signs.

Only mathematics: where a private key lives (file, token, secure element) is the caller's business.
"""

from __future__ import annotations

import enum
import functools
import hashlib
from dataclasses import dataclass
from typing import Protocol

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.asymmetric.utils import (
    decode_dss_signature,
    encode_dss_signature,
)

from loa_protocol.errors import FormatError

KID_BYTES = 16
SIGNATURE_BYTES = 64
_ECDSA = ec.ECDSA(hashes.SHA256())


class Algorithm(enum.IntEnum):
    """Signature algorithms by their COSE numbers (IANA COSE registry)."""

    ES256 = -7
    EDDSA = -8


@dataclass(frozen=True, slots=True)
class PublicKey:
    """A public key as it stands in certificates: raw Ed25519, or a compressed P-256 point."""

    algorithm: Algorithm
    raw: bytes

    @property
    def kid(self) -> bytes:
        """The first 16 bytes of the SHA-256 of the raw key."""
        return self.fingerprint[:KID_BYTES]

    @property
    def fingerprint(self) -> bytes:
        """The SHA-256 of the raw key."""
        return hashlib.sha256(self.raw).digest()

    def is_signature(self, signature: bytes, message: bytes) -> bool:
        """Tell whether *signature* (64 bytes, r and s for ES256) is this key's over *message*."""
        key = _load(self.algorithm, self.raw)
        try:
            if isinstance(key, ed25519.Ed25519PublicKey):
                key.verify(signature, message)
            else:
                r, s = int.from_bytes(signature[:32]), int.from_bytes(signature[32:])
                key.verify(encode_dss_signature(r, s), message, _ECDSA)
        except InvalidSignature:
            return False
        return True

    def check(self) -> None:
        """Raise FormatError when the raw bytes are no key of the algorithm."""
        _load(self.algorithm, self.raw)

    @classmethod
    def of(cls, key: ed25519.Ed25519PublicKey | ec.EllipticCurvePublicKey) -> PublicKey:
        """Return *key* in the form of certificates."""
        if isinstance(key, ed25519.Ed25519PublicKey):
            return cls(Algorithm.EDDSA, key.public_bytes_raw())
        point = key.public_bytes(
            serialization.Encoding.X962, serialization.PublicFormat.CompressedPoint
        )
        return cls(Algorithm.ES256, point)


class Signer(Protocol):
    """Something that holds a private key: a file's content, a token, a secure element."""

    @property
    def public(self) -> PublicKey:
        """The key that verifies what this signer signs."""

    def sign(self, message: bytes) -> bytes:
        """Return 64 bytes of signature over *message*."""


@dataclass(frozen=True, slots=True, repr=False)
class SoftSigner:
    """A signer whose private key is in memory."""

    key: ed25519.Ed25519PrivateKey | ec.EllipticCurvePrivateKey

    @property
    def public(self) -> PublicKey:
        """The public half."""
        return PublicKey.of(self.key.public_key())

    def sign(self, message: bytes) -> bytes:
        """Sign *message*."""
        if isinstance(self.key, ed25519.Ed25519PrivateKey):
            return self.key.sign(message)
        r, s = decode_dss_signature(self.key.sign(message, _ECDSA))
        return r.to_bytes(32) + s.to_bytes(32)

    def __repr__(self) -> str:
        return f"SoftSigner({self.public.kid.hex()})"  # the private half never reaches a log


@functools.lru_cache(maxsize=256)
def _load(algorithm: Algorithm, raw: bytes) -> ed25519.Ed25519PublicKey | ec.EllipticCurvePublicKey:
    try:
        if algorithm is Algorithm.EDDSA:
            return ed25519.Ed25519PublicKey.from_public_bytes(raw)
        if len(raw) != 33:
            raise FormatError("a P-256 key is a compressed point of 33 bytes")
        return ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), raw)
    except ValueError as error:
        raise FormatError(f"not a public key: {error}") from None
