"""What sounds when: starts, stops, crossfades, announcements, volume. No clock, threads or files.

There are two parts: the programme, in which one sound takes the place of another, and what is said
over it. Each has its own volume, and the programme is lowered while something is said.

Time is the number of samples rendered so far. Every start, stop and ramp falls on its exact sample,
because `Mixer.render` cuts a block where one is due.
"""

from __future__ import annotations

import enum
import functools
from bisect import insort
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from loa_endpoint.audio.aligned import Aligned
from loa_endpoint.audio.duck import Duck, Ducking, Gain
from loa_endpoint.audio.profile import Horn, Shape
from loa_endpoint.audio.voice import DECLICK, NEVER, Happening, Sound, Voice
from loa_sound.blocks import CHUNK, RATE, Samples

LATE_LIMIT: Final = 10 * RATE
"""A source that is not ready 10 s after it should have started is given up."""
MAX_VOICES: Final = 8
"""Sounding together, those that fade out included."""
MAX_PLANS: Final = 256
HEADROOM: Final = 4.0
"""Where the mix is cut off, 12 dB above full scale: what comes below is the limiter's to tame."""


class Part(enum.Enum):
    """What a stop or a volume is about."""

    ALL = "all"
    PROGRAMME = "programme"
    OVER = "over"
    """What is said over the programme."""


