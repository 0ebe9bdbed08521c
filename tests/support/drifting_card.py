"""Desks on cards whose clocks are off, in virtual time; and what was heard of a sound when."""

from __future__ import annotations

import pathlib
from collections.abc import Callable

import numpy as np

from loa_endpoint.audio import messages as m
from loa_endpoint.audio.card_clock import CardClock
from loa_endpoint.audio.desk import Desk
from loa_endpoint.audio.mixer import Mixer
from loa_sound.blocks import CHUNK, RATE, Samples

EPOCH = 7_000_000_000_000
SECOND = 1_000_000_000
BUFFERED = 3 * CHUNK // 2  # samples between what is rendered and what sounds
WINDOW = 4096


class DriftingCard:
    """A card that plays *ppm* too fast, and says when a sample sounds with *jitter_ns* of noise."""

    def __init__(self, ppm: float, *, jitter_ns: float = 100_000, seed: int = 1) -> None:
        self.ppm = ppm
        self._noise = np.random.default_rng(seed)
        self._jitter_ns = jitter_ns
        self._clock = CardClock(EPOCH)
        self._dry_ns = 0

    @property
    def epoch_ns(self) -> int:
        return self._clock.epoch_ns

    @property
    def drift_ppm(self) -> float:
        return self._clock.drift_ppm

    def sounds_at(self, sample: int) -> int:
        """Return when *sample* really sounds."""
        return self._begin_ns + round(sample * SECOND / (RATE * (1 + self.ppm * 1e-6)))

    def sample_at(self, instant_ns: int) -> int:
        return round((instant_ns - self._begin_ns) / SECOND * RATE * (1 + self.ppm * 1e-6))

    def run_dry(self, ns: int) -> None:
        """Stand still for *ns*: everything sounds so much later."""
        self._dry_ns += ns
        self._clock.restart()

    @property
    def _begin_ns(self) -> int:
        return EPOCH + self._dry_ns

    def take(self, rendered: int) -> None:
        """Say when what sounds now sounds."""
        sample = max(0, rendered - BUFFERED)
        off = round(self._noise.normal(0, self._jitter_ns))
        self._clock.read(sample, self.sounds_at(sample) + off)


class Pole:
    """A desk on a drifting card, with everything that it wrote."""

    def __init__(self, card: DriftingCard) -> None:
        self.card, self.events = card, list[m.Event]()
        self.desk = Desk(Mixer(), card, self.events.append, None)
        self.heard: list[Samples] = []

    def prepare(self, name: str, path: pathlib.Path) -> None:
        self.desk.handle(m.Prepare(source=name, path=str(path)))

    def do(self, *commands: m.Command) -> None:
        for command in commands:
            self.desk.handle(command)

    def render(self, seconds: float, each: Callable[[int], None] = lambda _: None) -> None:
        """Render blocks of a card, half a chunk each; *each* is called before, with the sample."""
        for _ in range(round(seconds * RATE / (CHUNK // 2))):
            each(self.desk.now)
            self.card.take(self.desk.now)
            self.desk.sink_drift_ppm = self.card.drift_ppm
            self.desk.wait_for_sounds(CHUNK // 2)
            block = np.zeros(CHUNK // 2, dtype=np.float32)
            self.desk.render(block)
            self.heard.append(block)

    @property
    def written(self) -> Samples:
        return np.concatenate(self.heard)

    def told(self, kind: type[m.Message]) -> list[m.Event]:
        return [event for event in self.events if isinstance(event, kind)]

    def late_ms(self, sound: Samples, start_ns: int, instant_ns: int) -> float:
        """Return how late the place of *sound* that belongs at an instant was heard there.

        By correlation of what was written, to a sample; *sound* began at *start_ns*.
        """
        begin = self.card.sample_at(instant_ns)
        part = self.written[begin : begin + WINDOW].astype(np.float64)
        place = round((instant_ns - start_ns) / SECOND * RATE)
        reach = RATE // 4
        low = max(0, place - reach)
        around = sound[low : place + reach + WINDOW].astype(np.float64)
        size = 1 << (len(around) + WINDOW).bit_length()
        match = np.fft.irfft(np.fft.rfft(around, size) * np.conj(np.fft.rfft(part, size)), size)
        found = low + int(np.argmax(match[: len(around) - WINDOW]))
        return (place - found) * 1000 / RATE
