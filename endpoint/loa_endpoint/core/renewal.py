"""When a board renews its 30-day TLS certificate, and which of its two identities it shows.

Renewal begins after a third of the life (day 10 of 30): the window is then three times the longest
outage it must bridge. A board that was dark for longer shows its bench identity, which lasts.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from loa_endpoint.core.retry import first_delay_ms
from loa_protocol.trust import Now

_DAY_MS: Final = 86_400_000


@dataclass(frozen=True, slots=True)
class Life:
    """Validity of a certificate, unix seconds."""

    not_before: int
    not_after: int


def is_usable(life: Life | None, now: Now) -> bool:
    """Tell whether the certificate can still be shown; the time is never below the floor."""
    return life is not None and now.unix_s < life.not_after


def is_due(life: Life | None, now: Now, identity: bytes) -> bool:
    """Tell whether to renew now; boards of one day's batch do so spread over a day."""
    if life is None or not is_usable(life, now):
        return True
    third = (life.not_after - life.not_before) // 3
    spread_s = min(first_delay_ms(identity, _DAY_MS) // 1000, third)
    return now.is_known and now.unix_s >= life.not_before + third + spread_s
