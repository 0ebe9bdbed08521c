"""What technician's tool and board say to each other at the bench.

Each question has one answer, or ``Refused``. Every question may be asked again at any time, so that
a pulled cable costs nothing: the tool asks for the status and goes on from there. Nothing secret
travels here: the device key is made on the board and stays there.

A message is ``[number, fields]`` in deterministic CBOR; docs/protocol/bench.md has worked bytes.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import Final

from loa_protocol import cbor
from loa_protocol.envelope import open_seal, seal
from loa_protocol.errors import FormatError, MessageError, VersionError
from loa_protocol.keys import Algorithm, PublicKey, Signer
from loa_protocol.schema import Bytes, Choice, Int, Text, Wire, wire

VERSION: Final = 1
PROOF_LABEL: Final = "loa/bench-proof/1"
_DIGEST: Final = Bytes(32, 32)
_BUNDLE: Final = Bytes(1, 32 * 1024)  # two of them fit into one message
_CERTIFICATE: Final = Bytes(1, 4096)


class Stage(enum.IntEnum):
    """How far a board has come."""

    BLANK = 1  # no trust root: silent, and serves only this line
    PARTIAL = 2  # some of it is there; the agent stays silent
    READY = 3


class Fault(enum.StrEnum):
    """Why a board says no, beyond the refusals of the acceptance rule. Closed."""

    FORMAT = "format"  # the question or what it brings is not of its form
    VERSION = "version"
    ROOT_PRESENT = "root_present"  # another root is in force: transfer or recovery first
    NO_KEY = "no_key"
    NO_ROOT = "no_root"
    NO_SETTINGS = "no_settings"  # which name the authorities that are believed
    AUTHORITY = "authority"  # the CA is not named by the signed settings
    CERTIFICATE = "certificate"  # not for this board's key, or not by that CA
    INCOMPLETE = "incomplete"
    STORE = "store"  # the board's disk did not keep it


@dataclass(frozen=True, slots=True, kw_only=True)
class Hello(Wire):
    """The tool begins; answered by :class:`Status`."""

    version: int = wire(1, Int(1, 255))


@dataclass(frozen=True, slots=True, kw_only=True)
class AskStatus(Wire):
    """How far are you? Answered by :class:`Status`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MakeKey(Wire):
    """Make your key, if you have none; answered by :class:`Request`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InstallRoot(Wire):
    """Trust this root; a board with another root wants the transfer too. Answered by Done."""

    root: bytes = wire(1, _BUNDLE)
    transfer: bytes | None = wire(2, _BUNDLE, optional=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class InstallAssignment(Wire):
    """You hang here; answered by :class:`Done`."""

    bundle: bytes = wire(1, _BUNDLE)


@dataclass(frozen=True, slots=True, kw_only=True)
class InstallSettings(Wire):
    """You are set up so; answered by :class:`Done`."""

    bundle: bytes = wire(1, _BUNDLE)


@dataclass(frozen=True, slots=True, kw_only=True)
class InstallCertificate(Wire):
    """Your bench identity and the CA it is by (X.509, DER); answered by :class:`Done`."""

    certificate: bytes = wire(1, _CERTIFICATE)
    authority: bytes = wire(2, _CERTIFICATE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Prove(Wire):
    """Sign this with your key; answered by :class:`Proof`."""

    nonce: bytes = wire(1, Bytes(16, 32))


@dataclass(frozen=True, slots=True, kw_only=True)
class Finish(Wire):
    """Are you complete? Answered by :class:`Done`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Status(Wire):
    """What a board holds. Digests are of payloads; the serial is the bench certificate's, hex."""

    version: int = wire(1, Int(1, 255))
    software: str = wire(2, Text(64))
    stage: Stage = wire(3, Choice(Stage))
    key: bytes | None = wire(4, Bytes(33, 33), optional=True)  # compressed P-256 point
    root: bytes | None = wire(5, _DIGEST, optional=True)
    scope: str | None = wire(6, Text(271), optional=True)  # of the assignment
    assignment: bytes | None = wire(7, _DIGEST, optional=True)
    settings: bytes | None = wire(8, _DIGEST, optional=True)
    serial: str | None = wire(9, Text(40), optional=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Request(Wire):
    """A PKCS#10 certificate request (DER) for the device key."""

    csr: bytes = wire(1, Bytes(1, 4096))


@dataclass(frozen=True, slots=True, kw_only=True)
class Done(Wire):
    """It is done and on the board's disk."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused(Wire):
    """The board says no: a :class:`Fault`, or a refusal of the acceptance rule, by its word."""

    reason: str = wire(1, Text(32))
    detail: str = wire(2, Text(300, low=0))


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof(Wire):
    """A seal of the device key over :class:`Held`."""

    seal: bytes = wire(1, Bytes(1, 512))


@dataclass(frozen=True, slots=True, kw_only=True)
class Held(Wire):
    """What a proof says: the nonce, and digests of what the board holds."""

    nonce: bytes = wire(1, Bytes(16, 32))
    root: bytes | None = wire(2, _DIGEST, optional=True)
    assignment: bytes | None = wire(3, _DIGEST, optional=True)
    settings: bytes | None = wire(4, _DIGEST, optional=True)


Question = (
    Hello
    | AskStatus
    | MakeKey
    | InstallRoot
    | InstallAssignment
    | InstallSettings
    | InstallCertificate
    | Prove
    | Finish
)
Answer = Status | Request | Done | Refused | Proof
Message = Question | Answer

NUMBERS: Final[dict[int, type[Message]]] = {
    1: Hello,
    2: AskStatus,
    3: MakeKey,
    4: InstallRoot,
    5: InstallAssignment,
    6: InstallSettings,
    7: InstallCertificate,
    8: Prove,
    9: Finish,
    33: Status,
    34: Request,
    35: Done,
    36: Refused,
    37: Proof,
}
_NUMBER_OF: Final = {kind: number for number, kind in NUMBERS.items()}
_FIRST_ANSWER: Final = 32


def encode(message: Message) -> bytes:
    """Return the bytes of *message*."""
    return cbor.encode([_NUMBER_OF[type(message)], message.to_value()])


def parse_question(data: bytes) -> Question:
    """Return the question that *data* holds.

    Raises:
        VersionError: a number not known here.
        FormatError: anything else than one question.
    """
    message = _parse(data)
    if _NUMBER_OF[type(message)] > _FIRST_ANSWER:
        raise MessageError(f"{type(message).__name__} is no question")
    return message  # type: ignore[return-value]  # the numbers above 32 are the answers


def parse_answer(data: bytes) -> Answer:
    """Return the answer that *data* holds; raises as :func:`parse_question`."""
    message = _parse(data)
    if _NUMBER_OF[type(message)] < _FIRST_ANSWER:
        raise MessageError(f"{type(message).__name__} is no answer")
    return message  # type: ignore[return-value]  # the numbers below 32 are the questions


def prove(held: Held, signer: Signer) -> Proof:
    """Return the device's proof of its key and of what it holds."""
    return Proof(seal=seal(held.to_bytes(), PROOF_LABEL, signer, detached=False))


def check_proof(proof: Proof, key: PublicKey, nonce: bytes) -> Held:
    """Return what the board with *key* proved over *nonce*.

    Raises:
        FormatError: the proof is not of the form, not by *key*, or over another nonce.
    """
    opened = open_seal(proof.seal)
    if opened.payload is None or not opened.is_by(key, opened.payload, PROOF_LABEL):
        raise FormatError("the proof is not by the key of the board")
    held = Held.from_bytes(opened.payload)
    if held.nonce != nonce:
        raise FormatError("the proof is over another nonce")
    return held


def endpoint_id(key: bytes) -> str:
    """Return the 32 hex characters by which the board with the compressed key *key* is known."""
    return PublicKey(Algorithm.ES256, key).kid.hex()


def short_fingerprint(digest: bytes) -> str:
    """Return 64 bits of a root's digest as people compare them: four groups of four hex digits."""
    text = digest[:8].hex()
    return " ".join(text[at : at + 4] for at in range(0, len(text), 4))


def _parse(data: bytes) -> Message:
    value = cbor.decode(data)
    if not isinstance(value, list) or len(value) != 2 or type(value[0]) is not int:
        raise MessageError("expected [number, fields]")
    kind = NUMBERS.get(value[0])
    if kind is None:
        raise VersionError(f"message {value[0]} is not known here")
    return kind.from_value(value[1])
