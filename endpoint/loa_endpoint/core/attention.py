"""The attention tone before an alert speaks: when it is owed, and from when to when.

3 to 10 s of it before the first message, and at most 30 s between two messages, are the practice of
ISO 7240-16 (as the manuals of voice alarm systems quote it). With a common instant, speech begins
on it everywhere; so a board that hears of the alert late has less of the tone, never later speech.

* Speech within `NEAR_MS` of acceptance: the tone begins at once. It ends after `MOST_MS`, or as the
  speech begins.
* Speech later than that: what plays goes on, and the tone begins `MOST_MS` before the instant.
* Others speak already: a tone over their words would cost the words. It fills only the gap between
  their repeats before the one that this board joins in; until then the board is silent.
* No common instant, or a clock that cannot be trusted: `LEAST_MS` of it, then speech.

Pure rules; instants are monotonic ms.
"""

from __future__ import annotations

from typing import Final

from loa_endpoint.core.clock import Reading
from loa_protocol.objects.alert import Alert

LEAST_MS: Final = 3000
MOST_MS: Final = 10_000
NEAR_MS: Final = 30_000  # as far apart as two messages may be
SHORTEST_MS: Final = 500  # less of it is a hiccup, not a signal


def alone_from(body: Alert, now: Reading) -> int | None:
    """Return when the tone begins where nobody else counts; None where it would cost the speech."""
    return now.mono_ms if now.unix_ms + LEAST_MS < body.expires * 1000 else None


def common_from(
    body: Alert, taken_ms: int, number: int, speech_ms: int, now: Reading
) -> int | None:
    """Return when the tone begins before a common instant; None where too little room is left.

    Args:
        body: The alert.
        taken_ms: When it was accepted, unix.
        number: Which repeat it leads to, from 0; others have spoken before all but the first.
        speech_ms: When that begins.
        now: The time.
    """
    left_ms = speech_ms - now.mono_ms
    if left_ms < SHORTEST_MS:
        return None
    if number:
        room_ms = min(body.gap_s * 1000, MOST_MS)
        begin_ms = max(now.mono_ms, speech_ms - room_ms)
        return begin_ms if room_ms >= SHORTEST_MS else None
    known_ms = max(taken_ms, body.start * 1000)
    is_near = body.speech_ms - known_ms <= NEAR_MS
    return now.mono_ms if is_near else speech_ms - MOST_MS
