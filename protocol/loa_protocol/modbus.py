"""Modbus RTU without a line: requests and replies to bytes, and bytes back to them, on both sides.

What it is for: the drivers of amplifiers and line boards (master side) and their simulated
counterparts (slave side). It neither sends nor waits: pauses of 3.5 characters, turnaround and
repetition belong to whoever holds the port.

Only what Loa's devices need: read holding (03) and input registers (04), write one register (06).
Layout and checksum after the Modbus over Serial Line guide 1.02, section 2.5; limits after the
Modbus Application Protocol 1.1b3, section 6.
"""

from __future__ import annotations

import enum
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Self

from loa_protocol.errors import FrameError, RefusedError

MAX_FRAME: Final = 256  # bytes, address and checksum included
MAX_COUNT: Final = 125  # registers in one reading
_REQUEST_LENGTH: Final = 8
_EXCEPTION_LENGTH: Final = 5
_EXCEPTION_FLAG: Final = 0x80
_KEPT: Final = 2 * MAX_FRAME  # bytes of an unread line that could still become a frame


class Function(enum.IntEnum):
    """The functions spoken here."""

    READ_HOLDING = 0x03
    READ_INPUT = 0x04
    WRITE_SINGLE = 0x06


class ExceptionCode(enum.IntEnum):
    """Why a slave says no."""

    ILLEGAL_FUNCTION = 0x01
    ILLEGAL_ADDRESS = 0x02
    ILLEGAL_VALUE = 0x03
    DEVICE_FAILURE = 0x04
    ACKNOWLEDGE = 0x05
    BUSY = 0x06
    NEGATIVE_ACKNOWLEDGE = 0x07
    PARITY_ERROR = 0x08
    GATEWAY_PATH = 0x0A
    GATEWAY_TARGET = 0x0B


class ModbusRefusal(RefusedError):  # noqa: N818 - named in the family of RefusedError
    """A slave answered with an exception; *exception* is its code as sent."""

    def __init__(self, address: int, function: int, exception: int) -> None:
        known = {code.value: code.name.lower() for code in ExceptionCode}
        super().__init__(f"modbus {address}", known.get(exception, f"code_{exception:02x}"))
        self.address, self.function, self.exception = address, function, exception


@dataclass(frozen=True, slots=True)
class Request:
    """What a master asks; *value* is the count of a reading, or the value to write.

    A function that is not in :class:`Function` has its bytes in *rest* and zeros elsewhere.
    """

    address: int
    function: int
    register: int = 0
    value: int = 0
    rest: bytes = b""

    def to_bytes(self) -> bytes:
        """Return the frame with its checksum."""
        if self.function in _FUNCTIONS:
            body = struct.pack(">HH", self.register, self.value)
        else:
            body = self.rest
        return seal(bytes((self.address, self.function)) + body)


@dataclass(frozen=True, slots=True)
class Reply:
    """What a slave answered: registers (the written value after a write) or an exception code."""

    address: int
    function: int
    registers: tuple[int, ...] = ()
    exception: int | None = None

    def checked(self) -> Self:
        """Return the reply itself, if it is not a refusal.

        Raises:
            ModbusRefusal: The slave answered with an exception.
        """
        if self.exception is not None:
            raise ModbusRefusal(self.address, self.function, self.exception)
        return self


_FUNCTIONS: Final = frozenset(Function)
_READS: Final = frozenset({Function.READ_HOLDING, Function.READ_INPUT})


def crc16(data: bytes) -> int:
    """Return the checksum of *data*: polynomial A001 reflected, started at FFFF."""
    crc = 0xFFFF
    for byte in data:
        crc = (crc >> 8) ^ _TABLE[(crc ^ byte) & 0xFF]
    return crc


def seal(body: bytes) -> bytes:
    """Append the checksum of *body*, low byte first."""
    return body + crc16(body).to_bytes(2, "little")


def is_sealed(frame: bytes) -> bool:
    """Tell whether *frame* ends in its own checksum."""
    return len(frame) >= 4 and crc16(frame[:-2]) == int.from_bytes(frame[-2:], "little")


