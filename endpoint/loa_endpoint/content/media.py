"""Media from the content tree into the cache, in the order in which the playlists need them."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from loa_endpoint.content.cache import Cache
from loa_endpoint.content.fetch import Request
from loa_endpoint.content.sync import Source
from loa_endpoint.core import media as rules
from loa_endpoint.core import want as wants
from loa_endpoint.core.address import parse_content_address
from loa_endpoint.core.repeats import Repeats
from loa_endpoint.core.retry import RECONNECT, REFUSED_OBJECT, Retries, Setbacks
from loa_protocol.errors import ConfigError, FetchError, StoreError
from loa_protocol.objects.playlist import Media, Playlist
from loa_protocol.trust import Now, Refusal

_WHAT: Final = "media"
_NO_ROOM: Final = "no_room"
_LOOK_AGAIN_S: Final = 600.0  # the clock moves on: what was needed is over, and makes room


class Listener(Protocol):
    """Who is told; every call returns at once."""

    def fetched(self, digest: bytes) -> None:
        """A media file is here, whole."""

    def refused(self, what: str, reason: str, detail: str, digest: bytes | None) -> None:
        """A file was not what was signed, or has no room; repetitions come once a minute."""

    def fetch_failed(self, error: FetchError) -> None:
        """A server did not give what it should; repetitions come once a minute."""

    def store_failed(self, error: StoreError) -> None:
        """A file could not be stored."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What the loop needs to know; the callables are asked anew for each file."""

    identity: bytes
    addresses: Callable[[], Sequence[str]]  # https://host:port, at least one
    playlists: Callable[[], Sequence[Playlist]]  # accepted, in force or waiting
    urgent: Callable[[], Sequence[Media]]  # of alerts that stand: before all others
    denied: Callable[[], frozenset[bytes]]
    now: Callable[[], Now]
    budget_bytes: int = rules.DEFAULT_BUDGET


class MediaSync:
    """Keeps the cache filled; its methods belong to the event loop's thread."""

    def __init__(
        self, around: Surroundings, fetcher: Source, cache: Cache, listener: Listener
    ) -> None:
        self._around, self._fetcher, self._cache, self._listener = around, fetcher, cache, listener
        self._repeats = Repeats()
        self._refused = Setbacks(REFUSED_OBJECT, around.identity)
        self._retries = Retries(RECONNECT, around.identity)
        self._address = 0
        self._stir = asyncio.Event()

    def look(self) -> None:
        """Look now: a playlist came, or a file was found damaged."""
        self._stir.set()

    async def run(self) -> None:
        """Fetch what is needed, then whenever something changes, until cancelled."""
        while True:
            self._stir.clear()
            is_served = await self.round()
            delay_s = _LOOK_AGAIN_S if is_served else self._retries.ended(0) / 1000
            if is_served:
                self._retries.failures = 0
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(delay_s):
                    await self._stir.wait()

    async def round(self) -> bool:
        """Fetch files one by one until none is left to try; tell whether the servers did answer."""
        while True:
            try:
                media = await self._next()
                if media is None:
                    return True
                await self._get(media)
            except FetchError as error:
                if self._repeats.happened((error.url, str(error.status)), _now_ms()):
                    self._listener.fetch_failed(error)
                self._address += 1
                if error.status == 0:
                    return False  # the server, not the file
                assert media is not None
                self._refused.failed(media.sha256, _now_ms())
            except StoreError as error:
                self._listener.store_failed(error)
                await self._make_room()
                return False

    async def _next(self) -> Media | None:
        """Bring the cache within its budget; return the file to fetch next."""
        wanted = self._needed()
        plan = rules.plan(
            wanted,
            await asyncio.to_thread(self._cache.held),
            denied=self._around.denied(),
            budget_bytes=self._around.budget_bytes,
        )
        coming = [media.sha256 for media in plan.fetch]
        await asyncio.to_thread(self._cache.drop, plan.drop)
        await asyncio.to_thread(self._cache.drop_parts, but=coming)
        for media in plan.no_room:
            detail = f"{media.size} bytes in a cache of {self._around.budget_bytes}"
            self._refuse(_NO_ROOM, detail, media.sha256)
        now_ms = _now_ms()
        return next((m for m in plan.fetch if not self._refused.is_shut(m.sha256, now_ms)), None)

    def _needed(self) -> list[Media]:
        planned = rules.needed(self._around.playlists(), self._around.now().unix_s)
        return rules.first(self._around.urgent(), planned)

    async def _get(self, media: Media) -> None:
        part = await asyncio.to_thread(self._cache.part, media.sha256)
        try:
            if part.offset > media.size:
                part.restart()
            if part.offset < media.size:
                await self._fetcher.fetch(self._request(media), part)
            is_sound = await asyncio.to_thread(part.finish)
        finally:
            part.close()
        if is_sound:
            self._listener.fetched(media.sha256)
        else:
            self._address += 1
            self._refused.failed(media.sha256, _now_ms())
            self._refuse(Refusal.MEDIA_HASH, "not the bytes that were signed", media.sha256)

    def _request(self, media: Media) -> Request:
        addresses = self._around.addresses()
        address = addresses[self._address % len(addresses)]
        want = wants.media(media.sha256, media.size)
        try:
            place = parse_content_address(address)
        except ConfigError as error:
            raise FetchError(address, 0, str(error)) from error
        return Request(address=place, path=f"/{want.path}", limit=want.limit)

    async def _make_room(self) -> None:
        """Drop what nothing needs: the disk is fuller than the budget knows."""
        held = await asyncio.to_thread(self._cache.held)
        spare = rules.spare(self._needed(), held)
        with contextlib.suppress(StoreError):  # it was told already
            await asyncio.to_thread(self._cache.drop, spare)

    def _refuse(self, reason: str, detail: str, digest: bytes) -> None:
        count = self._repeats.happened((reason, digest.hex()), _now_ms())
        if count:
            again = f" ({count} times)" if count > 1 else ""
            self._listener.refused(_WHAT, reason, f"{detail}{again}", digest)


def _now_ms() -> int:
    return time.monotonic_ns() // 1_000_000
