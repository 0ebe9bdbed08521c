"""The wait for a fresh head: after boot and after an absence nothing scheduled begins at once.

A hold or an alert that was given meanwhile is to be obeyed first. The wait ends when a fresh head
and all that it names are here, and in any case when the policy's time is over: offline the endpoint
plays what it has. What is sounding goes on; only beginnings wait.
"""

from __future__ import annotations

STALE_HEAD_S = 3600  # trust.md section 2: an older head says nothing about now
VAIN_WAITS = 10  # after a wait in vain, so many lengths of it without another


class StartWait:
    """Until when nothing scheduled may begin. All times are of one monotonic clock, in ms.

    A broker that comes and goes could keep a village silent with waits that nothing ends. So a
    wait that no head ended is not followed by another for ten times its length.
    """

    def __init__(self, *, wait_s: int, booted_ms: int) -> None:
        """Begin with the wait after boot, of *wait_s* seconds (policy)."""
        self._wait_ms = wait_s * 1000
        self._began_ms = booted_ms
        self._until_ms = booted_ms + self._wait_ms
        self._is_caught_up = False  # since this wait began
        self._is_connected = False

    @property
    def hold_until_ms(self) -> int:
        """Before when nothing scheduled may begin; in the past once the wait is over."""
        return self._until_ms

    def on_policy(self, wait_s: int) -> None:
        """Know the policy's time; it holds from the next wait on."""
        self._wait_ms = wait_s * 1000

    def on_connection(self, is_connected: bool, mono_ms: int) -> bool:
        """Know whether the connection stands; tell whether it is back and a head is to be fetched.

        May be called as often as one likes.
        """
        was_connected, self._is_connected = self._is_connected, is_connected
        if was_connected or not is_connected:
            return False
        if self._is_caught_up or mono_ms >= self._began_ms + (1 + VAIN_WAITS) * self._wait_ms:
            self._began_ms, self._is_caught_up = mono_ms, False
            self._until_ms = mono_ms + self._wait_ms
        return True

    def on_caught_up(self, mono_ms: int, *, head_age_s: int | None) -> None:
        """All that the newest head names is here; *head_age_s* is None where there is none."""
        if head_age_s is None or head_age_s > STALE_HEAD_S:
            return
        self._is_caught_up = True
        self._until_ms = min(self._until_ms, mono_ms)
