"""The black box's thread: pieces of sound in, files of Opus out. Nothing here is waited for.

What comes is cut into files of a minute, at the end of each play, and where it was silent for long.
In a play without a pause files grow longer, so that its record can name all of them.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue
from threading import Thread
from typing import Final

import msgspec
import numpy as np

from loa_endpoint.audio.black_box_shelf import Shelf
from loa_endpoint.audio.messages import Event, Fault, ItemMeasured, Recording
from loa_endpoint.core.black_box import BoxLimits
from loa_protocol.errors import StoreError
from loa_sound.blocks import RATE, Samples
from loa_sound.low_rate import OggOpus

SEGMENT: Final = 60 * RATE
GROW_AFTER: Final = 16
"""So many files of one length; the next ones are four times as long, up to 16 times."""
MOST_NAMED: Final = 48
"""Files that one play's record names: 5.6 hours; a record is at most 4,096 bytes."""
_REMEMBERED: Final = 512


@dataclass(frozen=True, slots=True)
class Piece:
    """Samples that were written: the first is number *sample*, heard at unix *at_ms*."""

    sample: int
    at_ms: int
    samples: Samples


@dataclass(frozen=True, slots=True)
class Close:
    """End the file that is open; with *event*, tell which files cover its item.

    Attributes:
        begin: First sample of the item.
        end: The sample after its last.
    """

    event: ItemMeasured | None = None
    begin: int = 0
    end: int = 0


Job = Piece | Close | None


@dataclass(slots=True)
class _Open:
    """The file that is being made."""

    file: OggOpus
    start: int
    start_ms: int
    next: int


class Writer:
    """Carries out jobs in a thread of its own, until it is given None."""

    def __init__(self, folder: Path, limits: BoxLimits, tell: Callable[[Event], None]) -> None:
        """Say where the files go; *tell* is called in the thread.

        Args:
            folder: Of this black box alone.
            limits: Of what is kept.
            tell: Takes items back with their files, and faults.
        """
        self._folder, self._limits, self._tell = folder, limits, tell
        self.jobs: SimpleQueue[Job] = SimpleQueue()
        self._shelf: Shelf | None = None
        self._open: _Open | None = None
        self._in_a_row = 0  # files since the last pause
        self._stored: deque[tuple[int, int, Recording]] = deque(maxlen=_REMEMBERED)
        self._has_failed = False
        self.thread = Thread(target=self._work, name="black box", daemon=True)

    def _work(self) -> None:
        while (job := self.jobs.get()) is not None:
            match job:
                case Piece():
                    self._take(job)
                case Close():
                    self._close()
                    self._in_a_row = 0
                    if job.event is not None:
                        self._tell(self._named(job, job.event))
        self._close()

    def _take(self, piece: Piece) -> None:
        at, samples = piece.sample, piece.samples
        if self._open is not None and at < self._open.next:
            self._close()  # another timeline: nothing is heard twice
        while len(samples):
            file = self._open
            if file is None:
                done = at - piece.sample
                start_ms = piece.at_ms + done * 1000 // RATE
                file = self._open = _Open(
                    OggOpus({"LOA_START_MS": str(start_ms)}), at, start_ms, at
                )
            if at > file.next:  # silence is not sent
                gap = min(at, file.start + self._length) - file.next
                file.file.feed(np.zeros(gap, dtype=np.float32))
                file.next += gap
            room = file.start + self._length - file.next
            part = samples[:room] if at == file.next else samples[:0]
            file.file.feed(part)
            file.next += len(part)
            at, samples = at + len(part), samples[len(part) :]
            if file.next >= file.start + self._length:
                self._close()
                self._in_a_row += 1

    @property
    def _length(self) -> int:
        return int(SEGMENT * 4 ** min(self._in_a_row // GROW_AFTER, 2))

    def _close(self) -> None:
        """Put the open file on the disk."""
        file, self._open = self._open, None
        if file is None:
            return
        duration_ms = (file.next - file.start) * 1000 // RATE
        try:
            if self._shelf is None:
                self._shelf = Shelf(self._folder, self._limits)
            kept = self._shelf.store(file.start_ms, duration_ms, file.file.finish())
        except StoreError as error:
            self._fail(str(error))
            return
        self._has_failed = False
        fact = Recording(start_ms=kept.start_ms, duration_ms=duration_ms, sha256=kept.sha256)
        self._stored.append((file.start, file.next, fact))

    def _fail(self, detail: str) -> None:
        """Say once that nothing is kept, until something is again."""
        if not self._has_failed:
            self._has_failed = True
            self._tell(Fault(name="black_box", detail=detail[:500]))

    def _named(self, job: Close, event: ItemMeasured) -> ItemMeasured:
        covers = [fact for start, end, fact in self._stored if start < job.end and end > job.begin]
        return msgspec.structs.replace(event, recorded=tuple(covers[:MOST_NAMED]))
