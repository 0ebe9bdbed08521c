"""The live desk: which live sessions are open, and what of each reaches the player.

A chunk is judged here, whoever brought it; what is refused is silence. A session is fed to the
player from the moment a bearer wants it, and has stalled when nothing of it is left to sound.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from loa_endpoint.core.clock import Reading
from loa_endpoint.core.effect import FeedLive
from loa_endpoint.core.orders import Kept
from loa_protocol.errors import MessageError
from loa_protocol.live import LiveSession, grant_of
from loa_protocol.objects.live import Grant, LiveChunk
from loa_protocol.trust import Now, Refusal, TrustError

PACKET_MS: Final = 20
STALL_MS: Final = 3000  # so long nothing left to sound is a stall: three chunks in a row are lost
KEPT_MS: Final = 2000  # of what came before a bearer wanted it, so much is given to it
MOST_KEPT: Final = 64  # chunks of about a second, half of a minute of which may come early
MAX_CHUNK_BYTES: Final = 40_000  # a line to the player; 1 s at 256 kbit/s is less


@dataclass(slots=True)
class _Open:
    """One session, from its grant's acceptance to its end."""

    kept: Kept
    session: LiveSession
    source: str = ""  # the player's name for it; empty while no bearer wants it
    base_ms: int = 0  # unix: the instant that is position 0 to the player
    until_ms: int = 0  # unix: when the last sound that came is over
    recent: list[LiveChunk] = field(default_factory=list)


class LiveDesk:
    """Every session whose grant is in force."""

    def __init__(self) -> None:
        self._open: dict[bytes, _Open] = {}

    def on_grants(self, grants: Iterable[Kept]) -> None:
        """Know the grants in force; a session without one is over."""
        known = self._open
        self._open = {
            kept.event: _known(known, kept) or _Open(kept, LiveSession(kept.body))
            for kept in sorted(grants, key=lambda each: each.level)  # of one id the highest
            if isinstance(kept.body, Grant)
        }

    def grant(self, order: bytes) -> Grant | None:
        """Return the grant of that id, if it is in force."""
        found = self._open.get(order)
        return None if found is None else found.session.grant

    def for_slot(self, playlist: bytes, item: str) -> bytes | None:
        """Return the id of the grant that fills the live slot *item* of *playlist*.

        Of several that is the one whose sound reaches farthest: a grant that is given ahead takes
        over when its voice begins. A grant without a slot is an item of its own, whose name is the
        grant's id.
        """
        fitting = [
            each
            for each in self._open.values()
            if (each.session.grant.playlist, each.session.grant.slot) == (playlist, item)
            or (each.session.grant.slot is None and each.kept.event.hex() == item)
        ]
        newest = max(fitting, key=lambda each: (each.until_ms, each.kept.taken_ms), default=None)
        return None if newest is None else newest.kept.event

    def on_chunk(self, data: bytes, now: Reading) -> tuple[bytes, list[FeedLive]]:
        """Judge one chunk; return whose it is, and what of it goes to the player now.

        Raises:
            FormatError: *data* is no chunk.
            TrustError: it is not of an open session, not of its key, seen, or not in time.
        """
        order = grant_of(data)
        found = self._open.get(order)
        if found is None:
            raise TrustError(Refusal.NOT_ADDRESSED, f"no open session of grant {order.hex()}")
        chunk = found.session.accept(data, Now(now.unix_ms // 1000, now.trust))
        if sum(map(len, chunk.packets)) > MAX_CHUNK_BYTES:
            raise MessageError(f"more than {MAX_CHUNK_BYTES} bytes of sound in one chunk")
        found.until_ms = max(found.until_ms, chunk.at_ms + len(chunk.packets) * PACKET_MS)
        if not found.source:
            self._take_over(found)
        if found.source:
            return order, [_feed(found, chunk)]
        found.recent = [c for c in found.recent if c.at_ms >= now.unix_ms - KEPT_MS]
        found.recent = [*found.recent[1 - MOST_KEPT :], chunk]
        return order, []

    def attach(self, order: bytes, source: str) -> list[FeedLive]:
        """Let *source* of the player be fed from now on; return what came just before."""
        found = self._open[order]
        found.source, found.base_ms = source, found.session.grant.start * 1000
        fed = [_feed(found, chunk) for chunk in found.recent]
        found.recent = []
        return fed

    def detach(self, source: str) -> None:
        """Feed *source* no more."""
        for each in self._open.values():
            if each.source == source:
                each.source = ""

    def is_flowing(self, order: bytes, now: Reading) -> bool:
        """Tell whether there is sound of that session to come, or there was a moment ago."""
        found = self._open.get(order)
        return found is not None and now.unix_ms < found.until_ms + STALL_MS

    def voices(self, now: Reading) -> frozenset[bytes]:
        """Return the grants without a slot whose sessions flow."""
        return frozenset(
            order
            for order, each in self._open.items()
            if each.session.grant.slot is None and now.unix_ms < each.until_ms + STALL_MS
        )

    def position_ms(self, order: bytes, unix_ms: int) -> int:
        """Return which place of the session belongs to an instant."""
        found = self._open[order]
        base_ms = found.base_ms if found.source else found.session.grant.start * 1000
        return max(0, unix_ms - base_ms)

    def _take_over(self, found: _Open) -> None:
        """Let *found* go on where another grant of the same slot is being heard."""
        grant = found.session.grant
        if grant.slot is None:
            return
        for each in self._open.values():
            other = each.session.grant
            if each.source and (other.playlist, other.slot) == (grant.playlist, grant.slot):
                found.source, found.base_ms = each.source, each.base_ms


def _known(known: dict[bytes, _Open], kept: Kept) -> _Open | None:
    found = known.get(kept.event)
    return found if found is not None and found.kept.digest == kept.digest else None


def _feed(found: _Open, chunk: LiveChunk) -> FeedLive:
    return FeedLive(found.source, chunk.at_ms - found.base_ms, chunk.packets)
