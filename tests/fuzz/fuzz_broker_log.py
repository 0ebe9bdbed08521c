"""Lines of the broker's log, in which strangers' words may stand."""

from __future__ import annotations

from loa_manager.serve.broker_config import read_line


def fuzz(data: bytes) -> None:
    """Read *data* as a line; no bytes may raise, and nothing unprintable may come through."""
    for prefix in ("", "[1] [ERR] ", "[1] [ERR] 127.0.0.1:1 - mid:5 - TLS handshake error: "):
        event = read_line(prefix + data.decode(errors="replace"))
        assert event is None or event.detail.isprintable()
