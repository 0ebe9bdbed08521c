"""The content plane: what is new is fetched, judged, kept, and put into force."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.serialization import pkcs7

from loa_endpoint.app.keeper import Keeper
from loa_endpoint.app.stopgap import Content
from loa_endpoint.app.timekeeper import Timekeeper
from loa_endpoint.app.uplink import tls_context
from loa_endpoint.core.director import Director
from loa_endpoint.core.effect import Effect
from loa_endpoint.host.clocks import monotonic_ms
from loa_protocol.accept import accept
from loa_protocol.errors import FetchError, FormatError
from loa_protocol.objects.online import Head, TimeAnswer
from loa_protocol.record import Body, Refused
from loa_protocol.trust import Accepted, TrustError

log = logging.getLogger("loa.endpoint")

POLL_S = 30.0


class Performs(Protocol):
    """What the plane needs of the stage."""

    director: Director

    def perform(self, effects: list[Effect]) -> None:
        """Carry out effects."""

    def keep(self, body: Body) -> bool:
        """Keep a record."""


class ContentPlane:
    def __init__(self, keeper: Keeper, time: Timekeeper, stage: Performs) -> None:
        self.keeper, self.time, self.stage = keeper, time, stage
        self._wake = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self.cached: frozenset[bytes] = frozenset()
        self.missing = 0
        self._head_ms: int | None = None
        self.content = Content(
            keeper,
            lambda: tls_context(keeper, time, certificate=None),
            time.now,
            self._refused,
            self._adopted,
            self._on_head,
        )

    def wake(self) -> None:
        self._wake.set()

    def head_age_s(self) -> int | None:
        return None if self._head_ms is None else (monotonic_ms() - self._head_ms) // 1000

    def media_path(self, sha: bytes) -> Path:
        return self.content.path(sha)

    async def run(self) -> None:
        self._loop = asyncio.get_running_loop()
        while True:
            self._wake.clear()
            try:
                await self._round()
            except (FetchError, OSError) as e:
                log.warning("content_unreachable", extra={"why": str(e)})
                await asyncio.sleep(1)
                continue
            try:
                await asyncio.wait_for(self._wake.wait(), POLL_S)
            except TimeoutError:
                pass

    async def _round(self) -> None:
        if not (self.keeper.store.home / "identity" / "ldevid.pem").exists():
            await asyncio.to_thread(self._enrol)
        if self.time.wants_answer:
            await self._ask()
        await asyncio.to_thread(self.content.round)
        self.cached = frozenset(self.content.cached())
        self.stage.director.on_cached(self.cached)

    def _enrol(self) -> None:
        ctx = tls_context(self.keeper, self.time, certificate="bench.pem")
        import base64

        data = self.content.post(
            "/enrol/simpleenroll", base64.b64encode(self.keeper.store.request()), ctx
        )
        certs = pkcs7.load_der_pkcs7_certificates(base64.b64decode(data))
        p = self.keeper.store.home / "identity" / "ldevid.pem"
        p.write_bytes(b"".join(c.public_bytes(serialization.Encoding.PEM) for c in certs))
        log.info("enrolled")

    async def _ask(self) -> None:
        nonce = os.urandom(16)
        asked = monotonic_ms()
        ctx = tls_context(self.keeper, self.time, certificate="ldevid.pem")
        data = await asyncio.to_thread(self.content.post, "/time", nonce, ctx)
        answered = monotonic_ms()
        try:
            a = accept(data, self.keeper.trusted(nonce), self.time.now())
        except (TrustError, FormatError) as e:
            self._refused("time", str(e), "", None)
            return
        assert isinstance(a.body, TimeAnswer)
        self.time.on_answer(a.body.time_ms, asked_ms=asked, answered_ms=answered)

    def _call(self, f: Callable[..., None], *a: object) -> None:
        assert self._loop
        self._loop.call_soon_threadsafe(f, *a)

    def _refused(self, what: str, reason: str, detail: str, digest: bytes | None) -> None:
        self._call(
            self._tell,
            Refused(what=what[:64], reason=reason[:64], detail=detail[:300], digest=digest),
        )

    def _tell(self, r: Refused) -> None:
        self.stage.keep(r)

    def _adopted(self, a: Accepted, data: bytes) -> None:
        if self.keeper.adopt(a, data):
            self._call(self.take_up)

    def _on_head(self, head: Head) -> None:
        self._head_ms = monotonic_ms()
        self._call(self.time.on_signed_time, head.time * 1000)
        self._call(self.stage.director.hold_until, 0)

    def take_up(self) -> None:
        policy = self.keeper.effective_policy()
        if policy:
            self.time.allow_unsigned(policy.unsigned_time_s)
        self.cached = frozenset(self.content.cached())
        self.stage.director.on_cached(self.cached)
        self.stage.perform(
            self.stage.director.on_programme(self.keeper.programme(), self.time.read())
        )

    def come_into_force(self) -> None:
        r = self.time.read()
        if r.trust >= 2 and self.keeper.come_into_force(r.unix_ms // 1000):
            self.take_up()
