"""Pseudo-terminals that behave like serial ports: stable names, pacing, unplugging.

The shell under the device models: it carries bytes and keeps time, and decides nothing. Raw file
descriptors and the event loop's readers, so that one process can hold hundreds of lines.

What a pseudo-terminal cannot do (measured on Linux): parity, modem lines, RS-485 mode. Its speed
can be read from our end, which is how :class:`SerialLine` notices a host at the wrong speed.
"""

from __future__ import annotations

import array
import asyncio
import contextlib
import errno
import fcntl
import os
import termios
import time
import tty
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Final, Protocol

from loa_hwsim.device import Device, Output

_READ_SIZE: Final = 4096
UNREAD_LIMIT: Final = 4096  # what a kernel keeps for a port that nobody reads
_PIECE_MS: Final = 8.0  # bytes are handed over in pieces of at most this duration
_BITS_PER_BYTE: Final = 10  # 8N1
_SPEEDS: Final = {
    getattr(termios, f"B{speed}"): speed
    for speed in (9600, 19200, 38400, 57600, 115200, 230400, 460800, 921600)
}


class Clock(Protocol):
    """Tells simulated time, unix milliseconds that never jump."""

    def now_ms(self) -> float:
        """Return the present."""
        ...


class RunningClock:
    """Wall time at the start, monotonic time from there on."""

    def __init__(self) -> None:
        self.start_ms = int(time.time() * 1000)
        self._base = self.start_ms - time.monotonic() * 1000

    def now_ms(self) -> float:
        """Return the present."""
        return self._base + time.monotonic() * 1000


class Terminal:
    """One pseudo-terminal under a stable name (a symbolic link).

    One descriptor of the host's side stays open in here: without it a read ends in EIO and the
    event loop spins whenever no host is there.
    """

    def __init__(self, link: Path) -> None:
        self.link = link
        self._ours: int | None = None
        self._theirs: int | None = None

    def plug(self) -> int:
        """Create the terminal and its name; return our descriptor, ready for an event loop."""
        ours, theirs = os.openpty()
        tty.setraw(theirs, termios.TCSANOW)
        os.set_blocking(ours, False)
        fresh = self.link.with_name(f".{self.link.name}.new")
        with contextlib.suppress(FileNotFoundError):
            fresh.unlink()
        fresh.symlink_to(os.ttyname(theirs))
        fresh.replace(self.link)
        self._ours, self._theirs = ours, theirs
        return ours

    def unplug(self) -> None:
        """Hang up: the host reads an end of file and the name is gone, as with a pulled cable."""
        if self._ours is None or self._theirs is None:
            return
        with contextlib.suppress(FileNotFoundError):
            self.link.unlink()
        os.close(self._theirs)
        os.close(self._ours)
        self._ours = self._theirs = None

    def read(self) -> bytes:
        """Return what the host wrote, nothing when unplugged or nothing came."""
        if self._ours is None:
            return b""
        try:
            return os.read(self._ours, _READ_SIZE)
        except BlockingIOError:
            return b""
        except OSError as error:
            if error.errno != errno.EIO:
                raise
            return b""

    def write(self, data: bytes) -> int:
        """Hand *data* to the host; return how many bytes fell off because nobody reads."""
        if self._ours is None or self._theirs is None:
            return len(data)
        unread = array.array("i", [0])
        fcntl.ioctl(self._theirs, termios.FIONREAD, unread)
        fits = data[: max(UNREAD_LIMIT - unread[0], 0)]
        try:
            written = os.write(self._ours, fits) if fits else 0
        except BlockingIOError:
            written = 0
        return len(data) - written

    def host_speed(self) -> int | None:
        """Return the speed that the host set, None when unplugged or unusual."""
        if self._theirs is None:
            return None
        return _SPEEDS.get(termios.tcgetattr(self._theirs)[5])


