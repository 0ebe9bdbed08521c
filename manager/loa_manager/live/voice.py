"""One live session as its speaker has it: the grant, and the key that was made for it alone.

The key lives in this process and nowhere else; when the process ends, nobody speaks under the grant
any more.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from loa_manager.live.timeline import Piece
from loa_protocol.errors import ConfigError
from loa_protocol.keys import SoftSigner
from loa_protocol.language import translator
from loa_protocol.live import seal_chunk
from loa_protocol.objects.live import MAX_GRANT_S, Codec, Grant, LiveChunk
from loa_protocol.objects.playlist import BulletinKind, Mark

_ = translator("loa_manager")

_SECOND_MS: Final = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class GrantAsk:
    """Who wants to be heard where, and as what."""

    scope: str
    title: str
    start: int  # unix seconds
    end: int
    kind: BulletinKind = BulletinKind.NORMAL
    language: str = "vi"
    category: str = "trực tiếp"
    volume: int = 10
    mark: Mark = Mark.NONE
    slot: str | None = None
    playlist: bytes | None = None


class Voice:
    """A grant and its key; makes chunks."""

    def __init__(self, ask: GrantAsk) -> None:
        """Make the grant's key and id.

        Raises:
            ConfigError: no session lasts so long.
        """
        if not 0 < ask.end - ask.start <= MAX_GRANT_S:
            fault = _("a live session lasts up to {minutes} minutes")
            raise ConfigError(_("live"), [fault.format(minutes=MAX_GRANT_S // 60)])
        self._signer = SoftSigner(Ed25519PrivateKey.generate())
        self._number = 0
        public = self._signer.public
        self.grant = Grant(
            id=secrets.token_bytes(16),
            scope=ask.scope,
            title=ask.title,
            kind=ask.kind,
            language=ask.language,
            category=ask.category,
            start=ask.start,
            end=ask.end,
            algorithm=public.algorithm,
            raw=public.raw,
            codec=Codec.OPUS,
            volume=ask.volume,
            mark=ask.mark,
            slot=ask.slot,
            playlist=ask.playlist,
        )

    def covers(self, at_ms: int) -> bool:
        """Tell whether sound for the instant *at_ms*, unix, is this session's."""
        return self.grant.start * _SECOND_MS <= at_ms < self.grant.end * _SECOND_MS

    def seal(self, piece: Piece) -> bytes:
        """Return *piece* as the session's next chunk."""
        chunk = LiveChunk(
            grant=self.grant.id, number=self._number, at_ms=piece.at_ms, packets=piece.packets
        )
        self._number += 1
        return seal_chunk(chunk, self._signer)
