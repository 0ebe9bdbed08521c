"""What an item sounded like: the measurement that goes into a play record.

Fed with what was written to the sink, not with what was decoded.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from loa_endpoint.audio.messages import BeginItem, Event, Fault, ItemMeasured, ItemSoFar
from loa_sound.blocks import CHUNK, RATE, Samples
from loa_sound.meters import Chunker, GapMeter, LoudnessMeter

MAX_ITEMS: Final = 4
"""Measured together."""
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
        opening_ms: int = 0,
    ) -> None:
        """Begin to measure *item*; *xruns* is the player's count so far."""
        self._item = item
        self._chunks = Chunker(BATCH)
        self._loudness = LoudnessMeter()
        self._gaps = GapMeter(expected_silence, lead_ms=opening_ms)
        self._started_ns = started_ns
        self._xruns = xruns
        self._off: float | None = None

    def feed(self, block: Samples) -> None:
        """Take the next samples that were written."""
        for chunk in self._chunks.feed(block):
            self._take(chunk)

    def note_off(self, off: float) -> None:
        """Know that it is *off* samples late, or early below 0."""
        if self._off is None or abs(off) > abs(self._off):
            self._off = off

    @property
    def off_ms(self) -> int | None:
        """The worst offset from its instant; None where it has none."""
        return None if self._off is None else round(self._off * 1000 / RATE)

    def read(self, *, now_ns: int, xruns: int) -> ItemSoFar:
        """Return what was measured so far, the last half second perhaps apart, and measure on."""
        now = self._loudness.read()
        return ItemSoFar(
            item=self._item,
            lufs=now.so_far.integrated_lufs,
            momentary_lufs=now.momentary,
            short_term_lufs=now.short_term,
            true_peak_dbtp=now.so_far.true_peak_dbtp,
            silent_ms=self._gaps.silent_ms,
            longest_gap_ms=self._gaps.longest_ms,
            xruns=xruns - self._xruns,
            started_ns=self._started_ns,
            ended_ns=now_ns,
            off_ms=self.off_ms,
        )

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
            off_ms=self.off_ms,
        )

    def _take(self, chunk: Samples) -> None:
        self._loudness.feed(chunk)
        self._gaps.feed(chunk)


@dataclass(slots=True)
class _Item:
    """An item that is measured from sample *begin* up to *end*, once that is known."""

    meter: ItemMeter
    begin: int
    silences: tuple[tuple[int, int], ...]
    is_declared: bool
    end: int | None = None

    def is_under_way(self, now: int) -> bool:
        """Tell whether sample *now* is part of it."""
        return self.begin <= now and (self.end is None or now < self.end)

    def expects_sound(self, now: int) -> bool:
        """Tell whether something should be heard at sample *now*."""
        ms = (now - self.begin) * 1000 // RATE
        return self.is_under_way(now) and not any(start <= ms < end for start, end in self.silences)

    def silence_left(self, now: int) -> int:
        """Return how many samples of a declared silence are left at sample *now*."""
        ms = (now - self.begin) * 1000 // RATE
        ends = [end for start, end in self.silences if start <= ms < end]
        return max(0, max(ends, default=0) * RATE // 1000 - (now - self.begin)) if ends else 0


class ItemMeters:
    """The items that are measured now, by name. What is fed is what was written."""

    def __init__(self, emit: Callable[[Event], None], instant_of: Callable[[int], int]) -> None:
        """Tell results to *emit*; *instant_of* a sample is when it sounds, in ns."""
        self._emit, self._instant_of = emit, instant_of
        self._items: dict[str, _Item] = {}

    @property
    def is_ending(self) -> bool:
        """Whether the end of an item is known, and has not come."""
        return any(item.end is not None for item in self._items.values())

    def begin(self, command: BeginItem, sample: int, xruns: int) -> None:
        """Measure an item from *sample* on."""
        name = command.item
        if name in self._items or len(self._items) >= MAX_ITEMS:
            detail = f"{name}: measured already, or too many at once"
            self._emit(Fault(name="item", detail=detail))
            return
        silences, started_ns = command.expected_silence, self._instant_of(sample)
        # Made now: it takes a millisecond, which the instant itself may not have.
        meter = ItemMeter(
            name, silences, started_ns=started_ns, xruns=xruns, opening_ms=command.opening_ms
        )
        self._items[name] = _Item(meter, sample, silences, command.is_declared)

    def end(self, name: str, sample: int) -> None:
        """Measure an item up to *sample*."""
        item = self._items.get(name)
        if item is None:
            self._emit(Fault(name="item", detail=f"{name}: not measured"))
        elif item.end is None:
            item.end = sample

    def feed(self, block: Samples, start: int, xruns: int) -> None:
        """Take the samples from *start* on; tell of an item whose last they hold."""
        stop = start + len(block)
        for name, item in list(self._items.items()):
            end = stop if item.end is None else min(item.end, stop)
            if (begin := max(item.begin, start)) < end:
                item.meter.feed(block[begin - start : end - start])
            if item.end is not None and item.end <= stop:
                del self._items[name]
                self._emit(item.meter.finish(ended_ns=self._instant_of(item.end), xruns=xruns))

    def tell(self, now: int, now_ns: int, xruns: int) -> None:
        """Tell what was measured so far of the items that are under way at sample *now*."""
        for item in self._items.values():
            if item.is_under_way(now):
                self._emit(item.meter.read(now_ns=now_ns, xruns=xruns))

    def expects_sound(self, now: int) -> bool:
        """Tell whether something should be heard at sample *now*."""
        return any(item.expects_sound(now) for item in self._items.values())

    def silence_left(self, now: int) -> int:
        """Return for how many samples from *now* on every item is silent by what it declares."""
        left = [item.silence_left(now) for item in self._items.values() if item.is_under_way(now)]
        return min(left, default=0)

    def note_off(self, now: int, off: float | None) -> None:
        """Know that at sample *now* what sounds is *off* samples late, or early below 0."""
        for item in self._items.values():
            if off is not None and item.is_under_way(now):
                item.meter.note_off(off)

    def is_declared(self, now: int) -> bool:
        """Tell whether sample *now* belongs to a signal of which no monitor complains."""
        return any(i.is_declared and i.is_under_way(now) for i in self._items.values())
