"""How often bearers were changed lately, and whether that forbids going back for a while."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator

from loa_protocol.parameters import FallbackParameters


class SwitchHistory:
    """Count switches in a sliding window and keep the hold they lead to."""

    def __init__(self, parameters: FallbackParameters) -> None:
        self._parameters = parameters
        self._times: deque[int] = deque(maxlen=parameters.flap_switches)
        self._hold_until_ms: int | None = None

    def add(self, now_ms: int) -> None:
        """Count a switch."""
        self._times.append(now_ms)

    def is_flapping(self, now_ms: int, *, coming: int = 0) -> bool:
        """Tell whether the switches of the window and *coming* ones reach the limit."""
        start_ms = now_ms - self._parameters.flap_window_ms
        recent = sum(time_ms > start_ms for time_ms in self._times)
        return recent + coming >= self._parameters.flap_switches

    def has_dwelt(self, now_ms: int) -> bool:
        """Tell whether the last switch is long enough ago for another unforced one."""
        return not self._times or now_ms >= self._times[-1] + self._parameters.dwell_ms

    def is_holding(self, now_ms: int) -> bool:
        """Tell whether a hold lasts."""
        return self._hold_until_ms is not None and now_ms < self._hold_until_ms

    def hold(self, now_ms: int) -> int:
        """Begin a hold, or go on with the one that lasts; return how long it still is."""
        if not self.is_holding(now_ms):
            self._hold_until_ms = now_ms + self._parameters.hold_ms
        assert self._hold_until_ms is not None
        return self._hold_until_ms - now_ms

    def release(self) -> None:
        """End the hold and begin to count anew."""
        self._hold_until_ms = None
        self._times.clear()

    def deadlines(self) -> Iterator[int]:
        """Give the times at which the dwell and the hold end."""
        if self._times:
            yield self._times[-1] + self._parameters.dwell_ms
        if self._hold_until_ms is not None:
            yield self._hold_until_ms
