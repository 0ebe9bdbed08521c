"""What a tuner's line may bring: anything."""

from __future__ import annotations

from loa_endpoint.core.xdr import XdrHost, XdrTiming, to_reading


def fuzz(data: bytes) -> None:
    """Never raise, never flood the tuner, never forget the time."""
    host = XdrHost(XdrTiming(open_wait_ms=10))
    host.start(0)
    host.tune(61_500, 0)
    now_ms = 0
    for at in range(0, len(data), 16):
        now_ms += 1 + data[at]
        for event in [*host.tick(now_ms), *host.feed(data[at + 1 : at + 16], now_ms)]:
            to_reading(event)
        host.tick(now_ms)
        deadline = host.next_deadline()
        assert deadline is None or deadline > now_ms
        sent = host.outgoing()
        assert all(len(command) <= 15 for command in sent.split(b"\n"))
        assert len(sent) <= 100
