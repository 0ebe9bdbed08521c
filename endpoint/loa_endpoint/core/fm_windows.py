"""The FM windows of the playlist in force: when, where and how loud FM may sound."""

from __future__ import annotations

from loa_endpoint.core.clock import Reading
from loa_endpoint.core.signed_bearer import fm_id
from loa_protocol.objects.playlist import FmWindow, Playlist
from loa_protocol.record import ClockTrust


class FmWindows:
    """Answers by the time alone; whether the station proves itself is asked elsewhere."""

    def __init__(self) -> None:
        self._windows: tuple[FmWindow, ...] = ()

    def on_programme(self, playlist: Playlist | None) -> None:
        """Know the windows."""
        self._windows = () if playlist is None else playlist.fm_windows

    def volume_cap(self, unix_ms: int) -> int:
        """Return the cap of those that are open at *unix_ms*; 0 where none is."""
        second = unix_ms // 1000
        return min((w.volume for w in self._windows if w.start <= second < w.end), default=0)

    def closing(self, now: Reading, early_ms: int) -> dict[str, int]:
        """Return when (unix s) those close that are open, or will be within *early_ms*.

        By the id of the FM bearer; unbroken rows are one. None is open on an untrusted clock.
        """
        closing: dict[str, int] = {}
        if now.trust < ClockTrust.T2:
            return closing
        for window in sorted(self._windows, key=lambda window: window.start):
            if window.start * 1000 - early_ms <= now.unix_ms < window.end * 1000:
                end = closing.setdefault(fm_id(window.frequency_khz), window.end)
                if window.start <= end:
                    closing[fm_id(window.frequency_khz)] = max(end, window.end)
        return closing

    def opens_ms(self, frequency_khz: int, unix_ms: int) -> int:
        """Return the first instant from *unix_ms* on at which FM may sound on a frequency."""
        mine = [w for w in self._windows if w.frequency_khz == frequency_khz]
        starts = (max(unix_ms, w.start * 1000) for w in mine if unix_ms < w.end * 1000)
        return min(starts, default=unix_ms)