def read_request(address: int, function: int, start: int, count: int) -> bytes:
    """Return the frame that asks slave *address* for *count* registers from *start* on.

    Raises:
        ValueError: An argument is out of its range.
    """
    _check(address, start)
    if function not in _READS:
        raise ValueError(f"function {function} does not read registers")
    if not 1 <= count <= MAX_COUNT or start + count > 0x10000:
        raise ValueError(f"cannot read {count} registers from {start:#06x}")
    return Request(address, function, start, count).to_bytes()


def write_request(address: int, register: int, value: int) -> bytes:
    """Return the frame that writes one holding register (function 06).

    Raises:
        ValueError: An argument is out of its range.
    """
    _check(address, register)
    if not 0 <= value <= 0xFFFF:
        raise ValueError(f"{value} does not fit a register")
    return Request(address, Function.WRITE_SINGLE, register, value).to_bytes()


def reply(request: Request, registers: Sequence[int] = ()) -> bytes:
    """Return a slave's answer to *request*; *registers* are for readings, a write is repeated.

    Raises:
        ValueError: Not as many registers as were asked for.
    """
    if request.function == Function.WRITE_SINGLE:
        return request.to_bytes()
    if request.function not in _READS or len(registers) != request.value:
        raise ValueError(f"{len(registers)} registers do not answer {request}")
    head = bytes((request.address, request.function, 2 * len(registers)))
    return seal(head + struct.pack(f">{len(registers)}H", *registers))


def exception_reply(request: Request, code: int) -> bytes:
    """Return a slave's refusal of *request* with exception *code*."""
    return seal(bytes((request.address, request.function | _EXCEPTION_FLAG, code)))


def parse_request(frame: bytes) -> Request:
    """Read exactly one request, of any function.

    Raises:
        FrameError: Too short or long, wrong checksum, or not of its function's length.
    """
    if not 4 <= len(frame) <= MAX_FRAME:
        raise FrameError(f"modbus: a request cannot have {len(frame)} bytes")
    if not is_sealed(frame):
        raise FrameError("modbus: the request's checksum is wrong")
    address, function = frame[0], frame[1]
    if function not in _FUNCTIONS:
        return Request(address, function, rest=bytes(frame[2:-2]))
    if len(frame) != _REQUEST_LENGTH:
        raise FrameError(f"modbus: {len(frame)} bytes for function {function:02x}")
    register, value = struct.unpack_from(">HH", frame, 2)
    return Request(address, function, register, value)


def parse_reply(frame: bytes, request: Request) -> Reply:
    """Read exactly one reply to *request*.

    Raises:
        FrameError: Wrong checksum, or not a reply to *request*.
    """
    if not is_sealed(frame):
        raise FrameError("modbus: the reply's checksum is wrong or missing")
    length = _reply_length(frame, request)
    if length is None or len(frame) != length:
        raise FrameError("modbus: not a reply to the request")
    if frame[1] & _EXCEPTION_FLAG:
        return Reply(request.address, request.function, exception=frame[2])
    if request.function == Function.WRITE_SINGLE:
        return Reply(request.address, request.function, (request.value,))
    registers = struct.unpack_from(f">{request.value}H", frame, 3)
    return Reply(request.address, request.function, registers)


