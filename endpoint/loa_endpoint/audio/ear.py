"""The ear: a small microphone at the pole, or a tap on the loudspeaker line.

What it hears is compared with what was written and dropped. Sound is held for half a second, in
this process alone; what leaves it are numbers: how alike, how late, how loud, which pitch squeals.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from loa_endpoint.audio.line_in import Capture
from loa_endpoint.audio.messages import EarHeard, Event, Fault, SoundAlarm
from loa_sound.blocks import RATE, Samples
from loa_sound.likeness import LAGS, WINDOW, BandTrace, compare
from loa_sound.pcm import PcmRest
from loa_sound.squeal import SquealWatch

TURN: Final = RATE // 2
"""Samples of the timeline between two looks: each costs its way back into the caches."""
TURNS_PER_REPORT: Final = 2
DEAF_AFTER: Final = 3 * RATE
"""So long without a sample, or with nothing but zeros, and the microphone counts as gone."""


class Ear:
    """Compare what is heard with what is written. The audio loop calls it; nothing here waits."""

    def __init__(self, capture: Capture) -> None:
        """Listen to *capture*."""
        self._capture = capture
        self._rest = PcmRest()
        self._written: list[Samples] = []
        self._heard: list[Samples] = []
        self._since_turn = self._turns = 0
        self._said, self._trace = BandTrace(WINDOW + LAGS), BandTrace(WINDOW)
        self._squeals = SquealWatch()
        self._silent_for = 0
        self._is_deaf = False

    def wrote(self, block: Samples, now_ns: int) -> list[Event]:
        """Take the next samples that were written, and what was heard meanwhile.

        Returns:
            What there is to tell.
        """
        self._written.append(block.copy())  # the player's buffer is used again
        self._since_turn += len(block)
        events = self._listen()
        if self._since_turn >= TURN:
            events += self._turn(now_ns)
        return events

    def close(self) -> None:
        """Give the device back."""
        self._capture.close()

    def _listen(self) -> list[Event]:
        try:
            heard = self._rest.samples(self._capture.take())
        except OSError as error:  # said once; it is looked for again
            return [Fault(name="ear", detail=str(error)[:500])]
        if len(heard):
            self._heard.append(heard)
        return []

    def _turn(self, now_ns: int) -> list[Event]:
        """Look at the last half second."""
        written, heard = _join(self._written), _join(self._heard)
        self._written, self._heard = [], []
        self._since_turn = 0
        self._said.feed(written)
        self._squeals.wrote(written)
        self._silent_for = 0 if heard.any() else self._silent_for + len(written)
        self._trace.feed(heard)
        squeals = self._squeals.hear(heard)
        if self._silent_for >= TURN:
            squeals += self._squeals.clear()
        events = self._deafness(now_ns)
        events += [_alarm("squeal", each.active, each.hz, now_ns) for each in squeals]
        self._turns += 1
        if self._turns % TURNS_PER_REPORT == 0:
            events += self._report(now_ns)
        return events

    def _deafness(self, now_ns: int) -> list[Event]:
        is_deaf = self._silent_for >= DEAF_AFTER
        if is_deaf is self._is_deaf:
            return []
        self._is_deaf = is_deaf
        return [_alarm("ear_silent", is_deaf, 0.0, now_ns)]

    def _report(self, now_ns: int) -> list[Event]:
        if self._silent_for >= TURN:
            self._trace.clear()  # what comes next does not follow on what came before
        if self._trace.frames < WINDOW or self._said.frames < WINDOW + LAGS:
            return []
        found = compare(self._said.last(WINDOW + LAGS), self._trace.last(WINDOW))
        return [
            EarHeard(
                likeness=None if found.score is None else round(found.score, 3),
                matches=found.is_match,
                lag_ms=found.lag_ms,
                rms_dbfs=round(found.heard_dbfs, 1),
                at_ns=now_ns,
            )
        ]


def _alarm(name: str, active: bool, reading: float, now_ns: int) -> SoundAlarm:
    return SoundAlarm(name=name, active=active, reading=float(reading), at_ns=now_ns)


def _join(parts: list[Samples]) -> Samples:
    return np.concatenate(parts) if parts else np.zeros(0, dtype=np.float32)
