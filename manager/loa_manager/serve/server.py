"""Wires the server's parts together: the one place that knows all of them."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import logging
import os
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final
from urllib.parse import urlsplit

from sqlalchemy import Engine

from loa_manager import database, records
from loa_manager.home import Home
from loa_manager.ingest import Ingest
from loa_manager.mailbox.office import Office
from loa_manager.serve.callout import CalloutKeys
from loa_manager.serve.courier import Courier
from loa_manager.serve.enrolment import Enrolment
from loa_manager.serve.gate import allow_files
from loa_manager.serve.head import HeadKeeper
from loa_manager.serve.home_lock import HomeLock
from loa_manager.serve.ingest_link import IngestLink
from loa_manager.serve.key_folder import ServerKeys
from loa_manager.serve.listener import Listener
from loa_manager.serve.live_route import LiveRoutes, Push, push_nowhere
from loa_manager.serve.mail_keeper import MailKeeper
from loa_manager.serve.mail_route import MailRoutes
from loa_manager.serve.message_plane import MessagePlane
from loa_manager.serve.order_route import OrderRoutes
from loa_manager.serve.parts import Part, notify, run_parts
from loa_manager.serve.projector import Projector
from loa_manager.serve.recall_route import RecallRoutes
from loa_manager.serve.repeats import Repeats
from loa_manager.serve.roster import RegistryRoster
from loa_manager.serve.signed_request import Doorkeeper
from loa_manager.serve.web import Clock, Web
from loa_protocol.envelope import Bundle
from loa_protocol.errors import ConfigError
from loa_protocol.language import translator
from loa_protocol.objects.placement import Settings

_ = translator("loa_manager")

CHECK_CERTIFICATES_S: Final = 3600.0
_DAY_S: Final = 86_400.0
_LOOPBACK: Final = {"0.0.0.0": "127.0.0.1", "::": "::1"}
_USUAL_PORTS: Final = {"https": 443, "mqtts": 8883}

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class ServeOptions:
    """Where to listen. A port of None is the one that the province's settings name; 0 any free."""

    host: str = "0.0.0.0"
    port: int | None = None
    mqtt_port: int | None = None


@dataclass(frozen=True, slots=True)
class Ready:
    """What is told once everything answers."""

    host: str
    https_port: int
    mqtt_port: int
    pid: int


async def serve(
    home: Home, keys: ServerKeys, options: ServeOptions, announce: Callable[[Ready], None]
) -> signal.Signals:
    """Serve the province in *home* until SIGTERM or SIGINT, then end in order.

    Args:
        home: The province.
        keys: Its server keys, opened.
        options: Where to listen.
        announce: Told once, when everything answers.

    Returns:
        The signal that ended it.

    Raises:
        ConfigError: a port is taken, another server runs here, or the broker does not start.
        StoreError: the database is missing or of another version.
    """
    allow_files()
    stop = asyncio.Event()
    asked: list[signal.Signals] = []

    def end(number: signal.Signals) -> None:
        asked.append(number)
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, end, number)
    with contextlib.closing(HomeLock(home.path / "serve.lock")) as lock:
        await lock.take()
        engine = database.open(home.database_url)
        ingest = Ingest(engine, keys.ingest.identity)
        try:
            await _serve(home, keys, options, _Stores(engine, ingest, lock), announce, stop)
        finally:
            ingest.close()
            engine.dispose()
    log.info("stopped")
    return asked[0]


@dataclass(frozen=True, slots=True)
class _Stores:
    engine: Engine
    ingest: Ingest
    lock: HomeLock


