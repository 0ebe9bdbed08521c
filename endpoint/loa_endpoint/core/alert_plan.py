"""What follows from an alert itself: its common instants, and its form in the play records."""

from __future__ import annotations

from loa_endpoint.core.clock import Reading
from loa_endpoint.core.orders import Kept
from loa_endpoint.core.schedule import Planned
from loa_protocol.objects.alert import Alert
from loa_protocol.objects.playlist import Bearer, BearerKind, BulletinKind, Item, Session

_SESSION = "alert"  # in play records
_CATEGORY = "emergency"


def alert_of(order: Kept) -> Alert:
    """Return the alert that *order* is."""
    assert isinstance(order.body, Alert)  # nothing else is due
    return order.body


def period_ms(body: Alert) -> int:
    """Return how far apart the common instants of an alert's repeats are."""
    assert body.media is not None  # it sounds
    return max(1, body.media.duration_ms + body.gap_s * 1000)


def next_number(body: Alert, now: Reading) -> int:
    """Return the number, from 0, of the first common instant that has not passed."""
    return max(0, -((body.speech_ms - now.unix_ms) // period_ms(body)))


def planned(order: Kept, body: Alert, start_ms: int, length_ms: int) -> Planned:
    """Return one repeat in the form in which plays are written down."""
    item = Item(
        id=order.event.hex(),
        session=0,
        title=body.title,
        kind=BulletinKind.EMERGENCY,
        level=order.level,
        language=body.language,
        category=_CATEGORY,
        offset_ms=0,
        duration_ms=length_ms,
        bearers=(Bearer(kind=BearerKind.MEDIA, reference=0, cost=0),),
        expected_silence=(),
    )
    session = Session(
        id=_SESSION, start=start_ms // 1000, duration_s=body.duration_s, volume=body.volume
    )
    end_ms = start_ms + length_ms
    return Planned(item=item, session=session, start_ms=start_ms, end_ms=end_ms, block=None)
