"""The clock that a battery keeps: Linux's ``/dev/rtc``, and a stand-in that is a file.

Only carried here; whether its time can be believed is decided by ``core/battery.py``. Such a clock
counts UTC in whole seconds. To set it needs the capability CAP_SYS_TIME.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import struct
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, Protocol

from loa_endpoint.core.battery import SECOND_MS, BatteryTime
from loa_endpoint.host.clocks import monotonic_ms
from loa_protocol.errors import PeerError

FILE_SCHEME: Final = "file:"

# linux/rtc.h; the numbers are those of the generic ioctl encoding (ARM, x86, RISC-V)
RTC_RD_TIME: Final = 0x80247009
RTC_SET_TIME: Final = 0x4024700A
RTC_VL_READ: Final = 0x80047013
RTC_VL_CLR: Final = 0x7014
# RTC_VL_DATA_INVALID, _BACKUP_LOW, _BACKUP_EMPTY; older drivers say 1 for any of them. The other
# flags (less accurate, runs from the battery) say nothing against the time.
_LOST: Final = 0b0111
_RTC_TIME: Final = struct.Struct("9i")  # struct rtc_time: as struct tm
_FLAGS: Final = struct.Struct("I")
_NO_FLAGS: Final = (errno.ENOTTY, errno.EINVAL, errno.ENOSYS)  # a driver without the question

Ioctl = Callable[[int, int, bytes], bytes]


class BatteryClockError(PeerError):
    """The battery clock does not answer, or does not let itself be set; *why* says the system."""

    def __init__(self, path: str, why: str) -> None:
        super().__init__(f"{path}: {why}")
        self.path, self.why = path, why


class BatteryClock(Protocol):
    """A clock that goes on without mains."""

    def read(self) -> BatteryTime:
        """Return its time; raise BatteryClockError where there is none."""
        ...

    def set(self, unix_ms: int) -> int:
        """Set it to the nearest second and return that, in ms; raise BatteryClockError."""
        ...


class LinuxBatteryClock:
    """The board's own, such as ``/dev/rtc0``.

    Args:
        path: The device.
        ioctl: The system call: the request and its structure in, the structure out.
    """

    def __init__(self, path: Path, ioctl: Ioctl = fcntl.ioctl) -> None:
        self._path, self._ioctl = path, ioctl

    def read(self) -> BatteryTime:
        """Return time and flags; a clock that knows itself that its time is lost has stopped.

        Raises:
            BatteryClockError: there is none, or it does not answer.
        """
        fd = self._open()
        try:
            answer = self._ioctl(fd, RTC_RD_TIME, bytes(_RTC_TIME.size))
            return BatteryTime(_unix_ms(answer), is_stopped=self._has_stopped(fd))
        except OSError as error:
            if error.errno == errno.EINVAL:  # how a driver says that the time is not valid
                return BatteryTime(0, is_stopped=True)
            raise self._failed(error) from error
        finally:
            os.close(fd)

    def set(self, unix_ms: int) -> int:
        """Set it to the nearest second and clear the flag that says that it stopped.

        Raises:
            BatteryClockError: there is none, or we may not.
        """
        written_ms = _nearest_second(unix_ms)
        fd = self._open()
        try:
            self._ioctl(fd, RTC_SET_TIME, _rtc_time(written_ms))
            self._clear_flag(fd)
        except OSError as error:
            raise self._failed(error) from error
        finally:
            os.close(fd)
        return written_ms

    def _has_stopped(self, fd: int) -> bool:
        try:
            (flags,) = _FLAGS.unpack(self._ioctl(fd, RTC_VL_READ, bytes(_FLAGS.size)))
        except OSError as error:
            if error.errno in _NO_FLAGS:
                return False
            raise
        return bool(flags & _LOST)

    def _clear_flag(self, fd: int) -> None:
        try:
            self._ioctl(fd, RTC_VL_CLR, b"")
        except OSError as error:
            if error.errno not in _NO_FLAGS:
                raise

    def _open(self) -> int:
        try:
            return os.open(self._path, os.O_RDONLY | os.O_CLOEXEC)
        except OSError as error:
            raise self._failed(error) from error

    def _failed(self, error: OSError) -> BatteryClockError:
        return BatteryClockError(str(self._path), error.strerror or str(error))


class FileBatteryClock:
    """A file that keeps time as long as the machine runs, whoever starts and ends beside it.

    For tests and trials: no board needs it. It goes by monotonic time, so that no lie of the wall
    clock reaches it.
    """

    def __init__(self, path: Path, mono_ms: Callable[[], int] = monotonic_ms) -> None:
        self._path, self._mono_ms = path, mono_ms

    def read(self) -> BatteryTime:
        """Return its time.

        Raises:
            BatteryClockError: no such file, or not one of ours.
        """
        try:
            facts = json.loads(self._path.read_text(encoding="utf-8"))
            unix_ms = int(facts["unix_ms"]) + self._mono_ms() - int(facts["mono_ms"])
            is_stopped = bool(facts["is_stopped"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise BatteryClockError(str(self._path), str(error)) from error
        return BatteryTime(unix_ms // SECOND_MS * SECOND_MS, is_stopped=is_stopped)

    def set(self, unix_ms: int) -> int:
        """Set it; as with a real one its flag is cleared by that.

        Raises:
            BatteryClockError: the file cannot be written.
        """
        written_ms = _nearest_second(unix_ms)
        facts = {"unix_ms": written_ms, "mono_ms": self._mono_ms(), "is_stopped": False}
        try:
            self._path.write_text(json.dumps(facts), encoding="utf-8")
        except OSError as error:
            raise BatteryClockError(str(self._path), error.strerror or str(error)) from error
        return written_ms


def open_battery_clock(port: str | None) -> BatteryClock | None:
    """Return the clock that *port* names (``/dev/rtc0``, ``file:PATH``), None for none."""
    if port is None:
        return None
    if port.startswith(FILE_SCHEME):
        return FileBatteryClock(Path(port.removeprefix(FILE_SCHEME)))
    return LinuxBatteryClock(Path(port))


def _nearest_second(unix_ms: int) -> int:
    return (unix_ms + SECOND_MS // 2) // SECOND_MS * SECOND_MS


def _unix_ms(rtc_time: bytes) -> int:
    second, minute, hour, day, month, year, *_ = _RTC_TIME.unpack(rtc_time)
    try:
        moment = datetime(year + 1900, month + 1, day, hour, minute, second, tzinfo=UTC)
    except (ValueError, OverflowError) as error:
        raise OSError(errno.EINVAL, f"no date: {error}") from error
    return round(moment.timestamp()) * SECOND_MS


def _rtc_time(unix_ms: int) -> bytes:
    at = datetime.fromtimestamp(unix_ms // SECOND_MS, UTC)
    date = (at.day, at.month - 1, at.year - 1900)
    return _RTC_TIME.pack(at.second, at.minute, at.hour, *date, 0, 0, 0)
