"""A player, or a supervised one, on a simulated sound card, and what that card played."""

from __future__ import annotations

import asyncio
import pathlib
import time
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from loa_endpoint.audio import messages as m
from loa_endpoint.audio.supervisor import PlayerSupervisor
from loa_hwsim.sound_card.card import SoundCard, plug_in
from support.listening import SURE, place_of
from support.sound_files import Wave, noise, write_wav
from support.waiting import eventually

MS = 1_000_000
MEDIA_S = 60


def make_card(folder: pathlib.Path, *, ppm: float = 0.0, latency: int = 0) -> SoundCard:
    """Return a card called horn; ``asound.conf`` beside its folder is the configuration."""
    card = SoundCard(folder / "card", ppm=ppm, latency=latency)
    plug_in(folder, [card])
    return card


def config_of(card: SoundCard) -> str:
    """Return what ``ALSA_CONFIG_PATH`` has to be."""
    return str(card.folder.parent / "asound.conf")


def played(card: SoundCard) -> NDArray[np.int16]:
    """Return every sample that was handed over to *card*."""
    data = card.played.read_bytes() if card.played.exists() else b""
    return np.frombuffer(data[: len(data) // 2 * 2], dtype="<i2")


def murmur(seconds: float) -> Wave:
    """Make noise below 2 kHz: a resampler that moves it by half a sample leaves it alike."""
    smooth = np.full(16, 1 / 16, dtype=np.float32)
    return np.convolve(noise(seconds, 0.3), smooth, "same").astype(np.float32)


def find(part: NDArray[np.float32], whole: NDArray[np.int16]) -> int:
    """Return at which sample of *whole* *part* begins; a little resampling does not hide it.

    Raises:
        AssertionError: Nowhere.
    """
    place_ms, alike = place_of(part, (whole / 32_768).astype(np.float32))
    assert alike > SURE, f"not there: {alike:.2f} alike at best"
    return round(place_ms * 48)


class Pole:
    """As much of an agent as it takes: noise from its start on, again after each restart."""

    def __init__(self, folder: pathlib.Path, sink: str) -> None:
        self.media = write_wav(folder / "media.wav", murmur(MEDIA_S))
        self.lost: list[str] = []
        self.events: list[m.Event] = []
        self.start_ns = 0
        self.supervisor = PlayerSupervisor(sink, on_restart=self._replay)

    async def begin(self) -> None:
        """Start, and wait until it sounds."""
        await self.supervisor.start()
        self._listening = asyncio.create_task(self._listen())
        await self.supervisor.wait_ready(30)
        self.start_ns = time.monotonic_ns() + 600 * MS
        self._play()
        await eventually(lambda: self.sounding_since(0), within_s=30)

    async def _listen(self) -> None:
        async for event in self.supervisor.events():
            self.events.append(event)

    def _replay(self, reason: str) -> None:
        self.lost.append(reason)
        self._play()

    def _play(self) -> None:
        at_ns = max(self.start_ns, time.monotonic_ns())
        place = (at_ns - self.start_ns) // MS
        self.supervisor.send(m.Prepare(source="tin", path=str(self.media), position_ms=place))
        self.supervisor.send(m.Play(source="tin", at_ns=at_ns, position_ms=place, fade_in_ms=5))

    def sounding_since(self, instant_ns: int) -> int:
        """Return when something first began to sound after *instant_ns*; 0 for not yet.

        It counts once a later sign of life says that samples were written on and on.
        """
        begun = [
            event.at_ns
            for event in self.events
            if isinstance(event, m.Started) and event.at_ns > instant_ns
        ]
        beats = [event for event in self.events if isinstance(event, m.Beat) and event.source]
        is_alive = begun and beats and beats[-1].at_ns > begun[0] + 100 * MS
        return begun[0] if is_alive else 0

    async def survive(
        self, fail: Callable[[], object], mend: Callable[[], object], *, away_s: float
    ) -> float:
        """Let the device fail for a while; return how long after it is back there is sound, s."""
        lost = len(self.lost)
        fail()
        failed_ns = time.monotonic_ns()
        await asyncio.sleep(away_s)  # how long it is away, not a wait for anything
        mend()
        mended_ns = time.monotonic_ns()
        await eventually(lambda: self._back_ns(failed_ns, mended_ns), within_s=60)
        assert len(self.lost) > lost
        return (self._back_ns(failed_ns, mended_ns) - mended_ns) / 1e9

    def _back_ns(self, failed_ns: int, mended_ns: int) -> int:
        """Return when it sounded again; 0 for not yet.

        A player that waited on a device that stood still began before that was mended, as far as it
        knows; then it is the first sign of life with sound in it that counts, at most 200 ms late.
        """
        begun = self.sounding_since(failed_ns)
        if not begun or begun > mended_ns:
            return begun
        beats = [event for event in self.events if isinstance(event, m.Beat) and event.source]
        return next((beat.at_ns for beat in beats if beat.at_ns > mended_ns), 0)

    async def end(self) -> None:
        """Stop, and leave nothing behind."""
        await self.supervisor.stop()
        await self._listening
