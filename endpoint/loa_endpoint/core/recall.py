"""Recalls: which files of the black box answer a command, and how fast they may go. Pure.

A recall is answered as often as it takes: what the server has already is not sent again, and a
restart or a lost link costs one piece. Over a mobile link it is slow on purpose: the SIM's quota
and the next playlist come first.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from loa_endpoint.core.black_box import Segment, between
from loa_endpoint.core.orders import Kept
from loa_protocol.objects.command import Command
from loa_protocol.recall import MOST_BYTES, MOST_FILES, Offer, Offered

MOBILE_BYTES_S: Final = 8_000
"""64 kbit/s: ten minutes of sound in two."""
MOBILE_DAY: Final = 20_000_000
"""Bytes in 24 hours: four hours of sound, and 0.6 GB in the worst month."""
FIXED_BYTES_S: Final = 500_000
SETTLE_MS: Final = 75_000
"""After so long the files of a minute are closed, and on the disk."""
_DAY_MS: Final = 86_400_000


@dataclass(frozen=True, slots=True)
class Span:
    """The time that a recall asks for, unix ms."""

    since_ms: int
    until_ms: int


def span_of(order: Kept) -> Span:
    """Return what the recall *order* asks for."""
    body = order.body
    assert isinstance(body, Command)
    assert body.since is not None  # Command.check has seen to it
    return Span(body.since * 1000, (body.since + body.duration_s) * 1000)


def is_ripe(order: Kept, now_ms: int, *, is_playing: bool) -> bool:
    """Tell whether the file of the last minute it asks for is closed; it is where nothing plays."""
    return not is_playing or now_ms >= span_of(order).until_ms + SETTLE_MS


def offer_of(segments: Iterable[Segment], span: Span) -> Offer:
    """Return what there is of *span*; the oldest, where it is more than an offer holds."""
    found = between(segments, span.since_ms, span.until_ms)
    return Offer(
        files=tuple(
            Offered(
                start_ms=each.start_ms,
                duration_ms=each.duration_ms,
                sha256=each.sha256,
                size=each.size,
            )
            for each in found
            if 0 < each.size <= MOST_BYTES
        )[:MOST_FILES]
    )


class Pace:
    """How long to wait before the next piece."""

    def __init__(self, *, is_mobile: bool) -> None:
        """Know whether each byte costs."""
        self._is_mobile = is_mobile
        self._free_ms = 0  # monotonic: before that nothing is sent
        self._day_ms: int | None = None  # when the present day of the quota began
        self._used = 0

    def wait_ms(self, now_ms: int) -> int:
        """Return how long nothing may be sent yet, at monotonic *now_ms*."""
        if self._day_ms is not None and now_ms - self._day_ms >= _DAY_MS:
            self._day_ms, self._used = None, 0
        is_used_up = self._is_mobile and self._used >= MOBILE_DAY and self._day_ms is not None
        quota_ms = (self._day_ms or 0) + _DAY_MS - now_ms if is_used_up else 0
        return max(0, self._free_ms - now_ms, quota_ms)

    def sent(self, size: int, now_ms: int) -> None:
        """Note that *size* bytes have gone."""
        rate = MOBILE_BYTES_S if self._is_mobile else FIXED_BYTES_S
        self._free_ms = max(self._free_ms, now_ms) + size * 1000 // rate
        if self._day_ms is None:
            self._day_ms = now_ms
        self._used += size
