"""What sounds when: starts, stops, crossfades, volume. No clock, no threads, no files.

Time is the number of samples rendered so far. Every start, stop and ramp falls on its exact sample,
because `Mixer.render` cuts a block where one is due.
"""

from __future__ import annotations

from bisect import insort
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from loa_endpoint.audio.voice import DECLICK, NEVER, Happening, Sound, Voice
from loa_sound.blocks import CHUNK, RATE, Samples

LATE_LIMIT: Final = 10 * RATE
"""A source that is not ready 10 s after it should have started is given up."""
MAX_VOICES: Final = 8
"""Sounding together, those that fade out included."""
MAX_PLANS: Final = 256
MUTE_DB: Final = -100.0


@dataclass(slots=True)
class Start:
    """A sound that is to sound: *position* of it on *sample* of the timeline.

    Attributes:
        anchored: False when no instant was named: then it starts at *position* once it is ready.
    """

    sound: Sound
    sample: int
    position: int
    fade_in: int
    fade_out: int
    anchored: bool = True


@dataclass(slots=True, order=True)
class _Plan:
    sample: int
    number: int
    action: Callable[[], None] = field(compare=False)
    start: Start | None = field(compare=False)


class Mixer:
    """Mix what was told to sound into blocks.

    Attributes:
        now: The next sample to be rendered.
        voices: What sounds, oldest first.
    """

    def __init__(self, now: int = 0) -> None:
        self.now = now
        self.voices: list[Voice] = []
        self._waiting: list[Start] = []
        self._plans: list[_Plan] = []
        self._numbers = 0
        self._volume = _Volume()
        self._happened: list[Happening] = []
        self._starvations = 0
        self._scratch: Samples = np.zeros(CHUNK, dtype=np.float32)

    @property
    def current(self) -> Voice | None:
        """The voice that sounds and is not on its way out."""
        return next((voice for voice in reversed(self.voices) if not voice.leaving), None)

    @property
    def starvations(self) -> int:
        """How often a sound was not there in time."""
        return self._starvations + sum(voice.starvations for voice in self.voices)

    @property
    def is_full(self) -> bool:
        """No more can be planned until something has happened."""
        return len(self._plans) + len(self._waiting) >= MAX_PLANS

    def play(self, start: Start) -> None:
        """Plan *start*; its sound begins at once to decode towards it."""
        late = max(0, self.now - start.sample) if start.anchored else 0
        start.sound.aim(start.position + late)
        self._plan(start.sample, lambda: self._waiting.append(start), start)

    def stop(self, sample: int, fade: int) -> None:
        """Plan that everything fades out at *sample*; what should have started by then will not."""
        self._plan(sample, lambda: self._stop(fade))

    def stop_all(self, fade: int) -> None:
        """Fade out now, and forget every planned start."""
        self._plans = [plan for plan in self._plans if plan.start is None]
        self._stop(fade)

    def set_volume(self, sample: int, gain_db: float, ramp: int) -> None:
        """Plan that the volume moves to *gain_db* in even dB steps over *ramp* samples."""
        self._plan(sample, lambda: self._volume.move(gain_db, ramp))

    def at(self, sample: int, action: Callable[[], None]) -> None:
        """Plan that *action* is called when *sample* is the next to be rendered."""
        self._plan(sample, action)

    def uses(self, sound: Sound) -> bool:
        """Tell whether *sound* sounds or is planned to."""
        return self.voice_of(sound) is not None or any(
            start.sound is sound for start in self.starts_before(None)
        )

    def voice_of(self, sound: Sound) -> Voice | None:
        """Return the voice in which *sound* sounds."""
        return next((voice for voice in self.voices if voice.sound is sound), None)

    def starts_before(self, sample: int | None) -> list[Start]:
        """Return the starts that should come before *sample*; None for all of them."""
        planned = [p.start for p in self._plans if sample is None or p.sample < sample]
        return [*self._waiting, *(start for start in planned if start is not None)]

    @property
    def is_waiting(self) -> bool:
        """A sound should have started, and is not ready."""
        return bool(self._waiting)

    @property
    def is_idle(self) -> bool:
        """Nothing sounds, and nothing is planned."""
        return not (self.voices or self._waiting or self._plans)

    def forget(self, sound: Sound) -> None:
        """Forget every start of *sound* that has not come about."""
        self._waiting = [start for start in self._waiting if start.sound is not sound]
        self._plans = [p for p in self._plans if p.start is None or p.start.sound is not sound]

    def skip(self, samples: int) -> None:
        """Let time pass without sound, as the sink could not take it."""
        self.now += samples
        for voice in self.voices:
            voice.reenter()

    def take_happenings(self) -> list[Happening]:
        """Return what started and ended since the last call."""
        happened, self._happened = self._happened, []
        return happened

    def render(self, out: Samples) -> None:
        """Fill *out*, at most `CHUNK`, with the next samples, none of them beyond full scale."""
        at = 0
        while at < len(out):
            self.carry_out_due()
            count = min(len(out) - at, self._until_cut())
            self._mix(out[at : at + count])
            self.now += count
            at += count

    def carry_out_due(self) -> None:
        """Do what is planned for `now`; `render` does it too."""
        while self._plans and self._plans[0].sample <= self.now:
            self._plans.pop(0).action()
        if self._waiting:
            self._try_starts()

    def _until_cut(self) -> int:
        """Return how many samples can be mixed before something changes."""
        cuts = [voice.next_cut() for voice in self.voices if not voice.leaving]
        if self._plans:
            cuts.append(self._plans[0].sample)
        ahead = [cut - self.now for cut in cuts if cut is not None and cut > self.now]
        return min(ahead, default=CHUNK)

    def _plan(self, sample: int, action: Callable[[], None], start: Start | None = None) -> None:
        self._numbers += 1
        insort(self._plans, _Plan(max(sample, self.now), self._numbers, action, start))

    def _stop(self, fade: int) -> None:
        self._waiting.clear()
        for voice in self.voices:
            if not voice.leaving:
                voice.leave(fade)

    def _try_starts(self) -> None:
        """Start the newest sound that is ready; those that it overtakes are forgotten."""
        for number in range(len(self._waiting) - 1, -1, -1):
            start = self._waiting[number]
            late = self.now - start.sample
            position = start.position + (late if start.anchored else 0)
            finish = start.sound.finish
            if finish is not None and position >= finish:
                del self._waiting[number]
                self._happened.append(_unstarted(start.sound, position))
            elif start.sound.is_ready(position):
                del self._waiting[: number + 1]
                self._start(start, position, late)
                return
            elif late > LATE_LIMIT:
                del self._waiting[number]
                detail = "late: not decoded 10 s after its start"
                happening = Happening("broken", start.sound, NEVER, position, detail)
                self._happened.append(happening)
            elif self.voice_of(start.sound) is None:
                start.sound.aim(position)  # it may have been elsewhere when this was planned

    def _start(self, start: Start, position: int, late: int) -> None:
        mine = self.voice_of(start.sound)
        for voice in self.voices:
            if voice is not mine and not voice.leaving:
                voice.leave(start.fade_out)
        if mine is not None and mine.outcome is None:
            if start.sound.live:
                mine.offset = position - self.now
            mine.enter(max(start.fade_in, DECLICK))
        else:
            self._drop_excess()
            mine = Voice(start.sound, position - self.now, angle=0.0)
            # A late one comes in mid-wave, which was not what a fade of 0 asked for.
            mine.enter(max(start.fade_in, DECLICK if late and start.anchored else 0))
            self.voices.append(mine)
        self._happened.append(Happening("started", start.sound, self.now, position))

    def _drop_excess(self) -> None:
        """Keep the voices few when starts come faster than fades end."""
        for voice in [v for v in self.voices if v.leaving and v.angle <= 0]:
            self._remove(voice)
        while len(self.voices) >= MAX_VOICES:
            self._remove(min(self.voices, key=lambda voice: voice.angle))

    def _mix(self, out: Samples) -> None:
        if not self.voices:
            out.fill(0)
            self._volume.pass_by(len(out))
            return
        first, *others = self.voices
        first.render(self.now, out)
        for voice in others:
            scratch = self._scratch[: len(out)]
            voice.render(self.now, scratch)
            np.add(out, scratch, out=out)
        self._volume.apply(out)
        np.clip(out, -1.0, 1.0, out=out)
        for voice in [voice for voice in self.voices if voice.gone]:
            self._remove(voice)

    def _remove(self, voice: Voice) -> None:
        position = self.now + voice.offset
        self._happened.append(voice.outcome or Happening("faded", voice.sound, self.now, position))
        self._starvations += voice.starvations
        self.voices = [other for other in self.voices if other is not voice]


