"""What an endpoint tells: plays, refusals, events, heartbeats; and the chain that binds them.

Records are numbered from 0 within an epoch (one run of the agent). Each is hashed onto the one
before; the first of an epoch is a :class:`Boot` that names the end of the epoch before it, so a gap
or an edit anywhere shows.
"""

from __future__ import annotations

import enum
import hashlib
from dataclasses import dataclass
from typing import Final

from loa_protocol import cbor
from loa_protocol.errors import MessageError
from loa_protocol.objects.authority import Level
from loa_protocol.objects.playlist import BearerKind, BulletinKind, Mark
from loa_protocol.objects.policy import HOST
from loa_protocol.schema import Bytes, Choice, Int, ListOf, Nested, Text, Wire, wire
from loa_protocol.scope import SCOPE

CHAIN_START: Final = bytes(32)
MILLIS = Int(0, 2**50)
PLAY = Bytes(16, 16)
WORD = Text(64)


class ClockTrust(enum.IntEnum):
    """How far the endpoint's clock can be trusted (trust.md section 4)."""

    T0 = 0
    T1 = 1
    T2 = 2
    T3 = 3


class Evidence(enum.IntEnum):
    """What shows that a play was heard; *silent* means sound was written and none came out."""

    SILENT = 0
    UNVERIFIED = 1
    OUTPUT = 2
    CONTENT = 3


class Outcome(enum.IntEnum):
    """How a play ended."""

    COMPLETE = 1
    STOPPED = 2
    INTERRUPTED = 3  # power or process was lost; written at the next boot
    BROKEN = 4  # no bearer could carry it to its end
    PREEMPTED = 5


class State(enum.IntEnum):
    """The state of a cluster (HLT-1); the first that holds: lost > fault > playing > connected."""

    CONNECTED = 1
    PLAYING = 2
    FAULT = 3
    LOST = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Boot(Wire):
    """The agent started; names the end of the epoch before."""

    previous_epoch: int = wire(1, Int(0, 2**31))
    previous_next: int = wire(2, Int())
    previous_chain: bytes = wire(3, Bytes(32, 32))
    version: str = wire(4, WORD)


