"""The agent's line-in: what the tuner puts out, as a sound card would deliver it.

A FIFO with raw 16-bit little-endian mono samples at 48 kHz, written in blocks of 20 ms by the
monotonic clock. Like a card, it never waits: blocks that nobody reads are lost, and what is read
is never older than the FIFO's small buffer.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import fcntl
import os
from collections.abc import Callable
from pathlib import Path
from typing import Final

import numpy as np

from loa_hwsim.noise import Samples
from loa_hwsim.transport import Clock
from loa_protocol.errors import StoreError

BLOCK: Final = 960
BLOCK_MS: Final = 20
_BUFFER_BYTES: Final = 32_768  # 0.3 s, as a card's ring
_CATCH_UP: Final = 5  # blocks written at once after the process was held up; more are dropped

Source = Callable[[float, int], Samples]


class LineIn:
    """Writes *source* into a FIFO in real time.

    Args:
        source: Called with the time of the first sample (unix ms) and the number of samples.
        on_change: Called with ``linein_open``, ``linein_closed`` and ``linein_overrun``.
    """

    def __init__(
        self, path: Path, source: Source, clock: Clock, *, on_change: Callable[[str], None]
    ) -> None:
        self.path = path
        self.written = self.dropped = 0  # blocks
        self._source, self._clock, self._on_change = source, clock, on_change
        self._fd: int | None = None
        self._is_full = False

    def plug(self) -> None:
        """Put the FIFO there; one that a reader made, and may hold open, is taken as it is.

        Raises:
            StoreError: Something else has that name, or the folder cannot be written.
        """
        try:
            os.mkfifo(self.path)
        except FileExistsError:
            if not self.path.is_fifo():
                raise StoreError(str(self.path), "is there and is not a FIFO") from None
        except OSError as error:
            raise StoreError(str(self.path), error.strerror or str(error)) from error

    def unplug(self) -> None:
        """Take the FIFO away, unless somebody still reads it and would never find a new one."""
        self._close()
        if self._is_open():
            self._close()
            return
        with contextlib.suppress(FileNotFoundError):
            self.path.unlink()

    async def run(self) -> None:
        """Write until cancelled."""
        due_ms = float(int(self._clock.now_ms()))
        while True:
            late = int((self._clock.now_ms() - due_ms) / BLOCK_MS)
            if late > _CATCH_UP:
                self.dropped += late
                due_ms += late * BLOCK_MS
            # a card delivers a block when its last sample has been taken
            wait_ms = due_ms + BLOCK_MS - self._clock.now_ms()
            await asyncio.sleep(max(wait_ms, 0.0) / 1000)
            self._write(due_ms)
            due_ms += BLOCK_MS

    def _write(self, start_ms: float) -> None:
        was_closed = self._fd is None
        if not self._is_open():
            return
        if was_closed:
            self._on_change("linein_open")
        samples = self._source(start_ms, BLOCK)
        data = (np.clip(samples, -1.0, 1.0) * 32767).astype("<i2").tobytes()
        assert self._fd is not None
        try:
            os.write(self._fd, data)  # under PIPE_BUF: whole or not at all
        except BlockingIOError:
            self.dropped += 1
            if not self._is_full:
                self._is_full = True
                self._on_change("linein_overrun")
        except BrokenPipeError:
            self._close()
            self._on_change("linein_closed")
        else:
            self.written += 1
            self._is_full = False

    def _is_open(self) -> bool:
        if self._fd is not None:
            return True
        try:
            self._fd = os.open(self.path, os.O_WRONLY | os.O_NONBLOCK)
        except OSError as error:
            if error.errno not in (errno.ENXIO, errno.ENOENT):  # nobody reads, or swept away
                raise
            return False
        fcntl.fcntl(self._fd, fcntl.F_SETPIPE_SZ, _BUFFER_BYTES)
        return True

    def _close(self) -> None:
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None
