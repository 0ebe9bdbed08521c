"""The one envelope: COSE_Sign1 (RFC 9052) in one strict profile, and bundles of it.

A *seal* is a COSE_Sign1 whose bytes leave no choice: tag 18, protected header exactly {alg, kid},
empty unprotected map, payload present or detached, 64 bytes of signature. The object's type and
version go in as external data, so that no signature is valid for another type.

A *bundle* is a payload with its detached seals (one a signer) and the certificates that lead from
the signers to the root: what travels over any carrier and can be judged alone.
"""

from __future__ import annotations

import enum
import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

from loa_protocol import cbor
from loa_protocol.errors import FormatError, VersionError
from loa_protocol.keys import KID_BYTES, SIGNATURE_BYTES, Algorithm, PublicKey, Signer
from loa_protocol.schema import Bytes, Int, ListOf, Wire, wire

MAX_SEALS = 8
MAX_CERTIFICATES = 16
_ALGORITHM_BYTES = {0x26: Algorithm.ES256, 0x27: Algorithm.EDDSA}  # -7 and -8 in CBOR
_PROTECTED_BYTES = 21  # A2 01 alg 04 50 kid
_PROTECTED_FRAME = b"\xa2\x01\x04\x50"  # of them, what is not alg or kid


class Kind(enum.IntEnum):
    """Types of objects. Numbers are for ever."""

    ROOT = 1
    CERTIFICATE = 2
    POLICY = 3
    PLAYLIST = 4
    ASSIGNMENT = 5
    SETTINGS = 6
    DENY_LIST = 7
    STANDING_PROGRAMME = 8
    BULLETIN = 9
    ALERT = 10
    GRANT = 11
    LIVE_CHUNK = 12
    COMMAND = 13
    STANDING_ORDERS = 14  # the one without seals: a head names its hash
    HEAD = 15
    TIME_ANSWER = 16
    BATCH = 17
    RECEIPT = 18
    TRANSFER = 19

    def label(self, version: int = 1) -> str:
        """Return the external data that binds a signature to this type, such as loa/playlist/1."""
        return f"loa/{self.name.lower().replace('_', '-')}/{version}"


@dataclass(frozen=True, slots=True)
class Seal:
    """One parsed COSE_Sign1; *payload* is None when it is detached."""

    algorithm: Algorithm
    kid: bytes
    payload: bytes | None
    signature: bytes

    def is_by(self, key: PublicKey, payload: bytes, label: str) -> bool:
        """Tell whether *key* signed *payload* as an object of type *label*."""
        if key.algorithm is not self.algorithm or key.kid != self.kid:
            return False
        return key.is_signature(self.signature, _to_be_signed(key, payload, label))


def seal(payload: bytes, label: str, signer: Signer, *, detached: bool = True) -> bytes:
    """Return the COSE_Sign1 of *signer* over *payload* as an object of type *label*."""
    key = signer.public
    signature = signer.sign(_to_be_signed(key, payload, label))
    body = b"\xf6" if detached else cbor.encode(payload)
    protected = cbor.encode(_protected(key.algorithm, key.kid))
    return b"\xd2\x84" + protected + b"\xa0" + body + cbor.encode(signature)


def open_seal(data: bytes) -> Seal:
    """Parse one COSE_Sign1 without judging it.

    Raises:
        FormatError: *data* differs in any byte from the profile.
    """
    if len(data) > cbor.MAX_BYTES:
        raise FormatError(f"{len(data)} bytes are more than the {cbor.MAX_BYTES} allowed")
    if data[:3] != b"\xd2\x84\x55":
        raise FormatError(
            "not a COSE_Sign1 of the profile (tag 18, four members, protected header)"
        )
    protected = data[3 : 3 + _PROTECTED_BYTES]
    algorithm = _ALGORITHM_BYTES.get(protected[2]) if len(protected) == _PROTECTED_BYTES else None
    if algorithm is None or protected[:2] + protected[3:5] != _PROTECTED_FRAME:
        raise FormatError("the protected header is not exactly {alg, kid}")
    at = 3 + _PROTECTED_BYTES
    if data[at : at + 1] != b"\xa0":
        raise FormatError("the unprotected header is not empty")
    payload, at = _payload(data, at + 1)
    if data[at : at + 2] != b"\x58\x40" or len(data) != at + 2 + SIGNATURE_BYTES:
        raise FormatError("the signature is not 64 bytes at the end")
    return Seal(algorithm, protected[-KID_BYTES:], payload, data[at + 2 :])


@dataclass(frozen=True, slots=True, kw_only=True)
class Bundle(Wire):
    """A payload, its seals and the certificates behind them."""

    kind: int = wire(1, Int(1, 255))
    version: int = wire(2, Int(1, 255))
    payload: bytes = wire(3, Bytes(1, cbor.MAX_BYTES))
    seals: tuple[bytes, ...] = wire(4, ListOf(Bytes(1, 128), MAX_SEALS))
    certificates: tuple[bytes, ...] = wire(5, ListOf(Bytes(1, 8192), MAX_CERTIFICATES))

    @property
    def digest(self) -> bytes:
        """The SHA-256 of the payload: what heads, deny lists and records name."""
        return hashlib.sha256(self.payload).digest()

    @property
    def label(self) -> str:
        """The external data its seals were made with.

        Raises:
            VersionError: the kind has no name here.
        """
        if self.kind not in set(Kind):
            raise VersionError(f"object kind {self.kind} is not known here")
        return Kind(self.kind).label(self.version)


def sign_bundle(
    kind: Kind, payload: bytes, signers: Iterable[Signer], *, certificates: Iterable[bytes] = ()
) -> bytes:
    """Return the bytes of a bundle of version 1, sealed by each of *signers*."""
    label = kind.label()
    return Bundle(
        kind=kind,
        version=1,
        payload=payload,
        seals=tuple(seal(payload, label, signer) for signer in signers),
        certificates=tuple(dict.fromkeys(certificates)),
    ).to_bytes()


def add_signature(data: bytes, signer: Signer, *, certificates: Iterable[bytes] = ()) -> bytes:
    """Return the bundle *data* with one more seal; the payload is not touched.

    Raises:
        FormatError: *data* is no bundle.
    """
    bundle = Bundle.from_bytes(data)
    return Bundle(
        kind=bundle.kind,
        version=bundle.version,
        payload=bundle.payload,
        seals=(*bundle.seals, seal(bundle.payload, bundle.label, signer)),
        certificates=tuple(dict.fromkeys((*bundle.certificates, *certificates))),
    ).to_bytes()


def _protected(algorithm: Algorithm, kid: bytes) -> bytes:
    return cbor.encode({1: int(algorithm), 4: kid})


def _to_be_signed(key: PublicKey, payload: bytes, label: str) -> bytes:
    # Sig_structure of RFC 9052 section 4.4
    protected = _protected(key.algorithm, key.kid)
    return cbor.encode(["Signature1", protected, label.encode(), payload])


def _payload(data: bytes, at: int) -> tuple[bytes | None, int]:
    if data[at : at + 1] == b"\xf6":
        return None, at + 1
    major, length, start = cbor.head(data, at)
    if major != 2 or start + length > len(data):
        raise FormatError("the payload is neither bytes nor detached")
    return data[start : start + length], start + length
