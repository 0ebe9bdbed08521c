"""What every simulated device on a line looks like to the line."""

from __future__ import annotations

from typing import NamedTuple, Protocol


class Output(NamedTuple):
    """Bytes that leave a device, not before *when_ms* (unix milliseconds of simulated time)."""

    when_ms: float
    data: bytes


class Device(Protocol):
    """A device model: bytes and time go in, bytes with their times come out; no I/O, no clock."""

    def feed(self, data: bytes, now_ms: float) -> list[Output]:
        """Take what the host sent."""
        ...

    def advance(self, now_ms: float) -> list[Output]:
        """Do what was due up to *now_ms*."""
        ...

    def next_deadline(self) -> float | None:
        """Return when :meth:`advance` has something to do again; None: only after bytes."""
        ...
