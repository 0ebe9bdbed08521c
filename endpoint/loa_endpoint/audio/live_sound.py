"""Live sound as a sound: packets decoded by a thread of its own, each where it was meant to be.

What is missing is silence, softened at its edges; nothing that came late moves what follows it.
Whether the session has died is the agent's to judge, so this sound never ends by itself.
"""

from __future__ import annotations

from collections import deque
from queue import SimpleQueue
from threading import Thread
from typing import Final

import numpy as np

from loa_endpoint.audio.voice import DECLICK
from loa_sound.blocks import RATE, Samples
from loa_sound.errors import SoundError
from loa_sound.opus import OpusDecoder

MAX_HELD: Final = 40 * RATE
"""Samples waiting for their time, 7.7 MB: chunks come at most 30 s ahead."""
MAX_QUEUED: Final = 120
"""Chunks waiting for the decoder; more, and the newest is dropped: somebody floods."""
_UP: Final = np.linspace(0, 1, DECLICK + 1, dtype=np.float32)[1:]


class LiveSound:
    """A `loa_endpoint.audio.voice.Sound` out of packets. Position 0 is where the session begins."""

    live = False
    finish = None
    failure = ""

    def __init__(self, name: str, *, gain: float) -> None:
        self.name, self.gain = name, gain
        self._packets: SimpleQueue[tuple[int, list[bytes]] | None] = SimpleQueue()
        self._decoded: SimpleQueue[tuple[int, Samples]] = SimpleQueue()
        self._pieces: deque[tuple[int, Samples]] = deque()  # by position, none overlapping
        self._was_silent = True
        self.lost = 0  # chunks that could not be decoded or kept
        Thread(target=self._work, name=f"decode {name}", daemon=True).start()

    def feed(self, position: int, packets: list[bytes]) -> None:
        """Take packets whose first sample belongs at *position*."""
        if self._packets.qsize() >= MAX_QUEUED:
            self.lost += 1
        else:
            self._packets.put((position, packets))

    def is_ready(self, _position: int, /) -> bool:
        """Tell that it can start: where nothing has come there is silence."""
        return True

    def aim(self, _position: int, /) -> None:
        """Do nothing: what comes says itself where it belongs."""

    def read(self, position: int, out: Samples, /) -> int:
        """Fill *out* with what belongs from *position* on, and silence where nothing came."""
        self._take()
        while self._pieces and self._pieces[0][0] + len(self._pieces[0][1]) <= position:
            self._pieces.popleft()
        out.fill(0)
        reached = position
        for start, samples in self._pieces:
            if start >= position + len(out):
                break
            self._lay(out, position, start, samples, is_after_gap=start > reached)
            reached = start + len(samples)
        end = position + len(out)
        goes_on = any(start <= end < start + len(samples) for start, samples in self._pieces)
        self._was_silent = not goes_on
        if self._was_silent and reached <= end:
            self._soften_end(out, reached - position)
        return len(out)

    def close(self) -> None:
        """Let the thread end; does not wait for it."""
        self._packets.put(None)

    def _lay(
        self, out: Samples, position: int, start: int, samples: Samples, *, is_after_gap: bool
    ) -> None:
        first, last = max(start, position), min(start + len(samples), position + len(out))
        part = out[first - position : last - position]
        part[:] = samples[first - start : last - start]
        if is_after_gap or (self._was_silent and first == position):
            count = min(DECLICK, len(part))
            part[:count] *= _UP[:count]

    @staticmethod
    def _soften_end(out: Samples, end: int) -> None:
        count = min(DECLICK, max(0, end))
        if count:
            out[end - count : end] *= _UP[:count][::-1]

    def _take(self) -> None:
        """Put what was decoded into its order; what overlaps with a neighbour is dropped."""
        while not self._decoded.empty():
            start, samples = self._decoded.get()
            at = len(self._pieces)
            while at and self._pieces[at - 1][0] > start:
                at -= 1
            follows = (
                at == 0 or sum((self._pieces[at - 1][0], len(self._pieces[at - 1][1]))) <= start
            )
            fits = at == len(self._pieces) or start + len(samples) <= self._pieces[at][0]
            held = sum(len(piece) for _, piece in self._pieces)
            if follows and fits and held + len(samples) <= MAX_HELD:
                self._pieces.insert(at, (start, samples))
            else:
                self.lost += 1

    def _work(self) -> None:
        """Decode until closed: the thread."""
        decoder, expected = OpusDecoder(), -1
        while (chunk := self._packets.get()) is not None:
            start, packets = chunk
            if start != expected:
                decoder.restart()
            try:
                samples = decoder.decode(packets)
            except SoundError:
                self.lost += 1
                expected = -1
                continue
            expected = start + len(samples)
            self._decoded.put((start, samples))
