"""The self-test a command asks for: a short low sound, and what player and line measured of it.

It is no play: nobody listens to it for its content, and it is in no figure. It waits until nothing
sounds, gives way to everything, and is refused while the endpoint is silenced.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from loa_endpoint.core.clock import Reading
from loa_endpoint.core.effect import (
    Effect,
    EndMeasure,
    Judge,
    Measure,
    Prepare,
    SetGain,
    Silence,
    SoundMedia,
    Tell,
)
from loa_endpoint.core.endings import WAIT_MS
from loa_endpoint.core.order_desk import OrderDesk
from loa_endpoint.core.orders import Step
from loa_endpoint.core.play import Measured
from loa_protocol.objects.command import Verb
from loa_protocol.record import Evidence, Happening

SOUND: Final = hashlib.sha256(b"loa/self-test/1").digest()  # names the sound the board makes itself
LENGTH_MS: Final = 3000
FREE_MS: Final = 10_000  # nothing may be about to begin
_FADE_MS = 50


@dataclass(slots=True, kw_only=True)
class _Test:
    order: bytes
    end_ms: int
    has_ended: bool = False
    measured: Measured | None = None
    evidence: tuple[Evidence, int] | None = None

    @property
    def name(self) -> str:
        return f"test-{self.order.hex()}"


class SelfTest:
    """Runs the self-tests of an order desk, one after the other."""

    def __init__(self, orders: OrderDesk) -> None:
        self._orders = orders
        self._test: _Test | None = None

    @property
    def is_under_way(self) -> bool:
        """Whether one sounds, or waits for what was measured."""
        return self._test is not None

    def refuse_all(self) -> list[Effect]:
        """Refuse what waits: the endpoint is silenced."""
        waiting = self._orders.waiting(Verb.SELF_TEST)
        each = (self._orders.step(order.id, Step.REFUSE, "silenced") for order in waiting)
        return [effect for effects in each for effect in effects]

    def on_round(self, now: Reading, *, may_begin: Callable[[], bool]) -> list[Effect]:
        """Begin what waits once nothing else sounds, and end what is over."""
        test = self._test
        if test is None:
            waiting = self._orders.waiting(Verb.SELF_TEST)
            return self._begin(waiting[0].id, now) if waiting and may_begin() else []
        if not test.has_ended:
            return self.stop(now) if now.mono_ms >= test.end_ms else []
        return self._finish() if now.mono_ms >= test.end_ms + WAIT_MS else []

    def stop(self, now: Reading) -> list[Effect]:
        """End the sound; what was measured up to here is told."""
        test = self._test
        if test is None or test.has_ended:
            return []
        test.has_ended, test.end_ms = True, now.mono_ms
        return [Silence(0, _FADE_MS), EndMeasure(test.name, now.mono_ms), Judge(None)]

    def on_measured(self, name: str, measured: Measured) -> list[Effect]:
        """Take what the player measured."""
        if self._test is None or name != self._test.name:
            return []
        self._test.measured = measured
        return self._finish() if self._test.evidence else []

    def on_evidence(self, name: str, grade: Evidence, confirmed_ms: int) -> list[Effect]:
        """Take what the line showed."""
        if self._test is None or name != self._test.name:
            return []
        self._test.evidence = (grade, confirmed_ms)
        return self._finish() if self._test.measured else []

    def _begin(self, order: bytes, now: Reading) -> list[Effect]:
        test = self._test = _Test(order=order, end_ms=now.mono_ms + LENGTH_MS)
        return [
            *self._orders.step(order, Step.BEGIN, "", begun_ms=now.unix_ms),
            Judge(test.name),
            Measure(test.name, now.mono_ms, (), is_declared=True),
            Prepare(test.name, SOUND, 0, 0),
            SetGain(0, 0, 0),
            SoundMedia(test.name, 0, 0, _FADE_MS, _FADE_MS),
        ]

    def _finish(self) -> list[Effect]:
        test, self._test = self._test, None
        assert test is not None  # callers have looked
        grade, confirmed_ms = test.evidence or (Evidence.UNVERIFIED, 0)
        parts = [f"line {grade.name.lower()} for {confirmed_ms} ms"]
        if test.measured is not None:
            loudness = test.measured.loudness_clufs
            written = "nothing" if loudness is None else f"{loudness / 100:.1f} LUFS"
            parts.append(f"written {written}, silent {test.measured.silent_ms} ms")
        detail = ", ".join(parts)
        told = Tell(Happening(name="self_test", detail=detail))
        return [told, *self._orders.step(test.order, Step.FINISH, detail)]
