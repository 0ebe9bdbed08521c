"""The content plane's wiring: what is new is fetched, judged, kept, and put into force.

Three loops: the identity (enrolment and the time), the signed objects, and their media.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from loa_endpoint.app import inbox_around
from loa_endpoint.app.inbox import Inbox
from loa_endpoint.app.keeper import Keeper
from loa_endpoint.app.timekeeper import Timekeeper
from loa_endpoint.app.tls import BENCH, DEVICE, tls_context
from loa_endpoint.content import media as media_loop
from loa_endpoint.content import sync as sync_loop
from loa_endpoint.content.cache import Cache
from loa_endpoint.content.enrol import Enrolment, enrol, life_of
from loa_endpoint.content.fetch import Fetcher
from loa_endpoint.content.media import MediaSync
from loa_endpoint.content.stick import SticksFirst
from loa_endpoint.content.sync import ContentSync
from loa_endpoint.content.time_question import ask_time
from loa_endpoint.core.address import Address
from loa_endpoint.core.director import Director
from loa_endpoint.core.effect import Effect
from loa_endpoint.core.orders import Kept
from loa_endpoint.core.poll import Reach
from loa_endpoint.core.renewal import is_due, is_usable
from loa_endpoint.core.retry import IDENTITY, Retries
from loa_endpoint.store.files import read_whole, write_atomically
from loa_endpoint.uplink.tls import EndpointContext
from loa_protocol.accept import accept
from loa_protocol.errors import FetchError, FormatError, LoaError, MessageError, StoreError
from loa_protocol.keys import Signer
from loa_protocol.objects.online import Head, TimeAnswer
from loa_protocol.objects.placement import Assignment, Settings
from loa_protocol.objects.playlist import Playlist
from loa_protocol.objects.policy import Policy
from loa_protocol.record import Body, Refused
from loa_protocol.trust import Accepted, Refusal, TrustError

log = logging.getLogger("loa.endpoint")

IDENTITY_CHECK_S = 3600.0
_MAX_PEM = 16 * 1024


class Stage(Protocol):
    """What the plane needs of the stage."""

    director: Director

    def perform(self, effects: list[Effect]) -> None:
        """Carry out effects."""

    def keep(self, body: Body) -> bool:
        """Keep a record."""

    def on_order(self, kept: Kept) -> None:
        """An order is kept: let it act."""

    def on_policy(self, policy: Policy | None) -> None:
        """Know the policy in force."""

    def on_denied(self, denied: frozenset[bytes]) -> None:
        """Know what the deny list names."""


class ContentPlane:
    """Everything that comes from the server, up to what the director is told of it."""

    def __init__(
        self,
        keeper: Keeper,
        time: Timekeeper,
        signer: Signer,
        *,
        stage: Stage,
        is_nudged: Callable[[], bool],
    ) -> None:
        """Join the loops; nothing runs yet.

        Raises:
            StoreError: the cache cannot be opened.
        """
        self._keeper, self._time, self._signer, self._stage = keeper, time, signer, stage
        self.cache = Cache(keeper.store.home / "media")
        self._content, self._media = Fetcher(self._of_content), Fetcher(self._of_content)
        self.sticks = SticksFirst(self._media)
        self._must_renew = False
        self._service = self.open_service()
        self.inbox = self._open_inbox()
        self.inbox.listener = self
        identity = signer.public.kid
        self.sync = ContentSync(
            sync_loop.Surroundings(
                identity=identity,
                addresses=lambda: keeper.in_force.content,
                is_nudged=is_nudged,
                now=time.now,
            ),
            self._content,
            keeper,
            self,
            inbox=self.inbox,
        )
        self.media = MediaSync(
            media_loop.Surroundings(
                identity=identity,
                addresses=lambda: keeper.in_force.content,
                playlists=self._playlists,
                urgent=self.inbox.media,
                denied=lambda: keeper.trusted().denied,
                now=time.now,
            ),
            self.sticks,
            self.cache,
            self,
        )
        self.on_identity: Callable[[], None] = lambda: None  # a new certificate is there
        self.on_settings: Callable[[], None] = lambda: None  # other settings are in force

    def open_service(self) -> Fetcher:
        """Return a line of its own to the service, with our certificate; its owner closes it."""
        return Fetcher(lambda _: tls_context(self._keeper, self._time, certificate=self._shown()))

    def _open_inbox(self) -> Inbox:
        return Inbox(
            inbox_around.Surroundings(
                now=self._time.now,
                nonce=self._time.nonce,
                alert_without_time=self._alert_without_time,
                want_time=self._time.want_answer,
                look=self._look,
                look_for_media=self._look_for_media,
            ),
            self._keeper.store.state,
            self._keeper,
            self.cache,
            self._stage,
        )

    # --- what the stage and the status ask

    def media_path(self, sha256: bytes) -> Path | None:
        """Return the cached file after hashing it once more; None, and told, where it is not it."""
        if sha256 in self._keeper.denied():
            self.refused("media", Refusal.DENIED, "the file is denied by its hash", sha256)
            return None
        path = self.cache.checked(sha256)
        if path is None:
            self.refused("media", Refusal.MEDIA_HASH, "the cached file was damaged", sha256)
            self._tell_cached()
            self.media.look()
        return path

    @property
    def missing(self) -> int:
        """How many media of the playlists are not in the cache yet."""
        wanted = {media.sha256 for playlist in self._playlists() for media in playlist.media}
        return len(wanted - self.cache.held().keys())

    def take_up(self) -> None:
        """Tell the director what is in force now."""
        policy = self._keeper.effective_policy()
        if policy is not None:
            self._time.allow_unsigned(policy.unsigned_time_s)
        self._tell_cached()
        self._stage.on_policy(policy)
        self._stage.on_denied(self._keeper.denied())
        programme = self._keeper.programme(self._time.now())
        director, now = self._stage.director, self._time.read()
        self._stage.perform(director.on_programme(programme, now))

    def come_into_force(self) -> None:
        """Let a waiting playlist come into force when its time has come."""
        now = self._time.now()
        if now.is_known and self._keeper.come_into_force(now.unix_s):
            self.take_up()

    # --- the identity loop

    async def keep_identity(self) -> None:
        """Enrol, renew, and ask for the time, again and again."""
        retries = Retries(IDENTITY, self._signer.public.kid)
        while True:
            try:
                await self._identity_round()
                retries.failures = 0
                pause_s = min(IDENTITY_CHECK_S, max(0.0, self._time.asks_in_s))
            except (FetchError, MessageError, StoreError) as error:
                log.warning("service_unreachable", extra={"why": str(error)})
                pause_s = retries.ended(0) / 1000
            await self._time.until_wanted(pause_s)

    def renew_identity(self) -> None:
        """Take a new certificate at once; until it is there the present one serves."""
        self._must_renew = True
        self._time.want_answer()  # which wakes the loop

    async def _identity_round(self) -> None:
        pem = read_whole(self._certificate(DEVICE), limit=_MAX_PEM)
        life = None if pem is None else life_of(pem)
        failed: LoaError | None = None
        if self._must_renew or is_due(life, self._time.now(), self._signer.public.kid):
            try:
                await self._enrol()
                self._must_renew = False
            except (FetchError, MessageError, StoreError) as error:
                failed = error  # the time is worth a question of its own
        if self._time.wants_answer:
            await self._ask_time()
        if self._time.wants_answer:
            failed = MessageError("no time answer that could be trusted, or none in time")
        if failed is not None:
            raise failed

    async def _enrol(self) -> None:
        settings = self._keeper.in_force
        request = Enrolment(
            await asyncio.to_thread(self._keeper.store.request),
            self._signer.public,
            settings.authorities,
        )
        pem = await enrol(self._service, settings.service[0], request, self._time.now())
        await asyncio.to_thread(write_atomically, self._certificate(DEVICE), pem)
        log.info("enrolled", extra={"until": life_of(pem).not_after})
        self.on_identity()

    async def _ask_time(self) -> None:
        nonce = secrets.token_bytes(16)
        reply = await ask_time(self._service, self._keeper.in_force.service[0], nonce)
        try:
            body = accept(reply.answer, self._keeper.trusted(nonce), self._time.now()).body
        except FormatError as error:
            self.refused("time answer", "format", str(error), None)
            return
        except TrustError as error:
            self.refused("time answer", error.reason, error.detail, None)
            return
        asked, answered = reply.asked_ms, reply.answered_ms
        if isinstance(body, TimeAnswer) and self._time.on_answer(
            body.time_ms, asked_ms=asked, answered_ms=answered
        ):
            self.sync.forget_refusals()
            self.inbox.stir()
            self.come_into_force()

    def _of_content(self, address: Address) -> EndpointContext:
        roots = address.uses_system_roots
        return tls_context(self._keeper, self._time, certificate=None, system_roots=roots)

    def _look(self, head: bytes) -> None:
        self.sync.look(head, reach=Reach.PLAYLISTS)

    def _look_for_media(self) -> None:
        self.media.look()

    def _alert_without_time(self) -> bool:
        policy = self._keeper.effective_policy()
        return policy is not None and policy.alert_without_time

    def _shown(self) -> str:
        """Return which certificate to show: our own for as long as it can be shown.

        What is to be replaced before its time does not ask for its successor: the bench's does.
        """
        if self._must_renew:
            return BENCH
        pem = read_whole(self._certificate(DEVICE), limit=_MAX_PEM)
        life = None if pem is None else life_of(pem)
        return DEVICE if is_usable(life, self._time.now()) else BENCH

    def _certificate(self, name: str) -> Path:
        return self._keeper.store.home / "identity" / name

    # --- what the loops tell

    def kept(self, accepted: Accepted) -> None:
        """An object is on the disk: put it into force."""
        if isinstance(accepted.body, Head):
            self._time.on_signed_time(accepted.body.time * 1000)
        elif self._keeper.put_into_force(accepted):
            facts = {"kind": accepted.kind.name, "digest": accepted.digest.hex()}
            log.info("adopted", extra=facts)
            self.take_up()
            self.media.look()
            self.inbox.stir()
            if isinstance(accepted.body, (Assignment, Settings)):
                self.on_settings()

    def refused(self, what: str, reason: str, detail: str, digest: bytes | None) -> None:
        """Keep a refusal."""
        self._stage.keep(
            Refused(what=what[:64], reason=str(reason)[:64], detail=detail[:300], digest=digest)
        )

    def fetched(self, digest: bytes) -> None:
        """A media file is here, whole."""
        log.info("media_cached", extra={"sha256": digest.hex()})
        self._tell_cached()

    def fetch_failed(self, error: FetchError) -> None:
        """Say what did not come."""
        log.warning("fetch_failed", extra={"url": error.url, "why": error.why or error.status})

    def store_failed(self, error: StoreError) -> None:
        """Say what could not be stored."""
        log.error("store_failed", extra={"where": error.where, "why": error.why})

    def close(self) -> None:
        """End all connections."""
        self._content.close()
        self._service.close()
        self._media.close()

    def _tell_cached(self) -> None:
        director, now = self._stage.director, self._time.read()
        self._stage.perform(director.on_cached(self.cache.held(), now))

    def _playlists(self) -> list[Playlist]:
        return self._keeper.playlists(self._time.now())
