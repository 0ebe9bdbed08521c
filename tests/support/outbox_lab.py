"""An outbox in a folder, with a clock and epochs that the test owns."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from loa_endpoint.core.batch import Verdict
from loa_endpoint.store.outbox import Outbox, Writer
from loa_protocol.record import ClockTrust
from support.ingest_model import IngestModel
from support.records import AT_MS

SMALL = 400_000  # bytes: a hundred pages
ENDPOINT = bytes(range(16))


@dataclass
class OutboxLab:
    """Opens and closes one outbox as runs of an agent would."""

    folder: Path
    capacity_bytes: int = SMALL
    epoch: int = 0
    now_ms: int = AT_MS
    trust: ClockTrust = ClockTrust.T1
    endpoint: bytes = ENDPOINT

    @property
    def path(self) -> Path:
        """The file."""
        return self.folder / "outbox.db"

    def next_epoch(self, at_least: int) -> int:
        """Stand in for the state database."""
        self.epoch = max(self.epoch + 1, at_least)
        return self.epoch

    def open(self, *, create: bool = True) -> Outbox:
        """Open the outbox without beginning an epoch."""
        writer = Writer(
            endpoint=self.endpoint,
            version="0.1.0",
            next_epoch=self.next_epoch,
            stamp=lambda: (self.now_ms, self.trust),
        )
        return Outbox.open(self.path, writer, create=create, capacity_bytes=self.capacity_bytes)

    def boot(self) -> Outbox:
        """Open the outbox and begin an epoch."""
        outbox = self.open()
        outbox.begin()
        return outbox


def drain(outbox: Outbox, server: IngestModel, *, rounds: int = 10_000) -> int:
    """Send everything over a perfect line; return the number of batches."""
    sent = 0
    while (batch := outbox.next_batch()) is not None:
        verdict = outbox.mark(server.receive(batch))
        assert verdict is not Verdict.STALE
        sent += 1
        assert sent < rounds, "it never ends"
    return sent
