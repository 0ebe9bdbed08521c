"""A media file as a sound: decoded ahead by a thread of its own, read by the audio loop.

The two share a ring of samples and four numbers, each written by one side only; nobody holds a lock
while the other waits. A slow disk or a bad file thereby costs the audio loop nothing.
"""

from __future__ import annotations

from pathlib import Path
from queue import SimpleQueue
from threading import Event, Thread
from typing import Final, NamedTuple

import numpy as np

from loa_endpoint.audio.notice import Notice
from loa_sound.blocks import CHUNK, RATE, Samples
from loa_sound.decoder import Decoder, check_length
from loa_sound.errors import SoundError

CAPACITY: Final = 3 * RATE
"""Samples decoded ahead, 576 kB: an SD card may pause for a second while it tidies itself."""
REFILL: Final = CAPACITY // 2
"""The thread is woken when less than this is left: one wake-up in 1.5 s."""
LEAD: Final = RATE // 5
"""A start waits until this much is there."""
NEAR: Final = 2 * RATE
"""A start this far past what is decoded is reached by decoding on, not by seeking."""


class _Window(NamedTuple):
    """What the ring holds; replaced as a whole, so that a reader never sees half of a change."""

    seek: int
    """Number of the seek that it belongs to."""
    start: int
    end: int


class FileSound:
    """A `loa_endpoint.audio.voice.Sound` out of a file."""

    live = False

    def __init__(
        self, name: str, path: Path, notices: SimpleQueue[Notice], *, gain: float, position: int = 0
    ) -> None:
        """Begin to open and decode *path* from *position* on."""
        self.name, self.gain = name, gain
        self.finish: int | None = None
        self.failure = ""
        self._path = path
        self._notices = notices
        self._ring: Samples = np.zeros(CAPACITY, dtype=np.float32)
        self._window = _Window(0, position, position)  # written by the thread
        self._seek = 0  # written by the audio loop, as the next three
        self._sought = position
        self._taken = position
        self._waking = False
        self._orders: SimpleQueue[tuple[int, int] | None] = SimpleQueue()
        self._progress = Event()
        self._closed = False
        Thread(target=self._work, name=f"decode {name}", daemon=True).start()

    def is_ready(self, position: int, /) -> bool:
        """Tell whether 200 ms from *position* on, or all that is left, are decoded."""
        seek, start, end = self._window
        if seek != self._seek or position < start:
            return False
        wanted = position + LEAD if self.finish is None else min(position + LEAD, self.finish)
        return end >= wanted

    def aim(self, position: int, /) -> None:
        """Let the thread go to *position*, if it is not there or on its way already."""
        seek, start, end = self._window
        if seek != self._seek:
            start = end = self._sought
        if not start <= position <= end + NEAR:
            self._seek += 1
            self._sought = position
            self._orders.put((self._seek, position))
        elif position > end:
            self._orders.put(None)
        self._taken = position

    def read(self, position: int, out: Samples, /) -> int:
        """Copy what is decoded from *position* on into *out*; return how much that was."""
        seek, start, end = self._window
        if seek != self._seek or not start <= position < end:
            return 0
        count = min(len(out), end - position)
        at = position % CAPACITY
        first = min(count, CAPACITY - at)
        out[:first] = self._ring[at : at + first]
        if first < count:
            out[first:count] = self._ring[: count - first]
        self._taken = position + count
        if end - self._taken < REFILL and not self._waking and end != self.finish:
            self._waking = True
            self._orders.put(None)
        return count

    def wait(self, position: int) -> None:
        """Wait until *position* can be read or never will; only for a player in virtual time."""
        while self._is_coming(position) and not self.is_ready(position):
            self._progress.clear()
            self._orders.put(None)  # what is further ahead than `REFILL` wakes nobody by itself
            if not self.is_ready(position):
                self._progress.wait(0.05)

    def _is_coming(self, position: int) -> bool:
        """Tell whether the thread reaches *position* before it is told to go elsewhere."""
        if self._closed or (self.finish is not None and position >= self.finish):
            return False
        seek, start, _ = self._window
        if seek != self._seek:
            start = self._sought
        return start <= position <= max(self._taken, start) + CAPACITY - CHUNK - LEAD

    def close(self) -> None:
        """Let the thread end; does not wait for it."""
        self._closed = True
        self._orders.put(None)

    def _work(self) -> None:
        """Open, decode, go where ordered, until closed: the thread."""
        decoder: Decoder | None = None
        try:
            decoder = Decoder(self._path)
            duration = None if decoder.declared is None else decoder.declared * 1000 // RATE
            if self._window.start:
                decoder.seek(self._window.start)
            self._notices.put(Notice(self, failed=False, duration_ms=duration))
            while not self._closed:
                self._fill(decoder)
                order = self._orders.get()
                self._waking = False
                if order is not None:
                    self._go(decoder, *order)
        except SoundError as error:
            self._fail(error)
        finally:
            self._progress.set()
            if decoder is not None:
                decoder.close()

    def _go(self, decoder: Decoder, seek: int, position: int) -> None:
        while not self._orders.empty():  # only the last of several orders counts
            seek, position = self._orders.get() or (seek, position)
        decoder.seek(position)
        self._window = _Window(seek, position, position)

    def _fill(self, decoder: Decoder) -> None:
        """Decode until the ring is full, the file ends, or an order comes."""
        seek, start, end = self._window
        while self._orders.empty() and end != self.finish:
            # What is taken may lie before the window while the audio loop has just moved on.
            if end - max(self._taken, start) > CAPACITY - CHUNK:
                return
            chunk = decoder.read()
            if chunk is None:
                self._end(decoder, end)
                return
            start = max(start, end + len(chunk) - CAPACITY)
            self._window = _Window(seek, start, end)
            self._store(end, chunk)
            end += len(chunk)
            self._window = _Window(seek, start, end)
            self._progress.set()

    def _store(self, position: int, chunk: Samples) -> None:
        at = position % CAPACITY
        first = min(len(chunk), CAPACITY - at)
        self._ring[at : at + first] = chunk[:first]
        self._ring[: len(chunk) - first] = chunk[first:]

    def _end(self, decoder: Decoder, end: int) -> None:
        try:
            check_length(decoder, decoder.position)
        except SoundError as error:
            # More than was declared has been played by now: no fault of what is heard.
            if error.reason != "length":
                self.failure = f"{error.reason}: {error.detail}"
        self.finish = end

    def _fail(self, error: SoundError) -> None:
        self.failure = f"{error.reason}: {error.detail}"
        seek, start, end = self._window
        self.finish = end if seek == self._seek and end > start else 0
        self._notices.put(Notice(self, failed=True, duration_ms=None))
