"""Serial ports as raw file descriptors on the event loop, and the keeper that opens them again.

Raw descriptors and not pyserial: pyserial waits in select() and breaks past some 150 ports a
process, wants a thread or polling beside asyncio, and takes settings that a pseudo-terminal
refuses; termios and ``loop.add_reader`` need neither. What a pseudo-terminal cannot do (parity,
seven bits, modem lines, RS-485 mode) is left out there and asked for on a real line.
"""

from __future__ import annotations

import asyncio
import errno
import fcntl
import logging
import os
import stat
import struct
import termios
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final, Literal

from loa_protocol.errors import PeerError

log = logging.getLogger(__name__)

READ_BYTES: Final = 4096
MOST_UNSENT: Final = 4096  # bytes; a line that takes no more is as good as gone
RETRY_S: Final = 1.0
REOPEN_S: Final = 0.1  # between closing and opening a line that is still there
_PTY_MAJORS: Final = range(136, 144)  # Linux devices.txt: Unix98 pseudo-terminal slaves
_SCHEMES: Final = ("serial:", "pty:")
_TIOCSRS485: Final = 0x542F  # linux/serial.h; its structure begins with the flags
_RS485_ENABLED_RTS_ON_SEND: Final = 0b11
_DTR_RTS: Final = termios.TIOCM_DTR | termios.TIOCM_RTS
_SPECIAL: Final = 6  # index of the control characters in a termios list


class PortError(PeerError):
    """A port cannot be opened: *why* says what the system said."""

    def __init__(self, port: str, why: str) -> None:
        super().__init__(f"{port}: {why}")
        self.port, self.why = port, why


@dataclass(frozen=True, slots=True, kw_only=True)
class LineProfile:
    """How to talk on a line.

    Attributes:
        speed: Bits per second, one of the rates that termios knows.
        parity: None, even or odd.
        stop_bits: 1 or 2.
        modem_lines: Put DTR and RTS on or off; None leaves them to the driver.
        rs485: Ask the driver to switch the transmitter of a two-wire bus.
    """

    speed: int
    parity: Literal["N", "E", "O"] = "N"
    stop_bits: Literal[1, 2] = 1
    modem_lines: bool | None = None
    rs485: bool = False

    def for_pty(self) -> LineProfile:
        """Return what a pseudo-terminal can do of it."""
        return replace(self, parity="N", stop_bits=1, modem_lines=None, rs485=False)


class Port:
    """An open line; made by :func:`open_port`.

    Attributes:
        requested: The profile that was asked for.
        applied: The profile that is in force: less, on a pseudo-terminal.
    """

    def __init__(
        self,
        path: str,
        fd: int,
        *,
        requested: LineProfile,
        applied: LineProfile,
        on_bytes: Callable[[bytes], None],
        on_lost: Callable[[str], None],
    ) -> None:
        self.path, self.requested, self.applied = path, requested, applied
        self._fd: int | None = fd
        self._on_bytes, self._on_lost = on_bytes, on_lost
        self._unsent = b""
        self._loop = asyncio.get_running_loop()
        self._is_listening = False
        self.listen(at_once=True)

    def listen(self, *, at_once: bool) -> None:
        """Hear what comes at once, or only when :meth:`read` is called."""
        if self._fd is None or at_once is self._is_listening:
            return
        self._is_listening = at_once
        if at_once:
            self._loop.add_reader(self._fd, self.read)
        else:
            self._loop.remove_reader(self._fd)

    def write(self, data: bytes) -> None:
        """Send *data*, later where the line is busy; on a closed port it is dropped."""
        if self._fd is None or not data:
            return
        was_idle = not self._unsent
        self._unsent += data
        if was_idle:
            self._send()
        if len(self._unsent) > MOST_UNSENT:
            self._lose("takes no more bytes")

    def close(self) -> None:
        """Let go of the line; harmless when it is closed already."""
        if self._fd is None:
            return
        fd, self._fd, self._unsent = self._fd, None, b""
        self._loop.remove_reader(fd)
        self._loop.remove_writer(fd)
        os.close(fd)

    def read(self) -> None:
        """Hear what has come."""
        if self._fd is None:
            return
        try:
            data = os.read(self._fd, READ_BYTES)
        except BlockingIOError:
            return
        except OSError as error:
            self._lose(error.strerror or str(error))
            return
        if data:
            self._on_bytes(data)
        else:
            self._lose("hung up")  # how a pulled USB adapter looks

    def _send(self) -> None:
        if self._fd is None:
            return
        try:
            sent = os.write(self._fd, self._unsent)
        except BlockingIOError:
            sent = 0
        except OSError as error:
            self._lose(error.strerror or str(error))
            return
        self._unsent = self._unsent[sent:]
        if self._unsent:
            self._loop.add_writer(self._fd, self._send)
        else:
            self._loop.remove_writer(self._fd)

    def _lose(self, why: str) -> None:
        self.close()
        self._on_lost(why)