@dataclass(slots=True)
class Start:
    """A sound that is to sound: *position* of it on *sample* of the timeline.

    Attributes:
        anchored: False when no instant was named: then it starts at *position* once it is ready.
        duck: An announcement: it sounds over the programme, which is lowered meanwhile.
        aligned: What keeps it on its instant.
    """

    sound: Sound
    sample: int
    position: int
    fade_in: int
    fade_out: int
    anchored: bool = True
    duck: Duck | None = None
    aligned: Aligned | None = None


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
        self._volumes = {Part.PROGRAMME: Gain(), Part.OVER: Gain()}
        self._shapes: dict[Part, Shape | None] = {Part.PROGRAMME: None, Part.OVER: None}
        self._ducking = Ducking()
        self._duck: Duck | None = None  # of the announcement that is heard, or about to be
        self._duck_from: int | None = None  # the sample at which an announcement is due
        self._happened: list[Happening] = []
        self._starvations = 0
        self._scratch: Samples = np.zeros(CHUNK, dtype=np.float32)
        self._over: Samples = np.zeros(CHUNK, dtype=np.float32)

    @property
    def current(self) -> Voice | None:
        """The voice that sounds and is not on its way out; the programme's before what is said."""
        staying = [voice for voice in reversed(self.voices) if not voice.leaving]
        return min(staying, key=lambda voice: voice.is_over, default=None)

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
        if start.duck is not None and start.anchored:
            self._plan(start.sample - start.duck.ramp, lambda: self._make_room(start))

    def retime(self, start: Start, sample: int) -> None:
        """Put off *start*, or bring it forward: its instant is another sample by now."""
        for plan in self._plans:
            if plan.start is start:
                start.sample, plan.sample = sample, max(sample, self.now)
        self._plans.sort()

    def stop(self, sample: int, fade: int, part: Part = Part.ALL) -> None:
        """Plan that *part* fades out at *sample*; what should have started by then will not."""
        self._plan(sample, lambda: self._stop(fade, part))

    def stop_all(self, fade: int, part: Part = Part.ALL) -> None:
        """Fade out now, and forget every planned start."""
        self._plans = [
            plan for plan in self._plans if plan.start is None or not _is_of(part, plan.start.duck)
        ]
        self._stop(fade, part)

    def set_volume(
        self, sample: int, gain_db: float, ramp: int, part: Part = Part.PROGRAMME
    ) -> None:
        """Plan that the volume moves to *gain_db* in even dB steps over *ramp* samples.

        Where nothing sounds it is there at once: what begins then must not be heard on the way.
        """
        for each in self._volumes if part is Part.ALL else (part,):
            self._plan(sample, functools.partial(self._move_volume, each, gain_db, ramp))

    def set_horn(self, *, is_on: bool) -> None:
        """Shape the sound for a horn loudspeaker, or leave it as it is; best done in silence."""
        for part, shape in self._shapes.items():
            if is_on != (shape is not None):
                self._shapes[part] = Horn() if is_on else None

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
        """Fill *out* with the next samples, `CHUNK` at a time, none of them beyond full scale."""
        at = 0
        while at < len(out):
            self.carry_out_due()
            self._follow_announcement()
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
        return min([CHUNK, *ahead])

    def _plan(self, sample: int, action: Callable[[], None], start: Start | None = None) -> None:
        self._numbers += 1
        insort(self._plans, _Plan(max(sample, self.now), self._numbers, action, start))

    def _stop(self, fade: int, part: Part) -> None:
        self._waiting = [start for start in self._waiting if not _is_of(part, start.duck)]
        for voice in self.voices:
            if not voice.leaving and part in (Part.ALL, _part_of(voice)):
                voice.leave(fade)
        if part is not Part.PROGRAMME:
            self._duck_from = None

    def _move_volume(self, part: Part, gain_db: float, ramp: int) -> None:
        if any(_part_of(voice) is part for voice in self.voices):
            self._volumes[part].move(gain_db, ramp)
        else:
            self._volumes[part].jump(gain_db)

    def _make_room(self, start: Start) -> None:
        """Lower the programme ahead of an announcement that will be there in time."""
        is_planned = any(plan.start is start for plan in self._plans)
        if is_planned and start.sound.is_ready(start.position):
            self._duck, self._duck_from = start.duck, start.sample

    def _follow_announcement(self) -> None:
        if self._duck_from is not None and self.now > self._duck_from:
            self._duck_from = None
        is_said = any(voice.is_over and voice.is_heard(self.now) for voice in self.voices)
        self._ducking.follow(self._duck if is_said or self._duck_from is not None else None)

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
                overtaken = [
                    other for other in self._waiting[: number + 1] if _is_alike(other, start)
                ]
                self._waiting = [each for each in self._waiting if each not in overtaken]
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
            is_rival = voice.is_over == (start.duck is not None)
            if voice is not mine and is_rival and not voice.leaving:
                voice.leave(start.fade_out)
        if start.duck is not None:
            self._duck = start.duck
        if mine is not None and mine.outcome is None:
            if start.sound.live:
                mine.offset = position - self.now
            mine.enter(max(start.fade_in, DECLICK))
        else:
            self._drop_excess()
            offset, is_over = position - self.now, start.duck is not None
            mine = Voice(start.sound, offset, 0.0, is_over=is_over, aligned=start.aligned)
            # What comes in mid-wave clicks, which was not what a fade of 0 asked for.
            is_amidst = position > 0 or start.sound.live or (late and start.anchored)
            mine.enter(max(start.fade_in, DECLICK if is_amidst else 0))
            self.voices.append(mine)
        self._happened.append(Happening("started", start.sound, self.now, position))

    def _drop_excess(self) -> None:
        """Keep the voices few when starts come faster than fades end."""
        for voice in [v for v in self.voices if v.leaving and v.angle <= 0]:
            self._remove(voice)
        while len(self.voices) >= MAX_VOICES:
            self._remove(min(self.voices, key=lambda voice: voice.angle))

    def _mix(self, out: Samples) -> None:
        self._render_part(Part.PROGRAMME, out)
        self._ducking.gain.apply(out)
        if any(voice.is_over for voice in self.voices):
            over = self._over[: len(out)]
            self._render_part(Part.OVER, over)
            np.add(out, over, out=out)
        else:
            self._volumes[Part.OVER].pass_by(len(out))
        np.clip(out, -HEADROOM, HEADROOM, out=out)
        for voice in [voice for voice in self.voices if voice.gone]:
            self._remove(voice)

    def _render_part(self, part: Part, out: Samples) -> None:
        """Fill *out* with all voices of *part*, shaped, at its volume."""
        voices = [voice for voice in self.voices if _part_of(voice) is part]
        if voices:
            voices[0].render(self.now, out)
        elif self._shapes[part] is None:
            out.fill(0)
            self._volumes[part].pass_by(len(out))
            return
        else:
            out.fill(0)
        for voice in voices[1:]:
            scratch = self._scratch[: len(out)]
            voice.render(self.now, scratch)
            np.add(out, scratch, out=out)
        if (shape := self._shapes[part]) is not None:
            shape.process(out)
        self._volumes[part].apply(out)

    def _remove(self, voice: Voice) -> None:
        position = self.now + voice.offset
        self._happened.append(voice.outcome or Happening("faded", voice.sound, self.now, position))
        self._starvations += voice.starvations
        self.voices = [other for other in self.voices if other is not voice]


def _unstarted(sound: Sound, position: int) -> Happening:
    return Happening("broken" if sound.failure else "end", sound, NEVER, position, sound.failure)


def _part_of(voice: Voice) -> Part:
    return Part.OVER if voice.is_over else Part.PROGRAMME


def _is_of(part: Part, duck: Duck | None) -> bool:
    return part is Part.ALL or (part is Part.OVER) == (duck is not None)


def _is_alike(first: Start, second: Start) -> bool:
    """Tell whether one takes the place of the other: both programme, or both announcements."""
    return (first.duck is None) == (second.duck is None)
