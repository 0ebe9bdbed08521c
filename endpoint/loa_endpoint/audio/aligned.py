"""A sound that stays on its instant: which place of it belongs where, and reading it so.

The card's clock decides: it moves the instant at which a sample of the timeline sounds, and the
place of the sound follows (`loa_endpoint.audio.pace`). While there is nothing to correct, samples
are passed on as they are. Pure but for the sound that is read.
"""

from __future__ import annotations

from typing import Final, Protocol

import numpy as np

from loa_endpoint.audio.pace import MOST_PPM, SLOW_PPM, Pace
from loa_sound.blocks import CHUNK, RATE, Samples
from loa_sound.resampler_fine import HALF, interpolate

FAR: Final = RATE // 50
"""20 ms: two poles so far apart are heard as an echo in the field between them."""
_SECOND: Final = 1_000_000_000
_MOST_HELD: Final = CHUNK + 2 * HALF + 2 + CHUNK // 1000


class Source(Protocol):
    """What of a sound matters here."""

    @property
    def finish(self) -> int | None:
        """The position after the last sample, once it is known."""

    def is_ready(self, position: int, /) -> bool:
        """Tell whether enough is there from *position* on to start."""

    def read(self, position: int, out: Samples, /) -> int:
        """Fill the start of *out* from *position* on, and return how many samples were there."""


