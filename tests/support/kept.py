"""Accepted orders for the tests, as the endpoint keeps them."""

from __future__ import annotations

from loa_endpoint.core.orders import Kept
from loa_protocol.accept import accept
from loa_protocol.envelope import Kind
from loa_protocol.objects.alert import Alert
from loa_protocol.objects.command import Command
from loa_protocol.objects.live import Grant
from loa_protocol.replay import MEMORY_S, Seen
from loa_protocol.trust import Now
from support.province import NOW, province

_KINDS = {Alert: Kind.ALERT, Command: Kind.COMMAND, Grant: Kind.GRANT}


def signed_order(body: Alert | Command | Grant) -> bytes:
    """Return the bundle of *body*, by two people of the province's duty desk."""
    return province().sign(_KINDS[type(body)], body, *province().duty[:2])


def kept_order(
    body: Alert | Command | Grant, *, taken_ms: int = 0, now: Now = NOW
) -> tuple[Kept, bytes, Seen]:
    """Return *body* as it is kept, its bundle, and what is remembered of it."""
    data = signed_order(body)
    kept = Kept.of(accept(data, province().trusted(), now), taken_ms or now.unix_s * 1000)
    return kept, data, Seen(kept.id, body.expires + MEMORY_S)