def _unstarted(sound: Sound, position: int) -> Happening:
    return Happening("broken" if sound.failure else "end", sound, NEVER, position, sound.failure)


class _Volume:
    """A gain that moves in even dB steps."""

    def __init__(self) -> None:
        self._db = self._target = self._step = 0.0
        self._left = 0
        self._ratio = 1.0

    def move(self, target: float, samples: int) -> None:
        self._target, self._left = target, max(samples, DECLICK)
        self._step = (target - self._db) / self._left

    def apply(self, out: Samples) -> None:
        if self._left:
            count = min(self._left, len(out))
            ramp = self._db + self._step * np.arange(1, count + 1, dtype=np.float64)
            np.multiply(out[:count], _to_ratio(ramp), out=out[:count], casting="same_kind")
            self.pass_by(count)
            out = out[count:]
        if self._ratio != 1.0 and len(out):
            np.multiply(out, self._ratio, out=out)

    def pass_by(self, samples: int) -> None:
        """Go on with the ramp where there is nothing to apply it to."""
        if not self._left:
            return
        count = min(self._left, samples)
        self._left -= count
        self._db = self._db + self._step * count if self._left else self._target
        self._ratio = float(_to_ratio(np.array([self._db]))[0])


def _to_ratio(db: NDArray[np.float64]) -> NDArray[np.float64]:
    ratio: NDArray[np.float64] = np.power(10.0, db / 20)
    ratio[db <= MUTE_DB] = 0
    return ratio
