"""One source that sounds: reading it in time, fading it, and never dropping a wave where it stands.

Pure: samples in, samples out. A source is asked for the position that the timeline gives, never for
"the next samples", so one that came late is still in its right place.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal, Protocol

import numpy as np

from loa_endpoint.audio.aligned import Aligned
from loa_sound.blocks import CHUNK, RATE, Samples

QUARTER_TURN: Final = float(np.pi / 2)
"""Fades turn an angle; gain is its sine, so two fades of one length keep the power even."""
DECLICK: Final = RATE // 200
"""5 ms: the shortest fade of something that sounds, so that no join is heard as a click."""
BREAK_FADE: Final = RATE // 50
"""20 ms: how a source that breaks goes out."""
PATIENCE: Final = 3 * RATE
"""A source that has delivered nothing for 3 s is given up."""
BREATH: Final = RATE // 4
"""An announcement of which nothing comes for 250 ms lets the programme come back meanwhile."""
CLICK: Final = 0.001
"""-60 dBFS: a sound that ends on a larger sample is led to zero over `DECLICK`."""

NEVER: Final = -1
Kind = Literal["started", "end", "faded", "broken"]
_STEPS: Final = np.arange(1, CHUNK + 1, dtype=np.float64)
"""Fades are worked out in double precision, so that the size of the blocks cannot be heard."""
_TAIL: Final = np.linspace(1, 0, DECLICK + 1, dtype=np.float32)[1:]


class Sound(Protocol):
    """Something that a voice reads from. Nothing here may wait: it is called between two blocks."""

    name: str
    gain: float
    live: bool
    """True where there is no position to ask for: a line-in gives what arrives."""

    @property
    def finish(self) -> int | None:
        """The position after the last sample, once it is known."""

    @property
    def failure(self) -> str:
        """Why there is nothing to read from `finish` on; empty for a proper end."""

    def is_ready(self, position: int, /) -> bool:
        """Tell whether enough is there from *position* on to start."""

    def aim(self, position: int, /) -> None:
        """Announce that reading will start at *position*."""

    def read(self, position: int, out: Samples, /) -> int:
        """Fill the start of *out* from *position* on, and return how many samples were there."""


@dataclass(frozen=True, slots=True)
class Happening:
    """A source started or ended.

    Attributes:
        sample: Of the timeline: the first in which it sounded, or the first in which it did not any
            more; `NEVER` when it did not at all.
        position: Of the source, at that sample.
    """

    kind: Kind
    sound: Sound
    sample: int
    position: int = 0
    detail: str = ""


@dataclass(slots=True)
class Voice:
    """A sound at a place on the timeline, with its fade.

    Attributes:
        offset: Position in the sound minus sample of the timeline.
        angle: Present place in the fade, 0 to a quarter turn.
        turn: Of the angle in a sample; below 0 while fading out, 0 while steady.
        leaving: It fades out, or has ended.
        gone: It will not be heard any more.
        outcome: How it ended, once it has.
        starvations: How often the sound was not there in time.
        is_over: It is an announcement, spoken over what plays.
        aligned: What keeps it on its instant; None where it has none.
    """

    sound: Sound
    offset: int
    angle: float = QUARTER_TURN
    turn: float = 0.0
    leaving: bool = False
    gone: bool = False
    outcome: Happening | None = None
    starvations: int = 0
    is_over: bool = False
    aligned: Aligned | None = None
    _breaking: bool = False
    _starved: int = 0
    _last: float = 0.0
    _tail: int = 0

    def leave(self, samples: int) -> None:
        """Begin to fade out over *samples*, from whatever gain there is."""
        self.leaving = True
        self.turn = -QUARTER_TURN / max(samples, DECLICK)

    def enter(self, samples: int) -> None:
        """Fade in over *samples* from whatever gain there is; 0 is full gain at once."""
        self.leaving = False
        self.turn = QUARTER_TURN / samples if samples else 0.0
        if not samples:
            self.angle = QUARTER_TURN

    def reenter(self) -> None:
        """Come in softly after a gap that nobody planned."""
        if not self.leaving:
            self.angle = 0.0
            self.enter(DECLICK)

    def render(self, now: int, out: Samples) -> None:
        """Fill *out* with what sounds from timeline sample *now* on."""
        sound, position = self.sound, now + self.offset
        finish = sound.finish
        if finish is not None and sound.failure and not self.leaving:
            self._fade_before_break(finish - position)
        count = 0 if self.outcome is not None else self._read(position, out)
        if count:
            if self._starved:
                self._starved = 0
                self.reenter()
            self._last = float(out[count - 1])
        if count < len(out):
            self._do_without(out[count:], now + count)
        if sound.gain != 1.0:
            np.multiply(out, sound.gain, out=out)
            if sound.gain > 1.0:  # else a signed gain would undo the policy's volume cap
                np.clip(out, -1.0, 1.0, out=out)
        if self.turn:
            self._fade(now, out)

    @property
    def ahead(self) -> int:
        """How many samples beyond what has sounded were read."""
        return 0 if self.aligned is None else self.aligned.ahead

    @property
    def level(self) -> float:
        """The size of the last sample of the sound, before gain and fades."""
        return abs(self._last)

    def is_heard(self, now: int) -> bool:
        """Tell whether it sounds from *now* on, and has not been dry for longer than a breath."""
        finish = self.sound.finish
        has_ended = finish is not None and now + self.offset >= finish
        return not (self.leaving or has_ended) and self._starved <= BREATH

    def next_cut(self) -> int | None:
        """Return the sample of the timeline at which it has to be looked at again.

        From there on a broken sound fades out; and with the end of an announcement the programme
        comes back.
        """
        finish = self.sound.finish
        if finish is None or not (self.sound.failure or self.is_over):
            return None
        return finish - self.offset - (BREAK_FADE if self.sound.failure else 0)

    def _read(self, position: int, out: Samples) -> int:
        if self.aligned is None:
            return self.sound.read(position, out)
        count, shift = self.aligned.read(self.sound, position, out)
        self.offset += shift
        return count

    def _fade_before_break(self, left: int) -> None:
        if left <= BREAK_FADE:
            self._breaking = True
            self.leave(left)

    def _do_without(self, rest: Samples, sample: int) -> None:
        """Fill what the sound could not: it has ended, or it is late."""
        finish = self.sound.finish
        if self.outcome is None and finish is not None and sample + self.offset >= finish:
            self._finish("broken" if self.sound.failure else "end", sample)
            self._tail = DECLICK if abs(self._last) > CLICK else 0
        elif self.outcome is None:
            if not self._starved:
                self.starvations += 1
                self._tail = DECLICK
            self._starved += len(rest)
            if self._starved > PATIENCE:
                self._finish("broken", sample, "starved: nothing decoded for 3 s")
        length = min(len(rest), self._tail)
        tail = _TAIL[DECLICK - self._tail :]
        rest[:length] = self._last * tail[:length]
        rest[length:] = 0
        self._tail -= length
        self.gone = self.gone or (self.outcome is not None and not self._tail)

    def _fade(self, now: int, out: Samples) -> None:
        angles = self.angle + self.turn * _STEPS[: len(out)]
        np.clip(angles, 0.0, QUARTER_TURN, out=angles)
        np.multiply(out, np.sin(angles), out=out)
        if self.leaving and angles[-1] <= 0:
            self.gone = True
            if self.outcome is None:
                sample = now + min(len(out), round(self.angle / -self.turn))
                self._finish("broken" if self._breaking else "faded", sample)
        elif self.turn > 0 and angles[-1] >= QUARTER_TURN:
            self.turn = 0.0
        self.angle = float(angles[-1])

    def _finish(self, kind: Kind, sample: int, detail: str = "") -> None:
        self.leaving = True
        if kind == "broken":
            detail = detail or self.sound.failure
        self.outcome = Happening(kind, self.sound, sample, sample + self.offset, detail)