@dataclass(frozen=True, slots=True, kw_only=True)
class PlayStarted(Wire):
    """An item is about to sound."""

    play: bytes = wire(1, PLAY)
    item: str = wire(2, WORD)
    session: str = wire(3, WORD)
    playlist: bytes = wire(4, Bytes(32, 32))
    scope: str = wire(5, SCOPE)
    planned_ms: int = wire(6, MILLIS)
    duration_ms: int = wire(7, MILLIS)
    kind: BulletinKind = wire(8, Choice(BulletinKind))
    level: Level = wire(9, Choice(Level))
    language: str = wire(10, Text(35))
    category: str = wire(11, Text(40))
    mark: Mark = wire(12, Choice(Mark))
    bulletin: bytes | None = wire(13, Bytes(32, 32), optional=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment(Wire):
    """A part of a play that one bearer carried."""

    bearer: BearerKind = wire(1, Choice(BearerKind))
    start_ms: int = wire(2, MILLIS)  # unix
    end_ms: int = wire(3, MILLIS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded(Wire):
    """A file of the black box that covers some of a play."""

    start_ms: int = wire(1, MILLIS)  # unix, of its first sample
    duration_ms: int = wire(2, MILLIS)
    sha256: bytes = wire(3, Bytes(32, 32))


@dataclass(frozen=True, slots=True, kw_only=True)
class PlayEnded(Wire):
    """What became of a play, as measured on the samples written and on the line."""

    play: bytes = wire(1, PLAY)
    outcome: Outcome = wire(2, Choice(Outcome))
    started_ms: int = wire(3, MILLIS)
    ended_ms: int = wire(4, MILLIS)
    segments: tuple[Segment, ...] = wire(5, ListOf(Nested(Segment, row=True), 64))
    silent_ms: int = wire(6, MILLIS)
    longest_gap_ms: int = wire(7, MILLIS)  # below -60 dBFS, declared silence apart
    evidence: Evidence = wire(8, Choice(Evidence))
    evidence_ms: int = wire(9, MILLIS)  # how much of it a sensor confirmed
    xruns: int = wire(10, Int(0, 2**31))
    offset_ms: int = wire(11, Int(-(2**31), 2**31))  # first sample after (+) the planned instant
    volume: int = wire(12, Int(0, 15))  # the level it really had, after caps
    uncertainty_ms: int = wire(13, MILLIS)
    loudness_clufs: int | None = wire(14, Int(-20_000, 2000), optional=True)
    true_peak_cdb: int | None = wire(15, Int(-20_000, 2000), optional=True)
    recorded: tuple[Recorded, ...] | None = wire(
        16, ListOf(Nested(Recorded, row=True), 64), optional=True
    )
    drift_ms: int | None = wire(17, Int(-(2**31), 2**31), optional=True)  # worst; + is late
    unsigned_host: str | None = wire(18, HOST, optional=True)  # its stream sounded, unsigned


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused(Wire):
    """Something asked to sound or to rule, and was refused for one named reason."""

    what: str = wire(1, WORD)
    reason: str = wire(2, WORD)
    detail: str = wire(3, Text(300, low=0))
    digest: bytes | None = wire(4, Bytes(32, 32), optional=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Happening(Wire):
    """A named event: a switch of bearers, a fault, a clock jump."""

    name: str = wire(1, WORD)
    detail: str = wire(2, Text(300, low=0))


@dataclass(frozen=True, slots=True, kw_only=True)
class Heartbeat(Wire):
    """How the endpoint is."""

    state: State = wire(1, Choice(State))
    uptime_s: int = wire(2, Int())
    free_bytes: int = wire(3, Int())
    faults: tuple[str, ...] = wire(4, ListOf(WORD, 32))
    item: str | None = wire(5, WORD, optional=True)
    bearer: BearerKind | None = wire(6, Choice(BearerKind), optional=True)
    evidence: Evidence | None = wire(7, Choice(Evidence), optional=True)
    playlist: bytes | None = wire(8, Bytes(32, 32), optional=True)


class OrderState(enum.IntEnum):
    """How far an endpoint has come with an order."""

    TAKEN = 1  # accepted and on the disk: nobody needs to send it again
    BEGUN = 2
    ENDED = 3
    REFUSED = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderTaken(Wire):
    """An endpoint's answer to an alert, grant or command: it acknowledges acceptance."""

    id: bytes = wire(1, Bytes(16, 16))
    kind: int = wire(2, Int(1, 255))  # of envelope.Kind
    digest: bytes = wire(3, Bytes(32, 32))
    state: OrderState = wire(4, Choice(OrderState))
    detail: str = wire(5, Text(300, low=0))


Body = Boot | PlayStarted | PlayEnded | Refused | Happening | Heartbeat | OrderTaken
BODIES: Final[dict[int, type[Body]]] = {
    1: Boot,
    2: PlayStarted,
    3: PlayEnded,
    4: Refused,
    5: Happening,
    6: Heartbeat,
    7: OrderTaken,
}
_NUMBERS: Final = {kind: number for number, kind in BODIES.items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One record: what, when by the endpoint's clock, and how far that clock was trusted."""

    at_ms: int
    trust: ClockTrust
    body: Body

    def to_bytes(self) -> bytes:
        """Return the record's one encoding: ``{1: kind, 2: unix ms, 3: trust, 4: body}``."""
        kind = _NUMBERS[type(self.body)]
        return cbor.encode(
            {1: kind, 2: self.at_ms, 3: int(self.trust), 4: dict(self.body.to_value())}
        )

    @classmethod
    def from_bytes(cls, data: bytes) -> Record:
        """Parse one record.

        Raises:
            FormatError: *data* is not CBOR of the profile, or no record.
        """
        value = cbor.decode(data)
        if not isinstance(value, dict) or value.keys() != {1, 2, 3, 4}:
            raise MessageError("a record is a map of kind, time, trust and body")
        kind = BODIES.get(Int(0, 255).from_value(value[1]))
        if kind is None:
            raise MessageError(f"record kind {value[1]!r:.40} is not known")
        trust = ClockTrust(Choice(ClockTrust).from_value(value[3]))
        at_ms = MILLIS.from_value(value[2])
        return cls(at_ms=at_ms, trust=trust, body=kind.from_value(value[4]))


def chain(previous: bytes, record: bytes) -> bytes:
    """Return the chain hash after *record*: SHA-256 over the hash before it and its bytes."""
    return hashlib.sha256(previous + record).digest()
