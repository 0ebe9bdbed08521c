"""The uplink's surroundings: what the session asks, and whom it tells."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from loa_endpoint.app.keeper import Keeper
from loa_endpoint.app.timekeeper import Timekeeper
from loa_endpoint.core.batch import Verdict
from loa_endpoint.store.outbox import Outbox
from loa_endpoint.uplink.session import Session, Surroundings
from loa_endpoint.uplink.tls import ClientIdentity, EndpointContext, client_context
from loa_protocol.errors import StoreError
from loa_protocol.keys import Signer
from loa_protocol.objects.online import Receipt
from loa_protocol.record import Refused

log = logging.getLogger("loa.endpoint")


class Hears(Protocol):
    """What the uplink needs of the agent."""

    def nudged(self, head: bytes) -> None:
        """Somebody says that there is something new."""

    def tell_refused(self, refused: Refused) -> None:
        """Keep a refusal."""


def tls_context(keeper: Keeper, time: Timekeeper, *, certificate: str | None) -> EndpointContext:
    """Return the context of one connection, with *certificate* of identity/ where one is named.

    Raises:
        ConfigError: an authority of the settings is no certificate.
        StoreError: the identity's files cannot be read.
    """
    assert keeper.settings is not None  # provisioned
    home: Path = keeper.store.home
    identity = None
    if certificate is not None:
        identity = ClientIdentity(home / "identity" / certificate, home / "device.key")
    return client_context(time.now, authorities=keeper.settings.authorities, identity=identity)


def open_session(
    keeper: Keeper, signer: Signer, time: Timekeeper, outbox: Outbox, hears: Hears
) -> Session:
    """Return the MQTT session, not yet running."""
    around = Surroundings(
        endpoint=signer.public.kid,
        signer=signer,
        addresses=lambda: () if keeper.settings is None else keeper.settings.broker,
        scope=lambda: keeper.scope,
        context=_broker_context(keeper, time),
        trusted=keeper.trusted,
        now=time.now,
    )
    return Session(around, outbox, _Listener(hears))


def _broker_context(keeper: Keeper, time: Timekeeper) -> Callable[[], EndpointContext]:
    def context() -> EndpointContext:
        made = tls_context(keeper, time, certificate="ldevid.pem")
        made.meters_packets = True
        return made

    return context


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

    def nudged(self, head: bytes) -> None:
        """Pass it on."""
        self._hears.nudged(head)

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
