"""Live chunks as a relay may send them."""

from __future__ import annotations

import contextlib

from loa_protocol.envelope import Kind, seal
from loa_protocol.errors import FormatError
from loa_protocol.live import LiveSession, grant_of
from loa_protocol.trust import TrustError
from vectors.generator import bodies
from vectors.generator.world import NOW, SESSION

LABEL = Kind.LIVE_CHUNK.label()


def fuzz(data: bytes) -> None:
    """Take *data* as a chunk, and as what the session's own key might seal."""
    session = LiveSession(bodies.grant())
    for each in (data, seal(data, LABEL, SESSION.signer, detached=False)):
        with contextlib.suppress(FormatError):
            assert len(grant_of(each)) == 16
        with contextlib.suppress(FormatError, TrustError):
            chunk = session.accept(each, NOW)
            assert chunk.grant == session.grant.id
