"""What an endpoint and the server say to each other about files of the black box (transport.md 5).

An offer names what the endpoint still has of the time that a recall asks for; the answer names what
the server lacks of it, and from which byte on. Neither is signed: each file is judged by its hash,
which stands in the signed record of a play or in none.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from loa_protocol.record import MILLIS
from loa_protocol.schema import Bytes, Int, ListOf, Nested, Wire, wire

MOST_FILES: Final = 256  # of one recall: four hours, pauses in them apart
MOST_BYTES: Final = 4 << 20  # of one file: the longest is of 16 minutes, 1.5 MB
MOST_PIECE: Final = 32 * 1024  # 8 s at 32 kbit/s
MOST_OFFER: Final = 24 * 1024  # bytes of an offer or its answer
HASH: Final = Bytes(32, 32)


@dataclass(frozen=True, slots=True, kw_only=True)
class Offered(Wire):
    """A file that the endpoint has."""

    start_ms: int = wire(1, MILLIS)  # unix, of its first sample, by the endpoint's clock of then
    duration_ms: int = wire(2, MILLIS)
    sha256: bytes = wire(3, HASH)
    size: int = wire(4, Int(1, MOST_BYTES))


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer(Wire):
    """All of one recall, oldest first; none where nothing is kept of that time."""

    files: tuple[Offered, ...] = wire(1, ListOf(Nested(Offered, row=True), MOST_FILES))


@dataclass(frozen=True, slots=True, kw_only=True)
class Lacking(Wire):
    """A file that the server has only up to byte *offset*."""

    sha256: bytes = wire(1, HASH)
    offset: int = wire(2, Int(0, MOST_BYTES))


@dataclass(frozen=True, slots=True, kw_only=True)
class Lack(Wire):
    """What the server lacks; nothing where it has all."""

    files: tuple[Lacking, ...] = wire(1, ListOf(Nested(Lacking, row=True), MOST_FILES))