async def _serve(
    home: Home,
    keys: ServerKeys,
    options: ServeOptions,
    stores: _Stores,
    announce: Callable[[Ready], None],
    stop: asyncio.Event,
) -> None:
    https_port, mqtt_port = listening_ports(home, options)
    callout = CalloutKeys.of(keys.broker)
    plane = MessagePlane(
        keys.tls,
        RegistryRoster(stores.engine),
        home.path / "broker",
        options.host,
        mqtt_port,
        keys=callout,
        inherited=(stores.lock.descriptor,),
    )
    office = Office(home)
    projector = Projector(functools.partial(records.project, stores.engine))
    link = IngestLink(
        host=_LOOPBACK.get(options.host, options.host),
        wait_open=plane.wait_open,
        context=keys.tls.client_context,
        ingest=stores.ingest,
        on_commit=projector.wake,
        word=callout.word,
    )
    app = make_web(home, keys, stores.engine, office, push=link.push).app()
    listener = Listener(app, keys.tls, options.host, https_port)
    head = HeadKeeper(home.content, keys.head, home.trusted, link.nudge)
    courier = Courier(home, stores.engine, link.push)
    watch = functools.partial(_watch_certificates, keys, stores.ingest)

    def on_ready() -> None:
        announce(Ready(options.host, listener.port, plane.mqtt_port, os.getpid()))
        notify(b"READY=1")

    parts = (
        Part("certificates", watch, restarts=True),
        Part("projector", projector.run, restarts=True),
        Part("broker", plane.run),
        Part("ingest", link.run, restarts=True),
        Part("head", head.run, restarts=True),
        Part("orders", courier.run, restarts=True),
        Part("mailbox", MailKeeper(office).run, restarts=True),
        Part("https", listener.run),
    )
    await run_parts(parts, stop, on_ready)


def make_web(
    home: Home,
    keys: ServerKeys,
    engine: Engine,
    office: Office,
    clock: Clock = lambda: datetime.now(UTC),
    push: Push = push_nowhere,
) -> Web:
    """Return every route that the server of *home* answers; live sound goes to *push*."""
    door = Doorkeeper(home, keys.tls.authorities.server, clock)
    recalls = RecallRoutes(home, engine, door)
    return Web(
        content=home.content.path,
        authorities=keys.tls.authorities,
        roster=RegistryRoster(engine),
        enrolment=Enrolment(engine, keys.enrolment),
        time_signer=keys.time,
        clock=clock,
        people=[
            *MailRoutes(office, door).routes(),
            *OrderRoutes(home, door).routes(),
            *LiveRoutes(home, door, push).routes(),
            *recalls.for_people(),
        ],
        boards=recalls.for_boards,
    )


async def _watch_certificates(keys: ServerKeys, ingest: Ingest, ready: asyncio.Event) -> None:
    """Warn, once a day, of certificates that run out; take renewed ones into use."""
    repeats = Repeats(_DAY_S)
    while True:
        left = await asyncio.to_thread(keys.running_out, datetime.now(UTC))
        for name, days in left.items():
            if repeats.admit(name, "", time.monotonic()) is not None:
                fields = {"certificate": name, "days_left": days, "do": "loa key renew --due"}
                log.warning("certificate_runs_out", extra=fields)
        ingest.identity = keys.ingest.identity
        ready.set()
        await asyncio.sleep(CHECK_CERTIFICATES_S)


def listening_ports(home: Home, options: ServeOptions) -> tuple[int, int]:
    """Return the HTTPS and MQTT ports: as asked for, else as the province's settings name them.

    Raises:
        ConfigError: neither says it.
        StoreError, FormatError: the settings cannot be read.
    """
    data = home.settings_for(home.root.scope)
    known = None if data is None else Settings.from_bytes(Bundle.from_bytes(data).payload)
    if known is None and None in (options.port, options.mqtt_port):
        raise ConfigError(
            "loa serve", [_("no settings name the ports: give --port and --mqtt-port")]
        )
    https = options.port if known is None else _choose(options.port, known.service[0])
    mqtt = options.mqtt_port if known is None else _choose(options.mqtt_port, known.broker[0])
    assert https is not None
    assert mqtt is not None
    return https, mqtt


def _choose(asked: int | None, address: str) -> int:
    if asked is not None:
        return asked
    parts = urlsplit(address)
    return parts.port or _USUAL_PORTS.get(parts.scheme, 443)
