"""The timekeeper: the clock ladder, fed with what the shell hears, its floor on the disk.

It hears the wall clock, RDS and the modem, reads and sets the battery clock, and says when the
server is to be asked. What the rungs are worth is decided in ``core/clock.py``.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Callable, Iterable
from typing import Any

from loa_endpoint.app.battery import BatteryKeeper
from loa_endpoint.core.battery import SECOND_MS, Standing
from loa_endpoint.core.clock import Clock, Disagreement, Reading
from loa_endpoint.core.clock_watch import ClockWatch
from loa_endpoint.core.rds_clock import clock_time_ms, station_to_hear
from loa_endpoint.host.battery_clock import BatteryClock
from loa_endpoint.host.clocks import monotonic_ms, wall_ms
from loa_endpoint.store.state import State
from loa_protocol.errors import StoreError
from loa_protocol.rds import Group
from loa_protocol.record import ClockTrust, Happening
from loa_protocol.trust import Now

log = logging.getLogger("loa.endpoint")

# The first release's date: no honest time is earlier. A later build may raise it.
BUILT_MS = 1_795_000_000_000
TICK_S = 5.0  # how often the wall clock is heard and the battery clock looked at
ASK_APART_S = 2.0  # however many want to know the time
_NONCE = "floor_nonce"
_NONCE_BYTES = 16


class Timekeeper:
    """Reads the clock for everybody, once a round."""

    def __init__(self, state: State, battery: BatteryClock | None = None) -> None:
        """Begin at the floor that was kept, or at the battery clock where it can be believed.

        Raises:
            StoreError: what was kept cannot be read.
        """
        self._state, self._began_ms = state, monotonic_ms()
        self._clock = Clock(floor_ms=state.floor_ms(), build_ms=BUILT_MS, mono_ms=self._began_ms)
        self._watch = ClockWatch()
        self._answered_ms: int | None = None
        self._wake = asyncio.Event()
        self._nonce = state.fact(_NONCE)
        self.on_happening: Callable[[Happening], object] = lambda _: None
        self.on_trust: Callable[[], object] = lambda: None  # it has changed
        self._trust = ClockTrust.T0
        self._battery = BatteryKeeper(battery, state)
        self._begin_by_battery()
        self._watch.on_reading(self.read())

    def read(self) -> Reading:
        """Return the time by the highest rung that holds."""
        return self._clock.read(monotonic_ms())

    def now(self) -> Now:
        """Return the time as the acceptance rule takes it."""
        reading = self.read()
        return Now(reading.unix_ms // 1000, reading.trust)

    def stamp(self) -> tuple[int, ClockTrust]:
        """Return the time as records take it."""
        reading = self.read()
        return reading.unix_ms, reading.trust

    # --- the server's answer

    @property
    def wants_answer(self) -> bool:
        """Whether it is time to ask the server for the time."""
        return self.asks_in_s <= 0.0

    @property
    def asks_in_s(self) -> float:
        """How many seconds from now the server is to be asked."""
        if self._answered_ms is None:
            return 0.0
        return (self._answered_ms + self._clock.ask_again_ms - monotonic_ms()) / 1000

    def want_answer(self) -> None:
        """Have the server asked for the time now: an alert waits for it, or there is doubt."""
        self._answered_ms = None
        self._wake.set()

    async def until_wanted(self, pause_s: float) -> None:
        """Wait for *pause_s*, or until somebody wants an answer before; never less than 2 s."""
        loop = asyncio.get_running_loop()
        not_before = loop.time() + min(ASK_APART_S, pause_s)
        try:
            await asyncio.wait_for(self._wake.wait(), pause_s)
        except TimeoutError:
            return
        await asyncio.sleep(max(0.0, not_before - loop.time()))
        self._wake.clear()

    def on_answer(self, unix_ms: int, *, asked_ms: int, answered_ms: int) -> bool:
        """Take an accepted time answer; tell whether it came quickly enough."""
        before = self.read()
        if not self._clock.on_answer(unix_ms, asked_ms=asked_ms, answered_ms=answered_ms):
            return False
        self._answered_ms = answered_ms
        self._wake.clear()
        self.save_floor()
        now = self.read()
        if now.trust is ClockTrust.T3:
            self._battery.set(now.unix_ms)
        moved = now.unix_ms - before.unix_ms
        log.info("time_known", extra={"trust": now.trust.name, "moved_ms": moved})
        self._look()
        self._tell_floor_ahead()
        return True

    # --- other times

    def allow_unsigned(self, lead_s: int) -> None:
        """Take the policy's word on unsigned clocks."""
        self._clock.allow_unsigned(lead_s)
        self._look()

    def on_signed_time(self, unix_ms: int) -> None:
        """Raise the floor by a head's time."""
        self._clock.on_signed_time(unix_ms, monotonic_ms())
        self.save_floor()
        self._look()

    def on_unsigned(self, source: str, unix_ms: int) -> None:
        """Hear a clock that nobody signed; what is wrong with it is told, and nothing moves."""
        mono_ms = monotonic_ms()
        found = self._clock.on_unsigned(source, unix_ms, mono_ms)
        told = self._watch.on_heard(source, found, mono_ms)
        for happening in told:
            self._tell(happening)
        if told and any(isinstance(each, Disagreement) for each in found):
            self.want_answer()  # trust.md section 2: a time answer at boot and on doubt
        self._look()

    def on_rds(self, group: Group) -> None:
        """Hear a group of RDS as it comes in; most carry no clock-time."""
        unix_ms = clock_time_ms(group)
        if unix_ms is not None:
            self.on_unsigned("rds", unix_ms)

    def station_to_hear(self, frequencies_khz: Iterable[int]) -> int | None:
        """Return on which of the stations to wait for its clock; None once the time is known."""
        now = self.read()
        if now.trust >= ClockTrust.T2:
            return None
        return station_to_hear(frequencies_khz, now.mono_ms - self._began_ms)

    def tick(self) -> None:
        """Hear the wall clock and look at the battery clock; every `TICK_S`."""
        self.on_unsigned("system", wall_ms())
        self._look_at_battery()

    # --- the floor

    def save_floor(self) -> None:
        """Keep the floor; it is on the disk when this returns.

        Raises:
            StoreError: the disk refuses.
        """
        self._state.raise_floor(self._clock.floor_ms(monotonic_ms()))

    def nonce(self) -> bytes:
        """Return what a command that resets the floor must carry; the same until one was used.

        It outlives a restart: two people need their time to sign.

        Raises:
            StoreError: a new one cannot be kept.
        """
        if self._nonce is None:
            nonce = secrets.token_bytes(_NONCE_BYTES)
            self._state.set_fact(_NONCE, nonce)
            self._nonce = nonce
        return self._nonce

    def reset_floor(self, unix_ms: int, nonce: bytes) -> bool:
        """Set the floor as an accepted command says; False where *nonce* is not ours, or was used.

        Raises:
            StoreError: it could not be kept, and the floor stays.
        """
        if nonce != self.nonce():
            return False
        self._state.set_fact(_NONCE, None)  # first: a nonce is never good for two resets
        self._nonce = None
        mono_ms = monotonic_ms()
        floor_ms = max(unix_ms, BUILT_MS)
        self._state.reset_floor(floor_ms)
        self._clock.reset_floor(floor_ms, mono_ms)
        self._battery.forget()
        detail = f"to {floor_ms} ms"
        log.warning("floor_reset", extra={"detail": detail})
        self._tell(Happening(name="floor_reset", detail=detail))
        self._look()
        self.want_answer()
        return True

    def facts(self) -> dict[str, Any]:
        """Return what a technician may want to know: where the time comes from, and why not."""
        now = self.read()
        return {
            "unix_ms": now.unix_ms,
            "trust": now.trust.name,
            "uncertainty_ms": now.uncertainty_ms if now.trust >= ClockTrust.T2 else None,
            "floor_ms": self._clock.floor_ms(now.mono_ms),
            "floor_ahead_ms": self._clock.floor_ahead_ms(now.mono_ms),
            "battery_clock": str(self._battery.standing),
            "unsigned": {
                source: {
                    "unix_ms": said.at(now.mono_ms),
                    "age_s": (now.mono_ms - said.mono_ms) // 1000,
                }
                for source, said in sorted(self._clock.said().items())
            },
            "nonce": self._shown_nonce(),
        }

    # --- inside

    def _begin_by_battery(self) -> None:
        said, error_ms = self._battery.read()
        if said is not None:
            # half a second on, the time is at most as far off as the whole second that it shows
            self._clock.on_battery(said.unix_ms + SECOND_MS // 2, monotonic_ms(), error_ms)

    def _look_at_battery(self) -> None:
        before = self._battery.standing
        self._battery.read()
        now = self._battery.standing
        if now in (Standing.STOPPED, Standing.CHANGED) and now is not before:
            told = self._watch.tell("battery_clock_lost", "", str(now), monotonic_ms())
            self._tell(told)
        reading = self.read()
        if reading.trust is ClockTrust.T3 and now not in (Standing.SOUND, Standing.ABSENT):
            self._battery.set(reading.unix_ms, again=True)

    def _look(self) -> None:
        """Tell of a step of our own time, whatever made it."""
        now = self.read()
        self._tell(self._watch.on_reading(now))
        if now.trust is not self._trust:
            self._trust = now.trust
            self.on_trust()

    def _tell_floor_ahead(self) -> None:
        mono_ms = monotonic_ms()
        ahead_ms = self._clock.floor_ahead_ms(mono_ms)
        if ahead_ms:
            detail = f"of a time answer by {ahead_ms} ms; nonce {self._shown_nonce()}"
            log.error("floor_ahead", extra={"detail": detail})
            self._tell(self._watch.tell("floor_ahead", "", detail, mono_ms))

    def _shown_nonce(self) -> str | None:
        try:
            return self.nonce().hex()
        except StoreError as error:
            log.error("store_failed", extra={"where": error.where, "why": error.why})
            return None

    def _tell(self, happening: Happening | None) -> None:
        if happening is not None:
            self.on_happening(happening)
