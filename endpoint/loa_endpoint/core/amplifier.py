"""The amplifier's sleep: awake before the first wanted sample, muted while it wakes, and never
asleep between two items of a session.

It has a wake time, measured at commissioning; what sounds earlier is clipped at the horn. So what
is planned wakes it ahead, and what has to sound at once (an alert's tone) is put off by what is
left of the wake time, and no further. It is unmuted when it is awake, while the samples are still
zero.
Nothing here waits for an answer of the amplifier: one that is dead holds up nothing for longer. An
agent that has just started does not know how it is, and wakes it.

Pure: instants are monotonic ms, or unix ms where they are compared with a schedule.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Final

from loa_endpoint.core.clock import Reading
from loa_endpoint.core.effect import (
    Effect,
    OpenLive,
    OpenTone,
    Prepare,
    SoundLineIn,
    SoundMedia,
)
from loa_endpoint.core.schedule import Planned

WAKE_MS: Final = 1000
"""Where none was measured: relays and soft start of the amplifiers that we know of stay below."""
BUS_MS: Final = 100
"""For the two writes on the bus: 9 ms each at 9600 bit/s, and a poll that may be under way."""
AHEAD_MS: Final = 2000
"""It is awake so long before a session begins."""
LOOK_MS: Final = 1000
"""How often the schedule is looked at."""


class State(enum.Enum):
    """How far it is from sounding."""

    ASLEEP = "asleep"
    WAKING = "waking"
    AWAKE = "awake"


class Event(enum.Enum):
    """What happens to it."""

    WANTED = "wanted"
    WAKE_ELAPSED = "wake elapsed"
    IDLE_ELAPSED = "idle elapsed"
    FELL_ASLEEP = "fell asleep"
    """Its power was gone: it says that it sleeps though we let it wake long ago."""


MOVES: Final[dict[tuple[State, Event], State]] = {
    (State.ASLEEP, Event.WANTED): State.WAKING,
    (State.ASLEEP, Event.WAKE_ELAPSED): State.ASLEEP,
    (State.ASLEEP, Event.IDLE_ELAPSED): State.ASLEEP,
    (State.ASLEEP, Event.FELL_ASLEEP): State.ASLEEP,
    (State.WAKING, Event.WANTED): State.WAKING,
    (State.WAKING, Event.WAKE_ELAPSED): State.AWAKE,
    (State.WAKING, Event.IDLE_ELAPSED): State.WAKING,  # it was wanted just now
    (State.WAKING, Event.FELL_ASLEEP): State.WAKING,  # an answer from before
    (State.AWAKE, Event.WANTED): State.AWAKE,
    (State.AWAKE, Event.WAKE_ELAPSED): State.AWAKE,
    (State.AWAKE, Event.IDLE_ELAPSED): State.ASLEEP,
    (State.AWAKE, Event.FELL_ASLEEP): State.WAKING,
}


class Amplifier:
    """When the amplifier sleeps, and what has to wait for it.

    Args:
        wake_ms: From the end of standby to the first undamaged sample; 0: `WAKE_MS`.
        idle_ms: Without sound for so long, and outside all sessions, it goes to sleep.
        now_ms: When this began.
    """

    def __init__(self, wake_ms: int, idle_ms: int, now_ms: int) -> None:
        self._wake_ms, self._idle_ms = wake_ms or WAKE_MS, idle_ms
        self.state = State.WAKING
        self._woken_ms = self._wanted_ms = now_ms
        self._look_ms: int | None = None

    @property
    def is_asleep(self) -> bool:
        """Whether it is to sleep."""
        return self.state is State.ASLEEP

    @property
    def is_muted(self) -> bool:
        """Whether it is to be mute: as long as it is not awake."""
        return self.state is not State.AWAKE

    def want(self, now_ms: int) -> None:
        """Hear that something sounds, or is about to."""
        self._wanted_ms = now_ms
        self._handle(Event.WANTED, now_ms)

    def follow(self, planned: Iterable[Planned], now: Reading) -> None:
        """Look at the schedule: during a session, and shortly before, it is awake."""
        if self._look_ms is not None and now.mono_ms < self._look_ms + LOOK_MS:
            return
        self._look_ms = now.mono_ms
        ahead_ms = self._wake_ms + AHEAD_MS
        for each in planned:
            begin_ms = each.session.start * 1000
            end_ms = begin_ms + each.session.duration_s * 1000
            if each.block is None and begin_ms - ahead_ms <= now.unix_ms < end_ms:
                self.want(now.mono_ms)
                return

    def lead(self, effects: Sequence[Effect], now_ms: int) -> list[Effect]:
        """Return *effects*, those that would sound before it is awake put off until it is.

        What has its place in time loses its beginning by that, what begins at once loses nothing.
        """
        if not any(isinstance(each, (*_AHEAD, *_SOUNDS)) for each in effects):
            return list(effects)
        self.want(now_ms)
        ready_ms = self.ready_ms(now_ms)
        return [_put_off(each, ready_ms, now_ms) for each in effects]

    def ready_ms(self, now_ms: int) -> int:
        """Return from when on samples reach the horn whole, if it is woken now at the latest."""
        if self.state is State.ASLEEP:
            return now_ms + self._wake_ms + BUS_MS
        return self._woken_ms + self._wake_ms + BUS_MS

    def fell_asleep(self, now_ms: int) -> None:
        """Hear from itself that it sleeps."""
        self._handle(Event.FELL_ASLEEP, now_ms)

    def tick(self, now_ms: int) -> None:
        """Let time pass."""
        if now_ms >= self._woken_ms + self._wake_ms:
            self._handle(Event.WAKE_ELAPSED, now_ms)
        if now_ms >= self._wanted_ms + self._idle_ms:
            self._handle(Event.IDLE_ELAPSED, now_ms)

    def next_deadline(self) -> int | None:
        """Return when :meth:`tick` has something to do."""
        match self.state:
            case State.ASLEEP:
                return None
            case State.WAKING:
                return self._woken_ms + self._wake_ms
            case State.AWAKE:
                return self._wanted_ms + self._idle_ms

    def _handle(self, event: Event, now_ms: int) -> None:
        before, self.state = self.state, MOVES[self.state, event]
        if self.state is State.WAKING and before is not State.WAKING:
            self._woken_ms = now_ms


_AHEAD: Final = (Prepare, OpenLive, OpenTone)
_SOUNDS: Final = (SoundMedia, SoundLineIn)


def _put_off(effect: Effect, ready_ms: int, now_ms: int) -> Effect:
    if not isinstance(effect, _SOUNDS) or max(effect.at_ms, now_ms) >= ready_ms:
        return effect
    if isinstance(effect, SoundMedia) and effect.at_ms:
        lost_ms = ready_ms - effect.at_ms
        return replace(effect, at_ms=ready_ms, position_ms=effect.position_ms + lost_ms)
    return replace(effect, at_ms=ready_ms)
