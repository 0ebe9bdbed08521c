"""Where the samples go: a WAV file, or nowhere. (Cards: `loa_endpoint.audio.portaudio`.)

A sink is opened once in the life of the player. Samples are numbered by the timeline; a number that
was never written is silence, so that the file stays true to time over stalls and restarts.
"""

from __future__ import annotations

import json
import os
import struct
import time
from pathlib import Path
from typing import Final, Protocol

import numpy as np

from loa_protocol.errors import ConfigError, StoreError
from loa_sound.blocks import CHUNK, RATE, Samples

HEADER_BYTES: Final = 44
SAMPLE_BYTES: Final = 2
MOST: Final = 2 * CHUNK
"""Samples written at once at most: 200 ms."""
MAX_DATA: Final = 0xFFFFFFFF - 36
"""Bytes that a WAV header can count: 12.4 hours. Longer files play on, their header stays here."""
_BOOT_ID: Final = Path("/proc/sys/kernel/random/boot_id")


class Sink(Protocol):
    """Something that takes blocks of samples for good.

    Sample *n* sounds at ``epoch_ns + n / RATE``: at the loudspeaker's side of the card, not when it
    was written. A card's own clock moves its `epoch_ns`, so an instant has to be worked out when it
    is needed, from the sample that is near it.
    """

    @property
    def paces(self) -> bool:
        """True where `write` returns when there is room; otherwise the caller keeps the time."""

    @property
    def block(self) -> int:
        """How many samples it is best given at once."""

    @property
    def epoch_ns(self) -> int:
        """CLOCK_MONOTONIC instant of sample 0 of the timeline, as judged by what sounds now."""

    @property
    def drift_ppm(self) -> float:
        """How much faster than nominal it plays, in millionths; 0 where there is no clock."""

    @property
    def xruns(self) -> int:
        """Times that it ran dry."""

    def write(self, sample: int, block: Samples) -> None:
        """Take *block*, whose first sample is number *sample* of the timeline.

        Raises:
            StoreError: It cannot be written.
            OSError: The device is gone.
        """

    def close(self) -> None:
        """Finish and give the device back."""


class NullSink:
    """Nowhere, at the rate of real time."""

    paces = False
    block = CHUNK
    xruns = 0
    drift_ppm = 0.0

    def __init__(self, epoch_ns: int) -> None:
        self.epoch_ns = epoch_ns

    def write(self, sample: int, block: Samples) -> None:
        """Drop *block*."""

    def close(self) -> None:
        """Do nothing."""


class PcmBuffer:
    """Float samples to signed 16-bit, into the same bytes every time."""

    def __init__(self) -> None:
        self._scaled = np.zeros(MOST, dtype=np.float32)
        self._pcm = np.zeros(MOST, dtype="<i2")
        self._silence = bytes(MOST * SAMPLE_BYTES)

    def convert(self, block: Samples) -> memoryview | bytes:
        """Return *block* as PCM, valid until the next call. Samples of a 16-bit file come back."""
        if not block.any():
            return self._silence[: len(block) * SAMPLE_BYTES]
        scaled, pcm = self._scaled[: len(block)], self._pcm[: len(block)]
        np.multiply(block, 32768.0, out=scaled)
        np.rint(scaled, out=scaled)
        np.clip(scaled, -32768.0, 32767.0, out=scaled)
        np.copyto(pcm, scaled, casting="unsafe")
        return pcm.data


class WavSink:
    """A 16-bit mono WAV file whose place in time is its place on the timeline.

    Every block is written and counted in the header at once, so the file is whole after a kill and
    a reader can follow it. Beside it lies ``<file>.epoch``, which tells a player started later in
    the same boot where sample 0 lies; the time in between is a hole in the file: silence. After a
    reboot the file goes on where it ended.
    """

    paces = False
    block = CHUNK
    xruns = 0
    drift_ppm = 0.0

    def __init__(self, path: Path, epoch_ns: int | None, now_ns: int) -> None:
        """Open *path*; *epoch_ns* sets sample 0 where the file is new.

        Raises:
            ConfigError: The file is there and is not one of ours, or cannot be opened.
        """
        self._path = path
        self._pcm = PcmBuffer()
        try:
            self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
            self._bytes = max(0, os.fstat(self._fd).st_size - HEADER_BYTES)
            head = os.pread(self._fd, HEADER_BYTES, 0)
            if head and head[:4] + head[8:40] != _header(0)[:4] + _header(0)[8:40]:
                raise ConfigError("sink", [f"{path} is there, and not a WAV file of the player's"])
            self.epoch_ns = self._find_epoch(epoch_ns, now_ns)
            self._write_header()
        except OSError as error:
            raise ConfigError("sink", [f"{path}: {error.strerror}"]) from error

    def write(self, sample: int, block: Samples) -> None:
        """Write *block* in its place."""
        data = self._pcm.convert(block)
        at = sample * SAMPLE_BYTES
        try:
            written = os.pwrite(self._fd, data, HEADER_BYTES + at)
            self._bytes = max(self._bytes, at + written)
            self._write_header()
        except OSError as error:
            raise StoreError(str(self._path), error.strerror or str(error)) from error

    def close(self) -> None:
        """Close the file."""
        os.close(self._fd)

    def _write_header(self) -> None:
        os.pwrite(self._fd, _header(min(self._bytes, MAX_DATA)), 0)

    def _find_epoch(self, epoch_ns: int | None, now_ns: int) -> int:
        """Return the instant of sample 0, and keep it beside the file."""
        note = self._path.with_name(self._path.name + ".epoch")
        boot = _BOOT_ID.read_text().strip()
        if self._bytes:
            kept = _read_note(note)
            if kept is not None and kept[0] == boot:
                return kept[1]
            epoch_ns = now_ns - self._bytes // SAMPLE_BYTES * 1_000_000_000 // RATE
        epoch_ns = now_ns if epoch_ns is None else epoch_ns
        unix_ns = time.time_ns() - time.monotonic_ns() + epoch_ns
        facts = {"boot_id": boot, "epoch_ns": epoch_ns, "unix_ns": unix_ns}
        note.write_text(json.dumps(facts) + "\n")
        return epoch_ns


def _header(data_bytes: int) -> bytes:
    """Return the 44 bytes of a WAV file: RIFF, one fmt chunk of PCM, one data chunk."""
    return struct.pack(
        "<4sI4s4sIHHIIHH4sI",
        b"RIFF",
        36 + data_bytes,
        b"WAVE",
        b"fmt ",
        16,
        1,
        1,
        RATE,
        RATE * SAMPLE_BYTES,
        SAMPLE_BYTES,
        8 * SAMPLE_BYTES,
        b"data",
        data_bytes,
    )


def _read_note(note: Path) -> tuple[str, int] | None:
    """Return boot and epoch; None where the note is missing or damaged, which loses no sound."""
    try:
        facts = json.loads(note.read_text())
        return str(facts["boot_id"]), int(facts["epoch_ns"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
