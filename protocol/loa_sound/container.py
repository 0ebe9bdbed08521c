"""What a container's own bytes say about its end.

FFmpeg plays what is there and is silent about what is missing, so the two formats that it would
take for whole are looked at here. Reads a few kilobytes, never the sound.
"""

from __future__ import annotations

import os
import struct
from pathlib import Path
from typing import BinaryIO

from loa_sound.errors import SoundError

UNKNOWN_SIZE = (0, 0xFFFFFFFF)
"""What a WAV writer that could not seek back leaves in the size fields."""

OGG_PAGE_MAX = 65_307
"""Bytes: 27 of header, 255 of lacing, 255 x 255 of data (RFC 3533 section 6)."""

KNOWN_STARTS = (b"RIFF", b"OggS", b"fLaC", b"ID3", b"\xff\xfb", b"\xff\xf3", b"\xff\xf1")
"""First bytes of the containers that Loa plays; MP4 has its mark at byte 4."""


def looks_like_sound(path: Path) -> bool:
    """Tell whether the first bytes are those of a container that Loa plays."""
    with path.open("rb") as file:
        head = file.read(12)
    return head.startswith(KNOWN_STARTS) or head[4:8] == b"ftyp"


def check_whole(path: Path, container: str) -> None:
    """Refuse a WAV or Ogg file whose end is missing or whose sizes contradict each other.

    *container* is FFmpeg's name of the format.

    Raises:
        SoundError: ``truncated`` or ``length``.
    """
    if container == "wav":
        _check_wav(path)
    elif container == "ogg":
        _check_ogg(path)


def is_length_declared(path: Path, container: str) -> bool:
    """Tell whether the container states a length, rather than FFmpeg guessing one from a bit rate.

    ADTS never does; MP3 does only in a Xing, Info or VBRI frame.
    """
    if container == "aac":
        return False
    if container != "mp3":
        return True
    with path.open("rb") as file:
        head = file.read(10)
        if head[:3] == b"ID3" and len(head) == 10:
            file.seek(10 + _syncsafe(head[6:10]))
        else:
            file.seek(0)
        first = file.read(2048)
    return any(mark in first for mark in (b"Xing", b"Info", b"VBRI"))


def _syncsafe(four: bytes) -> int:
    """Read an ID3v2 size: four times seven bits (ID3v2.4 structure, section 6.2)."""
    value = 0
    for byte in four:
        value = value << 7 | byte & 0x7F
    return value


def _check_wav(path: Path) -> None:
    size = path.stat().st_size
    with path.open("rb") as file:
        riff = file.read(12)
        if len(riff) < 12:
            raise SoundError("truncated", path, "no RIFF header")
        (promised,) = struct.unpack_from("<I", riff, 4)
        data = _data_chunk(file, size)
    if promised not in UNKNOWN_SIZE and promised + 8 > size:
        raise SoundError("truncated", path, f"{size} bytes of {promised + 8}")
    if data is None:
        raise SoundError("truncated", path, "no data chunk")
    start, length = data
    if length not in UNKNOWN_SIZE and start + length > size:
        raise SoundError("length", path, f"data chunk of {length} bytes, {size - start} there")


def _data_chunk(file: BinaryIO, size: int) -> tuple[int, int] | None:
    """Return where the data chunk begins and how long it says it is."""
    at = 12
    while at + 8 <= size:
        file.seek(at)
        name, length = struct.unpack("<4sI", file.read(8))
        if name == b"data":
            return at + 8, length
        at += 8 + length + length % 2
    return None


def _check_ogg(path: Path) -> None:
    """Look for a last page that is whole and says that it is the last (RFC 3533 section 6)."""
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - OGG_PAGE_MAX), os.SEEK_SET)
        tail = file.read()
    at = tail.rfind(b"OggS")
    if at < 0 or len(tail) < at + 27:
        raise SoundError("truncated", path, "no last page")
    flags, segments = tail[at + 5], tail[at + 26]
    lacing = tail[at + 27 : at + 27 + segments]
    if len(lacing) < segments or len(tail) < at + 27 + segments + sum(lacing):
        raise SoundError("truncated", path, "the last page is cut")
    if not flags & 4:
        raise SoundError("truncated", path, "the last page does not end the stream")
