"""The black box: what this pole has said, kept for two weeks as it was written to the sink.

This is the loop's side of it, which only copies: what encodes and writes is a thread
(`black_box_writer`), and nothing waits for it. What is quieter than -60 dBFS is not kept. The
microphone is never here: only what went to the loudspeaker is.
"""

from __future__ import annotations

import time
from pathlib import Path
from queue import SimpleQueue
from typing import Final

import numpy as np

from loa_endpoint.audio.black_box_writer import Close, Piece, Writer
from loa_endpoint.audio.messages import Clock, Event, ItemMeasured
from loa_endpoint.audio.sink import Sink
from loa_endpoint.core.black_box import BoxLimits
from loa_sound.blocks import RATE, Samples

QUIET: Final = 1e-3
"""-60 dBFS, where `GapMeter` too draws the line."""
PAUSE: Final = 10 * RATE
"""Silence after which a file ends."""
AHEAD: Final = 40
"""Seconds that wait for a thread which a slow card holds up (7.7 MB); what does not fit is lost."""
PATIENCE_NS: Final = 1_500_000_000
"""An item waits so long for its last file; the agent gives up after 2 s."""
JUMP_MS: Final = 500
"""A clock that is set by more begins a new file."""
CLOSE_S: Final = 0.7
VIRTUAL_CLOSE_S: Final = 30.0
_SECOND: Final = 1_000_000_000


class BlackBox:
    """Takes every block after it was written; belongs to the player's loop."""

    def __init__(
        self, folder: Path, sink: Sink, *, limits: BoxLimits | None = None, is_virtual: bool = False
    ) -> None:
        """Keep files in *folder*; nothing is kept before the agent has told the time.

        Args:
            folder: Of this black box alone.
            sink: Knows when a sample sounds.
            limits: Of what is kept.
            is_virtual: Nothing is lost to a slow thread, which is waited for in the end.
        """
        self._sink, self._is_virtual = sink, is_virtual
        self._told: SimpleQueue[Event] = SimpleQueue()
        self._writer = Writer(folder, limits or BoxLimits(), self._told.put)
        self._offset_ms: int | None = None  # unix less monotonic
        self._buffer: Samples = np.zeros(RATE, dtype=np.float32)
        self._begin, self._filled = 0, 0
        self._sounded: int | None = None  # the sample after the last sound since a pause
        self._ending: list[tuple[int, ItemMeasured]] = []
        self._waiting: dict[str, tuple[int, ItemMeasured]] = {}  # deadlines
        self._writer.thread.start()

    def set_clock(self, clock: Clock) -> None:
        """Know what time it is."""
        offset_ms = clock.unix_ms - clock.at_ns // 1_000_000
        if self._offset_ms is not None and abs(offset_ms - self._offset_ms) > JUMP_MS:
            self._flush()
            self._writer.jobs.put(Close())
        self._offset_ms = offset_ms

    def end_item(self, event: ItemMeasured) -> None:
        """Take an item that is measured; it is told again when its last file is closed."""
        self._ending.append((self._sample_at(event.ended_ns), event))
        self._ending.sort(key=lambda each: each[0])
        self._waiting[event.item] = (time.monotonic_ns() + PATIENCE_NS, event)

    def feed(self, sample: int, block: Samples) -> None:
        """Take *block*, whose first sample is number *sample* of the timeline."""
        end = sample + len(block)
        is_quiet = max(block.max(), -block.min()) < QUIET
        at = sample
        while self._ending and self._ending[0][0] <= end:
            last, event = self._ending.pop(0)
            cut = max(last, at)
            self._add(at, block[at - sample : cut - sample], is_quiet=is_quiet)
            at = cut
            self._flush()
            begin = self._sample_at(event.started_ns)
            self._writer.jobs.put(Close(event, begin, last))
        self._add(at, block[at - sample :], is_quiet=is_quiet)
        if self._sounded is not None and end - self._sounded >= PAUSE:
            self._sounded = None
            self._flush()
            self._writer.jobs.put(Close())

    def take_events(self) -> list[Event]:
        """Return the items whose files are closed, those that waited too long, and faults."""
        events: list[Event] = []
        while not self._told.empty():
            event = self._told.get()
            if isinstance(event, ItemMeasured) and self._waiting.pop(event.item, None) is None:
                continue  # it was told without them
            events.append(event)
        if self._waiting and not self._is_virtual:
            events += self._give_up(time.monotonic_ns())
        return events

    def close(self) -> list[Event]:
        """End the file that is open, and return what is still to be told."""
        self._flush()
        self._writer.jobs.put(None)
        self._writer.thread.join(VIRTUAL_CLOSE_S if self._is_virtual else CLOSE_S)
        return [*self.take_events(), *(event for _, event in self._waiting.values())]

    def _give_up(self, now_ns: int) -> list[Event]:
        is_dead = not self._writer.thread.is_alive()
        late = [name for name, (due, _) in self._waiting.items() if is_dead or now_ns >= due]
        return [self._waiting.pop(name)[1] for name in late]

    def _add(self, at: int, samples: Samples, *, is_quiet: bool) -> None:
        """Put *samples* into the buffer; what is quiet is left out, and is silence."""
        if is_quiet or not len(samples) or self._offset_ms is None:
            return
        if self._filled and at != self._begin + self._filled:
            self._flush()
        while len(samples):
            if not self._filled:
                self._begin = at
            count = min(len(samples), RATE - self._filled)
            self._buffer[self._filled : self._filled + count] = samples[:count]
            self._filled += count
            at, samples = at + count, samples[count:]
            if self._filled == RATE:
                self._flush()
        self._sounded = at

    def _flush(self) -> None:
        """Hand the buffer over; the thread has it for good."""
        if not self._filled or self._offset_ms is None:
            return
        count, self._filled = self._filled, 0
        if not self._is_virtual and self._writer.jobs.qsize() >= AHEAD:
            return
        ns = self._sink.epoch_ns + self._begin * _SECOND // RATE
        at_ms = ns // 1_000_000 + self._offset_ms
        self._writer.jobs.put(Piece(self._begin, at_ms, self._buffer[:count]))
        self._buffer = np.zeros(RATE, dtype=np.float32)

    def _sample_at(self, instant_ns: int) -> int:
        return ((instant_ns - self._sink.epoch_ns) * RATE + _SECOND // 2) // _SECOND
