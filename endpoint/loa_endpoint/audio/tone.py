"""Sounds that nobody recorded: the attention tone before an alert, and a chime. No file, no thread.

Each sample follows from its position alone, so that such a sound is ready the moment it is asked
for and can be taken up anywhere, as after the loss of a player. Every one begins and ends at zero.

The attention tone alternates between 800 and 970 Hz, half a second each: the pair of alternating
tones of BS 5839-1 sounders (tables of makers' tones: Bosch PRAESENSA, Siemens FS720), within the
500 to 2500 Hz and the 0.5 to 4 pulses a second of ISO 7731. Both frequencies end a half second on a
whole wave, so that they join without a step.
"""

from __future__ import annotations

from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from loa_sound.blocks import RATE, Samples

Kind = Literal["attention", "chime"]

HIGH_HZ: Final = 970
LOW_HZ: Final = 800
HALF: Final = RATE // 2
EDGE: Final = RATE // 100
"""10 ms: how a tone comes and goes."""
PEAK: Final = 0.25
"""-12 dBFS: about -15 LUFS, over the -23 LUFS of what is spoken, and never limited."""
CHIME: Final = ((660.0, 0), (550.0, RATE // 2))
"""Hz of each bar that is struck, and when."""
CHIME_LENGTH: Final = 2 * RATE
_DECAY_S: Final = 0.4
_Floats = NDArray[np.float64]


class ToneSound:
    """A `loa_endpoint.audio.voice.Sound` that is worked out.

    Args:
        name: What the agent calls it.
        kind: Which.
        gain: Ratio.
        length: Samples of an attention tone; a chime has its own length.
    """

    live = False
    failure = ""

    def __init__(self, name: str, kind: Kind, *, gain: float, length: int) -> None:
        self.name, self.gain = name, gain
        self._wave = attention if kind == "attention" else chime
        self.finish: int | None = length if kind == "attention" else CHIME_LENGTH

    def is_ready(self, _position: int, /) -> bool:
        """Tell that it can start."""
        return True

    def aim(self, _position: int, /) -> None:
        """Do nothing: every place is as near as any other."""

    def read(self, position: int, out: Samples, /) -> int:
        """Fill *out* from *position* on; return how many samples there were to its end."""
        assert self.finish is not None  # it always is
        count = max(0, min(len(out), self.finish - position))
        at = np.arange(position, position + count, dtype=np.float64)
        left = self.finish - 1 - at
        edges = np.clip(np.minimum(at, left) / EDGE, 0.0, 1.0)
        out[:count] = PEAK * self._wave(at) * np.square(np.sin(edges * (np.pi / 2)))
        return count

    def close(self) -> None:
        """Do nothing: there is nothing to let go of."""


def attention(at: _Floats) -> _Floats:
    """Return the attention tone at the samples *at*, without edges, between -1 and 1."""
    hz = np.where(at // HALF % 2, LOW_HZ, HIGH_HZ)
    wave: _Floats = np.sin(2 * np.pi / RATE * hz * (at % HALF))
    return wave


def chime(at: _Floats) -> _Floats:
    """Return the chime at the samples *at*: two bars, struck one after the other."""
    wave: _Floats = np.zeros(len(at))
    for hz, struck in CHIME:
        since_s = np.maximum(at - struck, 0.0) / RATE
        rise = np.minimum(since_s * (RATE / EDGE), 1.0)
        wave += 0.5 * rise * np.exp(-since_s / _DECAY_S) * np.sin(2 * np.pi * hz * since_s)
    return wave
