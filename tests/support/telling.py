"""A board that tells: real records, chained and signed in batches by a real device key."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from cryptography.hazmat.primitives.asymmetric import ec
from sqlalchemy import Connection

from loa_manager import devices
from loa_manager.ingest import LABEL
from loa_protocol.envelope import seal
from loa_protocol.keys import SoftSigner
from loa_protocol.objects.authority import Level
from loa_protocol.objects.online import Batch
from loa_protocol.objects.playlist import BearerKind, BulletinKind, Mark
from loa_protocol.record import (
    CHAIN_START,
    Body,
    Boot,
    ClockTrust,
    Evidence,
    Heartbeat,
    Outcome,
    PlayEnded,
    PlayStarted,
    Record,
    Segment,
    State,
    chain,
)

AT_MS = 1_796_000_000_000  # 2026-11-30 in the morning, local time


@dataclass
class Teller:
    """One endpoint's log, as its agent would write it."""

    signer: SoftSigner = field(
        default_factory=lambda: SoftSigner(ec.generate_private_key(ec.SECP256R1()))
    )
    epochs: dict[int, list[bytes]] = field(default_factory=dict)
    epoch: int = 0
    sent: int = 0

    @property
    def id(self) -> str:
        """The endpoint id, in hex."""
        return self.signer.public.kid.hex()

    def register(self, connection: Connection, cluster: str, *, at_ms: int = 0) -> None:
        """Record the board at the bench."""
        devices.register(
            connection, self.signer.public, cluster=cluster, village="Thôn 1", at_ms=at_ms
        )

    def boot(self, at_ms: int = AT_MS) -> None:
        """Begin the next epoch."""
        before = self.epochs.get(self.epoch, [])
        body = Boot(
            previous_epoch=self.epoch,
            previous_next=len(before),
            previous_chain=chain_of(before),
            version="0.1.0",
        )
        self.epoch += 1
        self.epochs[self.epoch] = []
        self.tell(body, at_ms)

    def tell(self, body: Body, at_ms: int = AT_MS) -> None:
        """Write one record."""
        record = Record(at_ms=at_ms, trust=ClockTrust.T3, body=body)
        self.epochs[self.epoch].append(record.to_bytes())

    def beat(self, at_ms: int = AT_MS, **facts: object) -> None:
        """Write one heartbeat."""
        self.tell(heartbeat(**facts), at_ms)

    def play(self, number: int, at_ms: int = AT_MS, **facts: object) -> None:
        """Write the start and the end of one play of 60 s."""
        self.tell(started(number, at_ms, **_of(PlayStarted, facts)), at_ms)
        self.tell(ended(number, at_ms, **_of(PlayEnded, facts)), at_ms + 60_000)

    def batch(self, first: int, count: int, *, epoch: int | None = None) -> bytes:
        """Return *count* records from *first* on, sealed."""
        records = self.epochs[self.epoch if epoch is None else epoch]
        self.sent += 1
        body = Batch(
            endpoint=self.signer.public.kid,
            epoch=self.epoch if epoch is None else epoch,
            number=self.sent,
            first=first,
            previous=chain_of(records[:first]),
            records=tuple(records[first : first + count]),
        )
        return sealed(body, self.signer)

    def everything(self, size: int = 60) -> list[bytes]:
        """Return all records of all epochs in batches of *size*."""
        return [
            self.batch(first, size, epoch=epoch)
            for epoch, records in self.epochs.items()
            for first in range(0, len(records), size)
        ]


def sealed(body: Batch, signer: SoftSigner) -> bytes:
    """Return *body* as *signer* sends it."""
    return seal(body.to_bytes(), LABEL, signer, detached=False)


def chain_of(records: Iterable[bytes]) -> bytes:
    """Return the chain hash after *records*."""
    state = CHAIN_START
    for record in records:
        state = chain(state, record)
    return state


def heartbeat(**facts: object) -> Heartbeat:
    """Return a heartbeat of a connected endpoint without faults."""
    base: dict[str, object] = {
        "state": State.CONNECTED,
        "uptime_s": 3600,
        "free_bytes": 10**9,
        "faults": (),
    }
    return Heartbeat(**{**base, **facts})  # type: ignore[arg-type]  # test convenience


def play_id(number: int) -> bytes:
    """Return the id of play *number*."""
    return number.to_bytes(16)


def started(number: int, at_ms: int, **facts: object) -> PlayStarted:
    """Return the start of an item of the commune in Vietnamese."""
    base: dict[str, object] = {
        "play": play_id(number),
        "item": f"i{number}",
        "session": "s1",
        "playlist": bytes([9]) * 32,
        "scope": "vn/ls/st0137",
        "planned_ms": at_ms,
        "duration_ms": 60_000,
        "kind": BulletinKind.NORMAL,
        "level": Level.COMMUNE,
        "language": "vi",
        "category": "thông báo",
        "mark": Mark.NONE,
    }
    return PlayStarted(**{**base, **facts})  # type: ignore[arg-type]  # test convenience


def ended(number: int, at_ms: int, **facts: object) -> PlayEnded:
    """Return the end of a play of 60 s that the line board confirmed."""
    base: dict[str, object] = {
        "play": play_id(number),
        "outcome": Outcome.COMPLETE,
        "started_ms": at_ms,
        "ended_ms": at_ms + 60_000,
        "segments": (Segment(bearer=BearerKind.MEDIA, start_ms=at_ms, end_ms=at_ms + 60_000),),
        "silent_ms": 0,
        "longest_gap_ms": 0,
        "evidence": Evidence.OUTPUT,
        "evidence_ms": 60_000,
        "xruns": 0,
        "offset_ms": 3,
        "volume": 10,
        "uncertainty_ms": 5,
    }
    return PlayEnded(**{**base, **facts})  # type: ignore[arg-type]  # test convenience


def _of(kind: type[PlayStarted | PlayEnded], facts: dict[str, object]) -> dict[str, object]:
    return {name: value for name, value in facts.items() if name in kind.__dataclass_fields__}
