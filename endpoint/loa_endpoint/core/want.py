"""What may be fetched from a content tree, and how much of it is taken in.

The server is not trusted: each kind of file has a size beyond which it cannot be what it should be,
and a time after which a server that drips bytes is given up.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import Final

from loa_protocol import cbor

STALL_S: Final = 15.0  # without a byte
SLOWEST_BYTES_PER_S: Final = 4000  # 32 kbit/s: slower than this, a minute of speech takes a minute
_SETUP_S: Final = 30.0  # connecting over a bad mobile link, and the first answer
_PROOF_BYTES: Final = 8192  # 64 hashes, a leaf


class Step(enum.StrEnum):
    """Kinds of files, in the order in which they are wanted."""

    HEAD = "head"
    ROOT = "root"
    DENY_LIST = "deny_list"
    POLICY = "policy"
    STANDING_ORDERS = "standing_orders"
    ORDER = "order"
    PROOF = "proof"
    PLAYLIST = "playlist"
    SIGNER = "signer"  # the certificate of somebody who may give orders
    SETTINGS = "settings"
    STANDING = "standing"  # the programme that plays where no playlist is valid
    ASSIGNMENT = "assignment"
    MEDIA = "media"


@dataclass(frozen=True, slots=True)
class Limit:
    """The most that is taken of one answer."""

    bytes: int
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Want:
    """One file to fetch; *digest* is empty for files that are not named by their content."""

    step: Step
    path: str
    limit: Limit
    scope: str = ""
    digest: bytes = b""


def limit_for(size: int) -> Limit:
    """Return the limit of a file of *size* bytes at most."""
    return Limit(size, _SETUP_S + size / SLOWEST_BYTES_PER_S)


BUNDLE: Final = limit_for(cbor.MAX_BYTES)
PROOF: Final = limit_for(_PROOF_BYTES)
SMALL: Final = limit_for(65_536)  # certificates, time answers


def head() -> Want:
    """Want the newest head."""
    return Want(step=Step.HEAD, path="head", limit=BUNDLE)


def object_named(step: Step, digest: bytes, scope: str = "") -> Want:
    """Want the object of that digest."""
    path = f"objects/{digest.hex()}"
    return Want(step=step, path=path, limit=BUNDLE, scope=scope, digest=digest)


def root(version: int) -> Want:
    """Want the root of that version: each is judged by the one before it."""
    return Want(step=Step.ROOT, path=f"root/{version}", limit=BUNDLE)


def proof(scope: str) -> Want:
    """Want the proof of *scope*'s newest playlist."""
    return Want(step=Step.PROOF, path=f"proof/{scope}/_", limit=PROOF, scope=scope)


def order(digest: bytes, scope: str) -> Want:
    """Want an order that stands."""
    return object_named(Step.ORDER, digest, scope)


def signer(digest: bytes, scope: str) -> Want:
    """Want the certificate of somebody who may give orders in *scope*."""
    path = f"objects/{digest.hex()}"
    return Want(step=Step.SIGNER, path=path, limit=SMALL, scope=scope, digest=digest)


def state(step: Step, scope: str) -> Want:
    """Want the settings, the assignment or the standing programme of *scope*."""
    return Want(step=step, path=f"state/{scope}/{step.value}", limit=BUNDLE, scope=scope)


def media(digest: bytes, size: int) -> Want:
    """Want a media file whose hash and size were signed."""
    path = f"media/{digest.hex()}"
    return Want(step=Step.MEDIA, path=path, limit=limit_for(size), digest=digest)
