"""Gives each 20 ms of sound its place on the common clock, and gathers them into chunks. Pure.

A source keeps its own time: a sound card runs some tens of millionths fast or slow, a network
brings nothing for a while and then much. The places of packets follow one another without a gap as
long as that holds; where source and clock have drifted apart by a packet, one is left out or a
place stays empty, and where a source stood still its sound goes on later.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from loa_sound.blocks import BLOCK, RATE, Samples

PACKET_MS: Final = BLOCK * 1000 // RATE
MOST_PACKETS: Final = 50  # in a chunk: a second
STOOD_STILL_MS: Final = 300
"""Further behind the clock a source did not jitter, it stood still."""
WINDOW_MS: Final = 5_000
"""Over so long the least delay is looked for: jitter only ever delays."""
Encode = Callable[[Samples], list[bytes]]


@dataclass(frozen=True, slots=True)
class Piece:
    """Packets that belong together, and when the first of them is to sound everywhere."""

    at_ms: int  # unix
    packets: tuple[bytes, ...]

    @property
    def end_ms(self) -> int:
        """When the last of it is over."""
        return self.at_ms + len(self.packets) * PACKET_MS


def chunk_packets(delay_ms: int) -> int:
    """Return how many packets a chunk may have: one half of the delay gathers, the other carries.

    More than a second is not gathered: what is lost is lost by the chunk.
    """
    return max(1, min(MOST_PACKETS, delay_ms // 2 // PACKET_MS))


class Timeline:
    """The places of one voice."""

    def __init__(self, encode: Encode, *, delay_ms: int) -> None:
        """Begin with no sound.

        Args:
            encode: Blocks of 20 ms into packets, one for one.
            delay_ms: From the microphone to the horn.
        """
        self._encode, self._delay_ms = encode, delay_ms
        self._most = chunk_packets(delay_ms)
        self._packets: list[bytes] = []
        self._at_ms = 0  # where the first of them belongs
        self._next_ms: int | None = None  # where the next packet belongs
        self._least_ms, self._since_ms = 0, 0
        self.left_out = 0  # packets, to keep up with the clock
        self.jumps = 0  # times that the source stood still

    def feed(self, block: Samples, now_ms: int) -> list[Piece]:
        """Take 20 ms whose last sample came at *now_ms*, unix; return the chunks it completes."""
        place = now_ms - PACKET_MS + self._delay_ms
        pieces: list[Piece] = []
        if self._next_ms is None or place - self._next_ms > STOOD_STILL_MS:
            self.jumps += self._next_ms is not None
            pieces = self.flush()
            self._next_ms = place
            self._begin_window(now_ms)
        behind_ms = place - self._next_ms
        self._least_ms = min(self._least_ms, behind_ms)
        drift_ms = 0
        if now_ms - self._since_ms >= WINDOW_MS:
            drift_ms = self._least_ms
            self._begin_window(now_ms)
        if min(drift_ms, behind_ms + STOOD_STILL_MS) <= -PACKET_MS:
            self.left_out += 1  # the source is faster than the clock
            return pieces
        if drift_ms >= PACKET_MS:
            pieces += self.flush()
            self._next_ms += PACKET_MS
        return pieces + self._gather(block)

    def _gather(self, block: Samples) -> list[Piece]:
        assert self._next_ms is not None
        pieces: list[Piece] = []
        for packet in self._encode(block):
            if not self._packets:
                self._at_ms = self._next_ms
            self._packets.append(packet)
            self._next_ms += PACKET_MS
            if len(self._packets) >= self._most:
                pieces += self.flush()
        return pieces

    def _begin_window(self, now_ms: int) -> None:
        self._least_ms, self._since_ms = STOOD_STILL_MS, now_ms

    def flush(self) -> list[Piece]:
        """Return what has been gathered so far."""
        if not self._packets:
            return []
        piece = Piece(self._at_ms, tuple(self._packets))
        self._packets = []
        return [piece]

    def rest(self) -> list[Piece]:
        """Return what was gathered, and begin anew with the next block: the source was away."""
        pieces, self._next_ms = self.flush(), None
        return pieces
