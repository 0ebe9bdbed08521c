"""What an item sounded like: the measurement that goes into a play record.

Fed with what was written to the sink, not with what was decoded.
"""

from __future__ import annotations

from typing import Final

from loa_endpoint.audio.messages import ItemMeasured
from loa_sound.blocks import CHUNK, Samples
from loa_sound.meters import Chunker, GapMeter, LoudnessMeter

BATCH: Final = 5 * CHUNK
"""Samples measured at once. Code that runs twice a second costs half of what it does ten times a
second, because each time it has to come back into the processor's caches."""


class ItemMeter:
    """Loudness, true peak and silence of one item."""

    def __init__(
        self,
        item: str,
        expected_silence: tuple[tuple[int, int], ...],
        *,
        started_ns: int,
        xruns: int,
    ) -> None:
        """Begin to measure *item*; *xruns* is the player's count so far."""
        self._item = item
        self._chunks = Chunker(BATCH)
        self._loudness = LoudnessMeter()
        self._gaps = GapMeter(expected_silence)
        self._started_ns = started_ns
        self._xruns = xruns

    def feed(self, block: Samples) -> None:
        """Take the next samples that were written."""
        for chunk in self._chunks.feed(block):
            self._take(chunk)

    def finish(self, *, ended_ns: int, xruns: int) -> ItemMeasured:
        """Return the result; the meter is spent afterwards."""
        self._take(self._chunks.rest())
        self._gaps.finish()
        loudness = self._loudness.finish()
        return ItemMeasured(
            item=self._item,
            lufs=loudness.integrated_lufs,
            true_peak_dbtp=loudness.true_peak_dbtp,
            silent_ms=self._gaps.silent_ms,
            longest_gap_ms=self._gaps.longest_ms,
            xruns=xruns - self._xruns,
            started_ns=self._started_ns,
            ended_ns=ended_ns,
        )

    def _take(self, chunk: Samples) -> None:
        self._loudness.feed(chunk)
        self._gaps.feed(chunk)