class Aligned:
    """The alignment of one voice.

    Attributes:
        late: By how many samples the sound lies behind its instant, as of the last `follow`.
        worst: The `late` of the greatest size since `take_worst`.
        is_told: Somebody was told that it is `FAR` off.
    """

    def __init__(self, position: int, at_ns: int) -> None:
        """Let *position* of the sound belong at *at_ns*, CLOCK_MONOTONIC."""
        self.late, self.worst = 0.0, 0.0
        self.is_told = False
        self._position, self._at_ns = position, at_ns
        self._pace = Pace()
        self._next: int | None = None  # position that follows what was read
        self._place = 0.0  # beyond `_next`, 0 up to 1
        self._held: Samples = np.zeros(_MOST_HELD, dtype=np.float32)
        self._count = HALF - 1  # in `_held`: what was read before `_next`, then what is to come
        self._is_bent = False
        self._pause = 0

    @property
    def ahead(self) -> int:
        """How many samples were read beyond the next to sound."""
        return self._count - (HALF - 1)

    def aim(self, position: int, at_ns: int) -> None:
        """Let another place belong at *at_ns*: another time was told. It is followed slowly."""
        self._position, self._at_ns = position, at_ns

    def first_sample(self, epoch_ns: int, position: int) -> int:
        """Return the sample of the timeline at which *position* is to sound.

        Args:
            epoch_ns: When sample 0 of the timeline sounded, by what sounds now.
            position: In the sound.
        """
        since = (self._at_ns - epoch_ns) * RATE + _SECOND // 2
        return since // _SECOND + position - self._position

    def follow(self, epoch_ns: int, offset: int) -> None:
        """See how far off the sound is.

        Args:
            epoch_ns: When sample 0 of the timeline sounded, by what sounds now.
            offset: Position in the sound minus sample of the timeline.
        """
        wanted = self._position + (epoch_ns - self._at_ns) * RATE / _SECOND
        self.late = wanted - offset - self._place
        if abs(self.late) > abs(self.worst):
            self.worst = self.late

    def take_worst(self) -> float:
        """Return the worst offset since the last call, in samples; it begins anew."""
        worst, self.worst = self.worst, self.late
        return worst

    def leap(self, source: Source, position: int, room: int) -> int:
        """Make good what is `FAR` off at once, as nothing is heard now; return the shift.

        A sound that is late goes on further on, if it is decoded that far; one that is early is
        silent until its time.

        Args:
            source: The sound.
            position: What would be read next.
            room: For so many samples silence is planned.
        """
        shift = int(self.late)
        if abs(shift) < FAR or self._pause or abs(shift) >= room:
            return 0
        if shift < 0:
            self._pause = -shift
            return 0
        return shift if source.is_ready(position + shift) else 0

    def read(self, source: Source, position: int, out: Samples) -> tuple[int, int]:
        """Fill the start of *out*.

        Args:
            source: What is read.
            position: In it, of the first sample.
            out: At most `CHUNK`.

        Returns:
            How many samples were there, and by how many positions more than that it went on.
        """
        if self._pause:
            silent = min(self._pause, len(out))
            out[:silent] = 0
            self._pause -= silent
            count, shift = self.read(source, position, out[silent:]) if not self._pause else (0, 0)
            return silent + count, shift - silent
        if position != self._next:
            self._begin_at(position)
        ppm = self._pace.follow(self.late, len(out))
        if not (ppm or self._is_bent):
            count = source.read(position, out)
            self._remember(out[:count])
            self._next = position + count
            return count, 0
        self._is_bent = True
        return self._read_bent(source, position, out, ppm)

    def _begin_at(self, position: int) -> None:
        self._next, self._place, self._is_bent = position, 0.0, False
        self._count = HALF - 1
        self._held[: HALF - 1] = 0

    def _remember(self, samples: Samples) -> None:
        """Keep the last samples, should what follows be read between them."""
        last = samples[1 - HALF :]
        keep = HALF - 1 - len(last)
        self._held[:keep] = self._held[len(last) : HALF - 1]
        self._held[keep : HALF - 1] = last

    def _read_bent(
        self, source: Source, position: int, out: Samples, ppm: float
    ) -> tuple[int, int]:
        step, end = self._step(ppm * 1e-6, len(out))
        there = self._fill(source, position, len(out) + int(end // 1))
        count = len(out)
        if there < count + int(end // 1):
            places = np.arange(count) + np.floor(self._place + step * np.arange(count))
            count = int(np.searchsorted(places, there))
            end = self._place + count * step
        if step or self._place:
            interpolate(self._held[: self._count], self._place, step, out[:count])
        else:
            out[:count] = self._held[HALF - 1 : HALF - 1 + count]
        shift = int(end // 1)
        self._drop(count + shift)
        self._next, self._place = position + count + shift, end - shift
        return count, shift

    def _step(self, step: float, samples: int) -> tuple[float, float]:
        """Return how much more than one sample each goes on, and where that ends.

        Where nothing is to be corrected any more it goes on to the nearest whole sample, so that
        the samples can be passed on as they are.
        """
        if step or not self._place:
            return step, self._place + samples * step
        left, most = round(self._place) - self._place, samples * SLOW_PPM * 1e-6
        if abs(left) <= most:
            return left / samples, float(round(self._place))
        step = SLOW_PPM * (1e-6 if left > 0 else -1e-6)
        return step, self._place + samples * step

    def _fill(self, source: Source, position: int, wanted: int) -> int:
        """Read what *wanted* positions need; return of how many of them there is sound."""
        finish, missing = source.finish, wanted + 2 * HALF - self._count
        if missing > 0:
            start = position + self._count - (HALF - 1)
            part = self._held[self._count : self._count + missing]
            got = source.read(start, part)
            if finish is not None and start + got >= finish:
                part[got:] = 0  # behind the end; what lies just before it still sounds
                got = missing
            self._count += got
        there = max(0, min(wanted, self._count - 2 * HALF))
        return there if finish is None else max(0, min(there, finish - position))

    def _drop(self, samples: int) -> None:
        rest = self._count - samples
        self._held[:rest] = self._held[samples : self._count].copy()
        self._count = rest


def off_by(late: float, drift_ppm: float) -> str:
    """Say how far off a sound is, for the records."""
    ms, word = abs(late) * 1000 / RATE, "late" if late > 0 else "early"
    said = f"{ms:.0f} ms {word}; corrected by {MOST_PPM:.0f} ppm at most"
    return f"{said}, and the card is off by {drift_ppm:+.0f} ppm" if drift_ppm else said
