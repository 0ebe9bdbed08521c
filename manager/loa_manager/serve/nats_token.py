"""Keys and tokens of NATS: Ed25519 keys in its base32 writing, and the JWTs they seal.

Only what the authorisation call-out needs. The writing of keys is that of NATS's key library: a
type byte, the 32 raw bytes, a CRC-16 (XMODEM) in little-endian order, in base32. The tokens are
JSON Web Tokens whose ``alg`` is ``ed25519-nkey``: the issuer is a key in that writing.
"""

from __future__ import annotations

import base64
import binascii
import enum
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from loa_protocol.errors import MessageError
from loa_protocol.trust import Refusal, TrustError

MAX_TOKEN_BYTES: Final = 65_536  # a request carries a client's certificate chain: about 4 KiB
_HEADER: Final = {"typ": "JWT", "alg": "ed25519-nkey"}
_SEED: Final = 18 << 3  # 'S'


class KeyType(enum.IntEnum):
    """What a NATS key is for; the number gives the first letter of its writing."""

    ACCOUNT = 0 << 3
    SERVER = 13 << 3
    USER = 20 << 3


@dataclass(frozen=True, slots=True, repr=False)
class NatsKey:
    """A private key of one type, in memory only."""

    type: KeyType
    private: Ed25519PrivateKey

    @classmethod
    def generate(cls, kind: KeyType) -> NatsKey:
        """Make a fresh key."""
        return cls(kind, Ed25519PrivateKey.generate())

    @property
    def public(self) -> str:
        """The public half, as the broker's configuration writes it."""
        return _write(bytes([self.type]) + self.private.public_key().public_bytes_raw())

    @property
    def seed(self) -> str:
        """The private half, as a NATS client library takes it; never to a log or a file."""
        # the seed's type and the key's share two bytes, five bits each
        head = bytes([_SEED | self.type >> 5, (self.type & 31) << 3])
        return _write(head + self.private.private_bytes_raw())

    def __repr__(self) -> str:
        return f"NatsKey({self.public})"  # the private half never reaches a log


def sign_token(claims: Mapping[str, Any], key: NatsKey) -> str:
    """Return the token of *claims*, with ``iss`` and ``jti`` filled in, signed by *key*."""
    complete = {**claims, "iss": key.public}
    digest = hashlib.sha256(msgspec.json.encode(complete, order="deterministic")).digest()
    complete["jti"] = base64.b32encode(digest).decode().rstrip("=")
    body = f"{_part(_HEADER)}.{_part(complete)}"
    return f"{body}.{_base64url(key.private.sign(body.encode()))}"


def open_token(token: bytes) -> tuple[str, bytes]:
    """Return who issued *token* and its claims as JSON, once the signature holds.

    Raises:
        MessageError: *token* is not three parts of base64, not this algorithm, or too long.
        TrustError: the signature is not by the issuer that the claims name.
    """
    parts = token.split(b".")
    if len(token) > MAX_TOKEN_BYTES or len(parts) != 3:
        raise MessageError("not a token of three parts within its size")
    header, claims, signature = (_from_base64url(part) for part in parts)
    if _decode(header, _Header).alg != _HEADER["alg"]:
        raise MessageError("a token of another algorithm")
    issuer = _decode(claims, _Issued).iss
    try:
        parse_public(issuer).verify(signature, parts[0] + b"." + parts[1])
    except InvalidSignature:
        raise TrustError(Refusal.SIGNATURE, f"token by {issuer:.60}") from None
    return issuer, claims


def parse_public(text: str) -> Ed25519PublicKey:
    """Return the key that *text* writes.

    Raises:
        MessageError: wrong length, letters or checksum.
    """
    try:
        data = base64.b32decode(text + "=" * (-len(text) % 8))
    except (binascii.Error, ValueError):
        raise MessageError(f"not a NATS key: {text!r:.70}") from None
    if len(data) != 35 or binascii.crc_hqx(data[:-2], 0).to_bytes(2, "little") != data[-2:]:
        raise MessageError(f"not a NATS key: {text!r:.70}")
    return Ed25519PublicKey.from_public_bytes(data[1:33])


class _Header(msgspec.Struct):
    alg: str


class _Issued(msgspec.Struct):
    iss: str


def _decode(data: bytes, kind: type[Any]) -> Any:  # noqa: ANN401 - the caller names the type
    try:
        return msgspec.json.decode(data, type=kind)
    except (msgspec.DecodeError, msgspec.ValidationError, RecursionError) as error:
        raise MessageError(f"not a token: {error}") from None


def _write(data: bytes) -> str:
    checksum = binascii.crc_hqx(data, 0).to_bytes(2, "little")
    return base64.b32encode(data + checksum).decode().rstrip("=")


def _part(value: Mapping[str, Any]) -> str:
    return _base64url(msgspec.json.encode(value))


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def _from_base64url(text: bytes) -> bytes:
    try:
        return base64.b64decode(text + b"=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raise MessageError("a part of the token is not base64") from None