class ReplyDecoder:
    """Find the reply to the outstanding request in what a master hears.

    Skips noise, damaged frames, replies of other slaves and, on a two-wire bus whose adapter hears
    itself, the local echo of the request. A write's reply looks like its echo, so whether the line
    echoes is learnt from readings: *local_echo* None means not known yet, and a write is then
    taken at its first copy.

    A late reply to an *earlier* request of the same function and count cannot be told from the
    true one: after a missing reply, let the line fall silent before asking again.
    """

    def __init__(self, *, local_echo: bool | None = None) -> None:
        self.local_echo = local_echo
        self.skipped = 0  # bytes so far that belonged to no awaited reply
        self._request: Request | None = None
        self._sent = b""
        self._echo_due = False
        self._buffer = bytearray()

    @property
    def waiting(self) -> bool:
        """Whether a request is outstanding."""
        return self._request is not None

    def expect(self, request: bytes) -> None:
        """Forget what was heard and wait for the reply to *request*, a frame about to be sent.

        Raises:
            FrameError: *request* is not a well-formed request.
        """
        parsed = parse_request(request)
        if parsed.function not in _FUNCTIONS:
            raise FrameError(f"modbus: function {parsed.function:02x} is not spoken here")
        self._drop(len(self._buffer))
        self._request, self._sent = parsed, bytes(request)
        self._echo_due = bool(self.local_echo) and parsed.function == Function.WRITE_SINGLE

    def feed(self, data: bytes) -> list[Reply]:
        """Return the awaited reply when *data* completes it: none or one."""
        self._buffer += data
        found = self._find() if self._request else None
        if found is None:
            self._drop(len(self._buffer) - (_KEPT if self._request else 0))
            return []
        start, length, answer = found
        self._learn(start)
        self._drop(start)
        del self._buffer[:length]
        self._drop(len(self._buffer))
        self._request = None
        return [answer]

    def _find(self) -> tuple[int, int, Reply] | None:
        assert self._request is not None
        if self._echo_due and (at := self._buffer.find(self._sent)) >= 0:
            self._drop(at + len(self._sent))
            self._echo_due = False
        if self._echo_due:
            return None
        buffer = bytes(self._buffer)
        at = buffer.find(self._request.address)
        while at >= 0:
            length = _reply_length(buffer[at : at + 6], self._request)
            frame = buffer[at : at + (length or 0)]
            # an unfinished candidate may be noise: what follows it is looked at all the same
            if length and len(frame) == length and is_sealed(frame):
                return at, length, parse_reply(frame, self._request)
            at = buffer.find(self._request.address, at + 1)
        return None

    def _learn(self, start: int) -> None:
        assert self._request is not None
        if self._request.function in _READS:
            # once heard, always there: a damaged echo must not teach that the line has none
            self.local_echo = bool(self.local_echo) or self._sent in self._buffer[:start]

    def _drop(self, count: int) -> None:
        if count > 0:
            self.skipped += count
            del self._buffer[:count]


class RequestDecoder:
    """Find requests in what a slave hears, whoever they are addressed to.

    Functions 03, 04 and 06 are found in any noise by length and checksum. Others have no length
    that we know: they are found when the line falls silent and the owner calls :meth:`end_frame`.
    """

    def __init__(self) -> None:
        self.skipped = 0  # bytes so far that belonged to no request
        self._buffer = bytearray()

    def feed(self, data: bytes) -> list[Request]:
        """Return the requests that *data* completes, oldest first."""
        self._buffer += data
        found: list[Request] = []
        at = 0
        while at + _REQUEST_LENGTH <= len(self._buffer):
            frame = bytes(self._buffer[at : at + _REQUEST_LENGTH])
            if frame[1] in _FUNCTIONS and is_sealed(frame):
                found.append(parse_request(frame))
                self._drop(at)
                del self._buffer[:_REQUEST_LENGTH]
                at = 0
            else:
                at += 1
        self._drop(len(self._buffer) - MAX_FRAME)
        return found

    def end_frame(self) -> list[Request]:
        """Tell that the line was silent: return a request of another function, drop the rest."""
        frame = bytes(self._buffer)
        self._buffer.clear()
        try:
            return [parse_request(frame)] if frame else []
        except FrameError:
            self.skipped += len(frame)
            return []

    def _drop(self, count: int) -> None:
        if count > 0:
            self.skipped += count
            del self._buffer[:count]


def _reply_length(start: bytes, request: Request) -> int | None:
    """Return how long the reply that begins with *start* is; None if it answers not *request*."""
    if len(start) < 3 or start[0] != request.address:
        return None
    if start[1] == request.function | _EXCEPTION_FLAG:
        return _EXCEPTION_LENGTH
    if start[1] != request.function:
        return None
    if request.function == Function.WRITE_SINGLE:
        repeated = struct.pack(">HH", request.register, request.value)
        return _REQUEST_LENGTH if start[2:6] == repeated else None
    return 5 + start[2] if start[2] == 2 * request.value else None


def _check(address: int, register: int) -> None:
    if not 1 <= address <= 247:
        raise ValueError(f"slave addresses are 1 to 247, got {address}")
    if not 0 <= register <= 0xFFFF:
        raise ValueError(f"register {register} does not exist")


def _table() -> tuple[int, ...]:
    def of(byte: int) -> int:
        for _ in range(8):
            byte = (byte >> 1) ^ (0xA001 if byte & 1 else 0)
        return byte

    return tuple(of(byte) for byte in range(256))


_TABLE: Final = _table()
