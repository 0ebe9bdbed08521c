"""The battery clock's keeper: reads it, sets it at full trust, and keeps the proof of that.

Best effort throughout: a board whose battery clock fails, or may not be set, is a board without.
"""

from __future__ import annotations

import logging

from loa_endpoint.core.battery import BatteryTime, Proof, Standing, judge
from loa_endpoint.host.battery_clock import BatteryClock, BatteryClockError
from loa_endpoint.host.clocks import boot_id, monotonic_ms
from loa_endpoint.store.state import State
from loa_protocol.errors import FormatError, StoreError

log = logging.getLogger("loa.endpoint")

_PROOF = "battery_clock"
_SET_AGAIN_MS = 3_600_000  # something that sets it too is not to be fought every minute


class BatteryKeeper:
    """One battery clock, or none."""

    def __init__(self, clock: BatteryClock | None, state: State) -> None:
        self._clock, self._state = clock, state
        self._boot = boot_id()
        self._proof = _read_proof(state)
        self._set_ms: int | None = None  # monotonic: when it was last tried to set it
        self._failure = ""  # the last, so that each is logged once
        self.standing = Standing.ABSENT

    def read(self) -> tuple[BatteryTime | None, int]:
        """Look at the clock; return its time where it can be believed, and how far it may be off.

        What it is found to be is in ``standing`` afterwards.
        """
        said = self._said()
        mono_ms = monotonic_ms()
        self.standing = judge(said, self._proof, boot=self._boot, mono_ms=mono_ms)
        if self.standing in (Standing.STOPPED, Standing.CHANGED):
            self._keep(None)  # what it says from here on is somebody else's word
        if said is None or self._proof is None or self.standing is not Standing.SOUND:
            return None, 0
        return said, self._proof.error_ms(said.unix_ms)

    def set(self, unix_ms: int, *, again: bool = False) -> None:
        """Set the clock to a time of full trust; with *again* only if that is an hour ago."""
        mono_ms = monotonic_ms()
        if self._clock is None or (again and not self._may_set_again(mono_ms)):
            return
        self._set_ms = mono_ms
        try:
            written_ms = self._clock.set(unix_ms)
        except BatteryClockError as error:
            self._fail(error)
            self._keep(None)
            return
        # In this order: cut off between the two, the old proof shows that the clock was changed.
        if self._keep(Proof(written_ms=written_ms, boot=self._boot, mono_ms=mono_ms)):
            self.standing = Standing.SOUND

    def forget(self) -> None:
        """Believe the clock no more: it was set by a time that was wrong."""
        self._keep(None)
        self.standing = Standing.ABSENT if self._clock is None else Standing.UNPROVEN

    def _may_set_again(self, mono_ms: int) -> bool:
        return self._set_ms is None or mono_ms - self._set_ms >= _SET_AGAIN_MS

    def _said(self) -> BatteryTime | None:
        if self._clock is None:
            return None
        try:
            said = self._clock.read()
        except BatteryClockError as error:
            self._fail(error)
            return None
        self._failure = ""
        return said

    def _fail(self, error: BatteryClockError) -> None:
        if error.why != self._failure:
            self._failure = error.why
            log.warning("battery_clock_failed", extra={"port": error.path, "why": error.why})

    def _keep(self, proof: Proof | None) -> bool:
        if proof == self._proof:
            return True
        self._proof = None  # where it cannot be kept, there is none
        try:
            self._state.set_fact(_PROOF, None if proof is None else proof.to_bytes())
        except StoreError as error:
            log.error("store_failed", extra={"where": error.where, "why": error.why})
            return False
        self._proof = proof
        return True


def _read_proof(state: State) -> Proof | None:
    data = state.fact(_PROOF)
    if data is None:
        return None
    try:
        return Proof.from_bytes(data)
    except FormatError:
        return None  # another version's, or damaged: it is proven anew at the next time answer