class Pacer:
    """Decides when each piece of a device's output has come through a line of *baud*."""

    def __init__(self, baud: int) -> None:
        self.baud = baud
        self.slowness = 1.0
        self._queue: deque[Output] = deque()
        self._free_ms = 0.0

    def put(self, output: Output) -> None:
        """Take *output* in turn; it starts when it is due and the line is free."""
        byte_ms = _BITS_PER_BYTE * 1000 / self.baud * self.slowness
        size = max(int(_PIECE_MS / byte_ms), 1)
        when = max(output.when_ms, self._free_ms)
        for at in range(0, len(output.data), size):
            piece = output.data[at : at + size]
            when += len(piece) * byte_ms
            self._queue.append(Output(when, piece))
        self._free_ms = when

    def take(self, now_ms: float) -> bytes:
        """Return what has come through by *now_ms*."""
        through = bytearray()
        while self._queue and self._queue[0].when_ms <= now_ms:
            through += self._queue.popleft().data
        return bytes(through)

    def next_ms(self) -> float | None:
        """Return when the next piece comes through."""
        return self._queue[0].when_ms if self._queue else None

    def clear(self) -> None:
        """Drop what is under way."""
        self._queue.clear()
        self._free_ms = 0.0


Record = Callable[[float, str, bytes], None]


class SerialLine:
    """A device at the far end of a terminal, with pacing and line faults.

    Args:
        name: For the transcript: ``tuner>`` is what the host sent, ``tuner<`` what it got.
        record: Called with time, direction and bytes.
        is_strict: Bytes turn to garbage when the host's speed is not *baud* (a UART; USB devices
            do not care).
    """

    def __init__(
        self,
        name: str,
        terminal: Terminal,
        device: Device,
        clock: Clock,
        *,
        baud: int,
        record: Record | None = None,
        is_strict: bool = False,
    ) -> None:
        self.name, self.terminal, self.pacer = name, terminal, Pacer(baud)
        self.is_stalled = False  # nothing goes in or out
        self.is_echoing = False  # the adapter hears itself
        self.lost = 0  # bytes that fell off because the host did not read
        self._device, self._clock, self._record = device, clock, record
        self._is_strict = is_strict
        self._timer: asyncio.TimerHandle | None = None
        self._reader: int | None = None

    @property
    def is_plugged(self) -> bool:
        """Whether the port is there at present."""
        return self._reader is not None

    def plug(self) -> None:
        """Put the port there and listen; must be called in a running event loop."""
        self._reader = self.terminal.plug()
        asyncio.get_running_loop().add_reader(self._reader, self._on_readable)
        self.poke()

    def unplug(self) -> None:
        """Take the port away; what was under way is lost."""
        loop = asyncio.get_running_loop()
        if self._reader is not None:
            loop.remove_reader(self._reader)
            self._reader = None
        if self._timer:
            self._timer.cancel()
            self._timer = None
        self.pacer.clear()
        self.terminal.unplug()

    def inject(self, data: bytes) -> None:
        """Put bytes on the line that no device sent."""
        self.pacer.put(Output(self._clock.now_ms(), data))
        self.poke()

    def poke(self) -> None:
        """Let the device do what is due and look again at the right time."""
        now_ms = self._clock.now_ms()
        self._take(self._device.advance(now_ms))
        self._send(self.pacer.take(now_ms), now_ms)
        self._arm(now_ms)

    def _on_readable(self) -> None:
        data = self.terminal.read()
        now_ms = self._clock.now_ms()
        if not data or self.is_stalled:
            return
        if self._is_strict and self.terminal.host_speed() != self.pacer.baud:
            data = _garbled(data)
        self._note(now_ms, ">", data)
        if self.is_echoing:
            self.pacer.put(Output(now_ms, data))
        self._take(self._device.feed(data, now_ms))
        self.poke()

    def _take(self, outputs: list[Output]) -> None:
        if not self.is_stalled:
            for output in outputs:
                self.pacer.put(output)

    def _send(self, data: bytes, now_ms: float) -> None:
        if not data or self.is_stalled:
            return
        if self._is_strict and self.terminal.host_speed() != self.pacer.baud:
            data = _garbled(data)
        self._note(now_ms, "<", data)
        self.lost += self.terminal.write(data)

    def _arm(self, now_ms: float) -> None:
        times = [t for t in (self._device.next_deadline(), self.pacer.next_ms()) if t is not None]
        if self._timer:
            self._timer.cancel()
            self._timer = None
        if times and self._reader is not None:
            wait_s = max(min(times) - now_ms, 0.5) / 1000
            self._timer = asyncio.get_running_loop().call_later(wait_s, self.poke)

    def _note(self, now_ms: float, direction: str, data: bytes) -> None:
        if self._record:
            self._record(now_ms, self.name + direction, data)


def _garbled(data: bytes) -> bytes:
    """Return what a UART at another speed makes of *data*: never the same bytes."""
    return bytes((byte * 7 + 0x55) & 0xFF | 0x80 for byte in data[: len(data) // 2 + 1])
