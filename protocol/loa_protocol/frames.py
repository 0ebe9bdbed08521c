"""Frames on a shared serial console: short printable lines between whatever else is written there.

A frame is one line of at most 256 bytes: the prefix ``:loa:``, then base64 over deterministic CBOR
and its CRC-32 (four bytes, most significant first), then a newline. No control character occurs in
it: a cooked terminal eats those and cuts long lines. Lines that are no frames (boot messages, logs,
prompts, echoes that were damaged) are skipped, and never answered.

Sans input and output: what sends and repeats frames is :mod:`loa_protocol.conversation`.
"""

from __future__ import annotations

import base64
import binascii
import enum
import zlib
from dataclasses import dataclass
from typing import Final

from loa_protocol.errors import FormatError, FrameError
from loa_protocol.schema import Bytes, Choice, Int, Wire, wire

PREFIX: Final = b":loa:"  # a colon is no base64: the prefix cannot occur inside a frame
MAX_LINE: Final = 256  # bytes with the newline; a cooked line of Linux ends at 4096, others sooner
PART_BYTES: Final = 150  # so that the longest frame stays below MAX_LINE
MAX_PARTS: Final = 512
MAX_MESSAGE: Final = PART_BYTES * MAX_PARTS
_CRC_BYTES: Final = 4


class Side(enum.IntEnum):
    """Who sent a frame: a line that echoes brings one's own frames back."""

    TOOL = 1
    BOARD = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame(Wire):
    """One part of a message, or, without data, the acknowledgement of that part.

    *session* is drawn at random by the tool; *message* counts its questions within the session, and
    an answer has its question's number.
    """

    sender: Side = wire(1, Choice(Side))
    session: int = wire(2, Int(0, 2**32 - 1))
    message: int = wire(3, Int(0, 65_535))
    part: int = wire(4, Int(0, MAX_PARTS - 1))
    parts: int = wire(5, Int(1, MAX_PARTS))
    data: bytes | None = wire(6, Bytes(0, PART_BYTES), optional=True)

    @property
    def key(self) -> tuple[int, int]:
        """Which message it belongs to."""
        return self.session, self.message


def encode(frame: Frame) -> bytes:
    """Return the line of *frame*, newline included."""
    body = frame.to_bytes()
    return PREFIX + base64.b64encode(body + zlib.crc32(body).to_bytes(_CRC_BYTES)) + b"\n"


def parse_line(line: bytes) -> Frame:
    """Return the frame that ends *line* (without its newline); text before it is skipped.

    Raises:
        FrameError: there is none, or it is damaged.
    """
    _before, prefix, text = line.rpartition(PREFIX)
    if not prefix or len(prefix) + len(text) >= MAX_LINE:
        raise FrameError("no frame in this line")
    try:
        raw = base64.b64decode(text, validate=True)
    except binascii.Error:
        raise FrameError("the frame is not base64") from None
    body, checksum = raw[:-_CRC_BYTES], raw[-_CRC_BYTES:]
    if len(raw) <= _CRC_BYTES or zlib.crc32(body).to_bytes(_CRC_BYTES) != checksum:
        raise FrameError("the checksum does not fit")
    try:
        frame = Frame.from_bytes(body)
    except FormatError as error:
        raise FrameError(str(error)) from None
    if frame.part >= frame.parts:
        raise FrameError(f"part {frame.part} of {frame.parts}")
    return frame


def split(payload: bytes) -> list[bytes]:
    """Return *payload* in parts that fit into frames; an empty one is one empty part.

    Raises:
        ValueError: it is longer than ``MAX_MESSAGE``.
    """
    if len(payload) > MAX_MESSAGE:
        raise ValueError(f"a message of {len(payload)} bytes; at most {MAX_MESSAGE}")
    starts = range(0, max(len(payload), 1), PART_BYTES)
    return [payload[start : start + PART_BYTES] for start in starts]


class FrameDecoder:
    """Turns bytes from a line into frames, skipping everything else.

    Never keeps more than one line's length of bytes; *skipped* counts lines that held the prefix
    and no valid frame, as a measure of a bad line.
    """

    def __init__(self) -> None:
        self._pending = bytearray()
        self.skipped = 0

    def feed(self, data: bytes) -> list[Frame]:
        """Return the frames that *data* completes, oldest first."""
        *lines, rest = (bytes(self._pending) + data.replace(b"\r", b"\n")).split(b"\n")
        # of a line without end only the tail can still be a frame
        self._pending[:] = rest[-MAX_LINE:]
        frames = []
        for line in lines:
            try:
                frames.append(parse_line(line))
            except FrameError:
                self.skipped += PREFIX in line
        return frames
