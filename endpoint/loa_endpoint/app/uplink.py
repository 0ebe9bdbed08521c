"""The uplink's surroundings: what the session asks, and whom it tells."""

from __future__ import annotations

import logging
from typing import Final, Protocol

from loa_endpoint.app.keeper import Keeper
from loa_endpoint.app.timekeeper import Timekeeper
from loa_endpoint.app.tls import DEVICE, tls_context
from loa_endpoint.core.batch import Verdict
from loa_endpoint.core.poll import Reach
from loa_endpoint.store.outbox import Outbox
from loa_endpoint.uplink.session import Session, Surroundings
from loa_protocol.companions import Companions
from loa_protocol.errors import StoreError
from loa_protocol.keys import Signer
from loa_protocol.objects.online import Receipt
from loa_protocol.record import Refused

log = logging.getLogger("loa.endpoint")

_RECEIPT: Final = "receipt"  # the last one whose certificates were new


class Hears(Protocol):
    """What the uplink needs of the agent."""

    def nudged(self, head: bytes, reach: Reach) -> None:
        """Somebody says that there is something new, and how far to look."""

    async def ordered(self, bundle: bytes) -> None:
        """Somebody pushes an order."""

    def spoken(self, chunk: bytes) -> None:
        """Somebody sends live sound."""

    def tell_refused(self, refused: Refused) -> None:
        """Keep a refusal."""


def open_session(
    keeper: Keeper, signer: Signer, time: Timekeeper, outbox: Outbox, hears: Hears
) -> Session:
    """Return the MQTT session, not yet running.

    Raises:
        StoreError: what it remembers cannot be read.
    """
    state = keeper.store.state
    around = Surroundings(
        endpoint=signer.public.kid,
        signer=signer,
        addresses=lambda: keeper.in_force.broker,
        scope=lambda: keeper.scope,
        context=lambda: tls_context(keeper, time, certificate=DEVICE, meters_packets=True),
        trusted=keeper.trusted,
        now=time.now,
        companions=Companions.of(state.fact(_RECEIPT), lambda data: state.set_fact(_RECEIPT, data)),
    )
    return Session(around, outbox, _Listener(hears))


class _Listener:
    """Turns what the session tells into log lines and records."""

    def __init__(self, hears: Hears) -> None:
        self._hears = hears

    def connected(self, address: str) -> None:
        """Say that the session stands."""
        log.info("uplink_connected", extra={"address": address})

    def disconnected(self, address: str, why: str, next_try_ms: int) -> None:
        """Say why it does not."""
        facts = {"address": address, "why": why, "next_try_ms": next_try_ms}
        log.warning("uplink_lost", extra=facts)

    def nudged(self, head: bytes, reach: Reach) -> None:
        """Pass it on."""
        self._hears.nudged(head, reach)

    async def ordered(self, bundle: bytes) -> None:
        """Pass it on."""
        await self._hears.ordered(bundle)

    def spoken(self, chunk: bytes) -> None:
        """Pass it on."""
        self._hears.spoken(chunk)

    def marked(self, receipt: Receipt, verdict: Verdict) -> None:
        """Say only what is unusual."""
        if verdict.needs_new_place:
            facts = {"next": receipt.next, "verdict": str(verdict)}
            log.warning("records_asked_again", extra=facts)

    def refused(self, what: str, reason: str, detail: str) -> None:
        """Keep the refusal."""
        self._hears.tell_refused(Refused(what=what[:64], reason=reason[:64], detail=detail[:300]))

    def store_failed(self, error: StoreError) -> None:
        """Say where the outbox hurts."""
        log.error("outbox_failed", extra={"where": error.where, "why": error.why})
