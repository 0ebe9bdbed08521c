"""An event loop whose time is a number: it never waits, it jumps to the next thing that is due.

Work that the agent gives to threads is done at once, in the loop's own thread, so that a run with
the same seed is the same run.
"""

from __future__ import annotations

import asyncio
import math
import selectors
import time
from dataclasses import dataclass
from typing import Any

import pytest

_LEAST_NS = 1000  # no step is shorter, or rounding could keep the loop at one instant
SECOND_NS = 1_000_000_000


@dataclass
class VirtualClock:
    """Monotonic time, and the true time of the day; what the board's wall clock shows is a lie."""

    mono_ns: int
    ahead_ns: int  # true unix time less monotonic time
    wall_lie_ms: int = 0

    @property
    def mono_ms(self) -> int:
        return self.mono_ns // 1_000_000

    @property
    def unix_ms(self) -> int:
        return (self.mono_ns + self.ahead_ns) // 1_000_000

    @property
    def unix_s(self) -> int:
        return self.unix_ms // 1000

    def at_unix_ms(self, mono_ns: int) -> int:
        """Return the true unix ms of a monotonic instant."""
        return (mono_ns + self.ahead_ns) // 1_000_000

    def install(self, patch: pytest.MonkeyPatch) -> None:
        """Let the agent read this clock; what Python itself waits by stays real."""
        patch.setattr(time, "monotonic_ns", lambda: self.mono_ns)
        patch.setattr(time, "time_ns", lambda: (self.unix_ms + self.wall_lie_ms) * 1_000_000)


class _Selector(selectors.DefaultSelector):
    def __init__(self, clock: VirtualClock) -> None:
        super().__init__()
        self._clock = clock

    def select(self, timeout: float | None = None) -> list[Any]:
        ready = super().select(0)
        if ready or timeout == 0:
            return ready
        assert timeout is not None, "everything waits, and nothing is due"
        self._clock.mono_ns += max(_LEAST_NS, math.ceil(timeout * SECOND_NS))
        return ready


class VirtualLoop(asyncio.SelectorEventLoop):
    """Runs on a virtual clock."""

    def __init__(self, clock: VirtualClock) -> None:
        super().__init__(_Selector(clock))
        self._virtual = clock

    def time(self) -> float:
        """Return the virtual time, in seconds."""
        return self._virtual.mono_ns / SECOND_NS

    def run_in_executor(  # type: ignore[override]  # what comes back is not typed here
        self, executor: Any, func: Any, *args: Any
    ) -> Any:
        """Do it now; what it raises is raised here, which is where it is awaited."""
        done = self.create_future()
        done.set_result(func(*args))
        return done

    def add_signal_handler(  # type: ignore[override]  # nothing is called, so nothing is typed
        self, sig: int, callback: Any, *args: Any
    ) -> None:
        """Leave the test's own signals alone."""

    def remove_signal_handler(self, sig: int) -> bool:
        """There is none."""
        return False
