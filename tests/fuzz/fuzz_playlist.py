"""Playlists: their layout, and whatever two holders might sign by mistake."""

from __future__ import annotations

import contextlib

from loa_protocol.accept import accept
from loa_protocol.envelope import Kind
from loa_protocol.errors import FormatError
from loa_protocol.objects.playlist import Playlist
from loa_protocol.trust import TrustError
from vectors.generator.world import APPROVER, EDITOR, NOW, sign_bytes, trusted


def fuzz(data: bytes) -> None:
    """Parse *data* as a playlist; judge it as one that is validly signed."""
    parsed = None
    with contextlib.suppress(FormatError):
        parsed = Playlist.from_bytes(data)
        assert parsed.to_bytes() == data
    if not data:
        return
    with contextlib.suppress(FormatError, TrustError):
        accepted = accept(sign_bytes(Kind.PLAYLIST, data, EDITOR, APPROVER), trusted(), NOW)
        assert accepted.body == parsed
