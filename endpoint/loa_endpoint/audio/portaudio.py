"""A sound card that plays, through PyAudio.

PortAudio asks for samples by a callback, which is told when they will sound and whether the card
ran dry; its blocking calls tell neither. It stalls without a word when a USB card is pulled: no
call comes any more and ``is_active`` stays true. Nothing here tries to notice; the supervisor does,
from samples that stop moving, and kills.
"""

from __future__ import annotations

import errno
import time
from collections.abc import Mapping
from typing import Final

from loa_endpoint.audio.card_clock import CardClock
from loa_endpoint.audio.card_feed import CardFeed
from loa_endpoint.audio.device import FRAMES, open_device
from loa_endpoint.audio.sink import PcmBuffer
from loa_sound.blocks import RATE, Samples

READY: Final = FRAMES + FRAMES // 2
"""Samples kept ready for the card beyond what PortAudio holds: the loop may be late by 75 ms."""
ASK_MS: Final = 100
"""How often a loop that waits for room looks whether there is still a stream."""
FIRST_S: Final = 1.0
"""A card that has not asked for anything by then may never do."""
DRAIN_S: Final = 0.5
_SECOND: Final = 1_000_000_000


class PortAudioSink:
    """A sound card that plays for as long as the player lives."""

    paces = True
    block = FRAMES

    def __init__(self, name: str) -> None:
        """Open the device called *name*, and learn when what it is given next will sound.

        Raises:
            ConfigError: PyAudio is not installed.
            OSError: It cannot be opened now.
        """
        self._name = name
        self._pcm, self._feed = PcmBuffer(), CardFeed()
        self._clock = CardClock(time.monotonic_ns())
        self.xruns = 0
        self._asked_ns = 0
        _, self._stream = open_device(name, output=True, stream_callback=self._give)
        self._expect_first()

    @property
    def epoch_ns(self) -> int:
        """CLOCK_MONOTONIC instant at which sample 0 came out of the card."""
        return self._clock.epoch_ns

    @property
    def drift_ppm(self) -> float:
        """How much too fast the card is."""
        return self._clock.drift_ppm

    def write(self, sample: int, block: Samples) -> None:
        """Hand *block* over, waiting until the card has taken what it was given before.

        Raises:
            OSError: The card has ended the stream.
        """
        while self._feed.held >= READY:
            self._feed.wait(ASK_MS)
            if not self._stream.is_active():
                raise OSError(errno.ENODEV, f"{self._name}: the card has gone")
        self._feed.put(sample, bytes(self._pcm.convert(block)))

    def close(self) -> None:
        """Let what was written sound, as far as the card takes it, and close."""
        end = time.monotonic() + DRAIN_S
        while self._feed.held and self._stream.is_active() and time.monotonic() < end:
            self._feed.wait(ASK_MS)
        if self._stream.is_active():
            self._stream.stop_stream()
        self._stream.close()
        self._feed.close()

    def _expect_first(self) -> None:
        """Wait until the card asks, so that the timeline is right before anything is planned."""
        end = time.monotonic() + FIRST_S
        while not self._asked_ns and time.monotonic() < end:
            self._feed.wait(ASK_MS)

    def _give(
        self, _input: None, frames: int, times: Mapping[str, float], flags: int
    ) -> tuple[bytes, int]:
        """Answer PortAudio, in a thread of its own that must not wait."""
        sounds_ns = _when_it_sounds(times)
        portion = self._feed.take(frames)
        dry = flags & _OUTPUT_UNDERFLOW and self._asked_ns
        if portion.first is not None:
            self._clock.read(portion.first, sounds_ns)
        elif not self._feed.has_begun:  # sample 0 comes with the next call
            self._clock = CardClock(sounds_ns + frames * _SECOND // RATE)
        if dry or portion.missing:
            self.xruns += 1
            self._clock.restart()
        self._asked_ns = sounds_ns
        return portion.data, _CONTINUE


_OUTPUT_UNDERFLOW: Final = 4
"""paOutputUnderflow of portaudio.h; PyAudio has it, but is not imported here."""
_CONTINUE: Final = 0


def _when_it_sounds(times: Mapping[str, float]) -> int:
    """Return the instant at which the first sample of a callback leaves the card.

    PortAudio tells it on the wall clock (19.6) or the monotonic one, whichever ALSA stamps with,
    and when it looked; so the age of that look is taken by the clock it is near.
    """
    looked_s, sounds_s = times["current_time"], times["output_buffer_dac_time"]
    now_ns = time.monotonic_ns()
    age_s = min(time.time() - looked_s, now_ns / _SECOND - looked_s, key=abs)
    if abs(age_s) > 1:  # neither: the wall clock was set this very moment
        age_s = 0.0
    return now_ns + round((sounds_s - looked_s - age_s) * _SECOND)


class PortAudioFileSink:
    """A device that takes samples faster than they sound; only in virtual time."""

    paces = True
    block = FRAMES
    xruns = 0
    drift_ppm = 0.0

    def __init__(self, name: str, epoch_ns: int) -> None:
        """Open the device called *name*; sample 0 of the timeline is at *epoch_ns*.

        Raises:
            ConfigError: PyAudio is not installed.
            OSError: It cannot be opened.
        """
        _, self._stream = open_device(name, output=True)
        self._pcm = PcmBuffer()
        self.epoch_ns = epoch_ns

    def write(self, _sample: int, block: Samples) -> None:
        """Hand *block* over."""
        self._stream.write(bytes(self._pcm.convert(block)), len(block), False)

    def close(self) -> None:
        """Close the stream."""
        self._stream.close()