def open_port(
    url: str,
    profile: LineProfile,
    *,
    on_bytes: Callable[[bytes], None],
    on_lost: Callable[[str], None],
) -> Port:
    """Open a serial line exclusively, raw, without waiting for a carrier.

    Args:
        url: A path such as ``/dev/ttyUSB0``, or one behind ``serial:`` or ``pty:``.
        profile: How to talk; see :attr:`Port.applied` for what a pseudo-terminal leaves of it.
        on_bytes: Called on the running loop with what comes in.
        on_lost: Called once when the line hangs up; the port is closed by then.

    Raises:
        PortError: Not there, not a serial line, in use by another program, or settings refused.
    """
    path = port_path(url)
    try:
        fd = os.open(path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise PortError(path, error.strerror or str(error)) from error
    try:
        applied = _set_up(fd, profile)
    except BlockingIOError as error:
        os.close(fd)
        raise PortError(path, "in use by another program") from error
    except (OSError, termios.error) as error:
        os.close(fd)
        raise PortError(path, f"settings refused: {error}") from error
    return Port(path, fd, requested=profile, applied=applied, on_bytes=on_bytes, on_lost=on_lost)


def port_path(url: str) -> str:
    """Return the device path that *url* names."""
    for scheme in _SCHEMES:
        if url.startswith(scheme):
            return url[len(scheme) :]
    return url


def _set_up(fd: int, profile: LineProfile) -> LineProfile:
    if not os.isatty(fd):
        raise OSError(errno.ENOTTY, "not a serial line")
    fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    applied = profile.for_pty() if is_pty(fd) else profile
    termios.tcsetattr(fd, termios.TCSANOW, _attributes(fd, applied))
    if applied.modem_lines is not None:
        request = termios.TIOCMBIS if applied.modem_lines else termios.TIOCMBIC
        fcntl.ioctl(fd, request, struct.pack("I", _DTR_RTS))
    if applied.rs485:
        fcntl.ioctl(fd, _TIOCSRS485, struct.pack("8I", _RS485_ENABLED_RTS_ON_SEND, *(0,) * 7))
    termios.tcflush(fd, termios.TCIFLUSH)  # what came in under other settings is noise
    return applied


def is_pty(fd: int) -> bool:
    """Tell whether *fd* is the slave of a pseudo-terminal."""
    status = os.fstat(fd)
    return stat.S_ISCHR(status.st_mode) and os.major(status.st_rdev) in _PTY_MAJORS


def _attributes(fd: int, profile: LineProfile) -> list[int | list[bytes | int]]:
    """Return termios attributes for raw bytes: no echo, no translation, no signals."""
    speed = getattr(termios, f"B{profile.speed}", None)
    if speed is None:
        raise OSError(errno.EINVAL, f"no speed of {profile.speed} bit/s")
    control = termios.CS8 | termios.CREAD | termios.CLOCAL
    if profile.parity != "N":
        control |= termios.PARENB
    if profile.parity == "O":
        control |= termios.PARODD
    if profile.stop_bits == 2:
        control |= termios.CSTOPB
    special: list[bytes | int] = list(termios.tcgetattr(fd)[_SPECIAL])
    special[termios.VMIN], special[termios.VTIME] = 1, 0
    return [0, 0, control, 0, speed, speed, special]


class KeptPort:
    """A line that is opened again, by its path, whenever it is lost.

    Args:
        url: See :func:`open_port`.
        profile: How to talk.
        on_opened: Called each time the line has been opened.
        on_bytes: Called with what comes in.
        on_lost: Called each time it is lost; not when :meth:`close` ends it.
        retry_s: Pause between tries.
    """

    def __init__(
        self,
        url: str,
        profile: LineProfile,
        *,
        on_opened: Callable[[], None],
        on_bytes: Callable[[bytes], None],
        on_lost: Callable[[], None],
        retry_s: float = RETRY_S,
    ) -> None:
        self._url, self._profile, self._retry_s = url, profile, retry_s
        self._on_opened, self._on_bytes, self._on_lost = on_opened, on_bytes, on_lost
        self._port: Port | None = None
        self._retry: asyncio.TimerHandle | None = None
        self._why = ""  # of the last failure, so that each is logged once

    @property
    def port(self) -> Port | None:
        """The open port, None while there is none."""
        return self._port

    def start(self) -> None:
        """Open the line now, or as soon as it is there."""
        self._retry = None
        try:
            self._port = open_port(
                self._url, self._profile, on_bytes=self._on_bytes, on_lost=self._lost
            )
        except PortError as error:
            self._complain(error.why)
            self._again(self._retry_s)
            return
        self._why = ""
        log.info("port_opened", extra={"port": self._port.path})
        self._on_opened()

    def reopen(self) -> None:
        """Close the line and open it anew at once; what it stood for may have changed."""
        if self._port is None:
            return
        self._port.close()
        self._port = None
        self._on_lost()
        self._again(REOPEN_S)

    def write(self, data: bytes) -> None:
        """Send *data*; dropped while the line is not there."""
        if self._port is not None:
            self._port.write(data)

    def listen(self, *, at_once: bool) -> None:
        """Hear what comes at once, or only when :meth:`read` is called."""
        if self._port is not None:
            self._port.listen(at_once=at_once)

    def read(self) -> None:
        """Hear what has come, if the line is there."""
        if self._port is not None:
            self._port.read()

    def close(self) -> None:
        """Let go of the line for good."""
        if self._retry is not None:
            self._retry.cancel()
            self._retry = None
        if self._port is not None:
            self._port.close()
            self._port = None

    def _lost(self, why: str) -> None:
        self._port = None
        self._complain(why)
        self._on_lost()
        self._again(self._retry_s)

    def _again(self, pause_s: float) -> None:
        if self._retry is None:
            self._retry = asyncio.get_running_loop().call_later(pause_s, self.start)

    def _complain(self, why: str) -> None:
        if why != self._why:
            self._why = why
            log.warning("port_lost", extra={"port": port_path(self._url), "why": why})
