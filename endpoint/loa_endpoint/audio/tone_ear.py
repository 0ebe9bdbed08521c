"""How loud one pitch is in a microphone, told as it goes, by a small process of its own.

    python -m loa_endpoint.audio.tone_ear fifo:ear 1000

prints a line each 20 ms: the instant of CLOCK_MONOTONIC in ms at which that piece ended, and the
amplitude of the pitch in millionths of full scale. The sound itself goes nowhere.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from typing import Final

import numpy as np

from loa_endpoint.audio.child import end_with_parent
from loa_endpoint.audio.player import find_capture
from loa_protocol.errors import ConfigError
from loa_sound.blocks import RATE
from loa_sound.pcm import PcmRest

PIECE: Final = RATE // 50
PAUSE_S: Final = 0.01


class ToneEar:
    """Cut what a microphone delivers into pieces, and measure one pitch in each.

    A device delivers in bursts: what came earliest for its place says when a place was heard.
    """

    def __init__(self, hz: float) -> None:
        turn = np.exp(-2j * np.pi * hz * np.arange(PIECE) / RATE)
        self._turn = turn * np.hanning(PIECE) / (np.hanning(PIECE).sum() / 2)
        self._rest, self._held = PcmRest(), np.zeros(0, dtype=np.float32)
        self._count = 0
        self._began_ms: float | None = None

    def hear(self, data: bytes, now_ms: float) -> Iterator[tuple[int, int]]:
        """Take 16-bit samples that have come by *now_ms*; yield instant and amplitude."""
        self._held = np.concatenate((self._held, self._rest.samples(data)))
        arrived_ms = (self._count + len(self._held)) * 1000 / RATE
        began_ms = now_ms - arrived_ms
        self._began_ms = began_ms if self._began_ms is None else min(began_ms, self._began_ms)
        while len(self._held) >= PIECE:
            piece, self._held = self._held[:PIECE], self._held[PIECE:]
            self._count += PIECE
            amplitude = abs(complex(np.dot(piece, self._turn)))
            yield round(self._began_ms + self._count * 1000 / RATE), round(amplitude * 1e6)


def main(arguments: list[str]) -> int:
    """Run the process until nobody listens any more; 1 where the microphone is not there."""
    end_with_parent()
    ear = ToneEar(float(arguments[1]))
    try:
        capture = find_capture(arguments[0])()
        while True:
            data = capture.take()
            for at_ms, level in ear.hear(data, time.monotonic_ns() / 1e6):
                sys.stdout.write(f"{at_ms} {level}\n")
            sys.stdout.flush()
            time.sleep(PAUSE_S)
    except (ConfigError, OSError) as error:
        sys.stderr.write(f"{error}\n")
        return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
