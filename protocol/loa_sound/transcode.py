"""Any sound that Loa plays into mono Ogg/Opus, the form in which media travel."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

import av
import numpy as np

from loa_sound.blocks import BLOCK, RATE, Samples
from loa_sound.decoder import decode
from loa_sound.errors import SoundError
from loa_sound.meters import Chunker
from loa_sound.trimming import Cut

BIT_RATES: Final = range(6_000, 256_001)
"""Bits a second for one channel (RFC 6716 section 2.1.1 and libopus)."""


def transcode_to_opus(
    source: Path, target: Path, bit_rate: int = 32_000, *, cut: Cut | None = None
) -> None:
    """Write *source*, or what *cut* leaves of it, as mono Ogg/Opus to *target*, or nothing at all.

    The same source and bit rate give the same bytes with the same FFmpeg, so that a file's hash
    does not change for nothing.

    Raises:
        SoundError: *source* is refused; *target* is as before.
        ValueError: *bit_rate* is outside `BIT_RATES`.
    """
    if bit_rate not in BIT_RATES:
        raise ValueError(f"bit rate {bit_rate}: must be in 6000-256000")
    partial = target.with_name(target.name + ".part")
    try:
        _encode(decode(source) if cut is None else _kept(source, cut), partial, bit_rate)
        partial.replace(target)
    except av.error.FFmpegError as error:
        raise SoundError("damaged", source, error.strerror or "cannot be encoded") from error
    finally:
        partial.unlink(missing_ok=True)


def encode_opus(blocks: Iterable[Samples], target: Path, bit_rate: int) -> None:
    """Write *blocks* of 20 ms (the last may be shorter) as mono Ogg/Opus, or nothing at all.

    Raises:
        SoundError: where the blocks come from is refused; *target* is as before.
        OSError: *target* cannot be written.
    """
    partial = target.with_name(target.name + ".part")
    try:
        _encode(blocks, partial, bit_rate)
        partial.replace(target)
    finally:
        partial.unlink(missing_ok=True)


def _kept(source: Path, cut: Cut) -> Iterator[Samples]:
    """Yield what *cut* leaves of *source*, in blocks; the rest is decoded, since it may lie."""
    blocks, at = Chunker(BLOCK), 0
    for block in decode(source):
        inside = block[max(0, cut.start - at) : max(0, cut.end - at)]
        yield from blocks.feed(inside)
        at += len(block)
    if len(rest := blocks.rest()):
        yield rest


def _encode(blocks: Iterable[Samples], partial: Path, bit_rate: int) -> None:
    # Without "bitexact" the Ogg serial number is random.
    with av.open(
        f"file:{partial}", "w", format="ogg", container_options={"fflags": "+bitexact"}
    ) as out:
        stream = out.add_stream("libopus", rate=RATE, layout="mono")
        stream.bit_rate = bit_rate
        stream.format = av.AudioFormat("flt")
        for at, block in enumerate(blocks):
            for packet in stream.encode(_to_frame(block, at * BLOCK)):
                out.mux(packet)
        for packet in stream.encode(None):
            out.mux(packet)


def _to_frame(block: Samples, at: int) -> av.AudioFrame:
    samples = np.clip(block, -1.0, 1.0).reshape(1, -1)
    frame = av.AudioFrame.from_ndarray(samples, format="flt", layout="mono")
    frame.sample_rate, frame.pts = RATE, at
    return frame
