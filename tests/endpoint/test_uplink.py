"""The MQTT session against a real broker, over mutual TLS 1.3, and against brokers that lie."""

from __future__ import annotations

import asyncio
import contextlib
import re
import socket
import ssl
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import aiomqtt
import pytest

from loa_endpoint.core.batch import Verdict
from loa_endpoint.core.poll import Reach
from loa_endpoint.core.retry import Backoff
from loa_endpoint.store.outbox import Outbox
from loa_endpoint.uplink.session import Session, Surroundings
from loa_endpoint.uplink.tls import ClientIdentity, EndpointContext, client_context
from loa_protocol import cbor
from loa_protocol.companions import bare
from loa_protocol.envelope import Bundle, Kind, open_seal
from loa_protocol.errors import StoreError
from loa_protocol.objects.online import Batch, Receipt, TimeAnswer
from loa_protocol.record import Heartbeat
from loa_protocol.trust import Now
from support.ingest_model import IngestModel
from support.nats_broker import Broker, nats_broker
from support.outbox_lab import OutboxLab
from support.province import CLUSTER, NOW, Person, person, province
from support.records import heartbeat
from support.tls_lab import Authority, Issued, Life, server_context

ENDPOINT = province().device.public.kid
DEADLINE_S = 30  # a broker that was killed may be found again only at the third try
QUICK = Backoff(first_ms=50, most_ms=200)
Decide = Callable[[Batch], list[bytes]]


@dataclass
class Told:
    """Remembers what the session said."""

    events: list[tuple[str, ...]] = field(default_factory=list)
    heads: list[tuple[bytes, Reach]] = field(default_factory=list)
    orders: list[bytes] = field(default_factory=list)
    chunks: list[bytes] = field(default_factory=list)
    verdicts: list[Verdict] = field(default_factory=list)
    refusals: list[tuple[str, str]] = field(default_factory=list)

    def connected(self, address: str) -> None:
        self.events.append(("connected",))

    def disconnected(self, address: str, why: str, next_try_ms: int) -> None:
        self.events.append(("disconnected", why))

    def nudged(self, head: bytes, reach: Reach) -> None:
        self.heads.append((head, reach))

    def spoken(self, chunk: bytes) -> None:
        self.chunks.append(chunk)

    async def ordered(self, bundle: bytes) -> None:
        self.orders.append(bundle)

    def marked(self, receipt: Receipt, verdict: Verdict) -> None:
        self.verdicts.append(verdict)

    def refused(self, what: str, reason: str, detail: str) -> None:
        self.refusals.append((what, reason))

    def store_failed(self, error: StoreError) -> None:
        self.events.append(("store_failed", str(error)))

    @property
    def reasons(self) -> str:
        """Why connections ended."""
        return " | ".join(event[1] for event in self.events if event[0] == "disconnected")


@dataclass
class Board:
    """An endpoint's uplink: outbox, identity, session."""

    folder: Path
    address: str
    authority: Authority
    identity: Issued
    now: Now = NOW
    told: Told = field(default_factory=Told)
    changes: dict[str, object] = field(default_factory=dict)

    def __post_init__(self) -> None:
        lab = OutboxLab(self.folder)
        self.outbox: Outbox = replace_endpoint(lab)
        self.files = ClientIdentity(*self.identity.write(self.folder, "ldevid"))

    def context(self) -> EndpointContext:
        return client_context(
            lambda: self.now,
            authorities=[self.authority.der],
            identity=self.files,
            meters_packets=True,
        )

    def session(self) -> Session:
        around = Surroundings(
            endpoint=ENDPOINT,
            signer=province().device,
            addresses=lambda: [self.address],
            scope=lambda: CLUSTER,
            context=self.context,
            trusted=province().trusted,
            now=lambda: self.now,
            backoff=QUICK,
        )
        return Session(replace(around, **self.changes), self.outbox, self.told)  # type: ignore[arg-type]  # test convenience


def replace_endpoint(lab: OutboxLab) -> Outbox:
    """Open the lab's outbox as the province's device."""
    lab.endpoint = ENDPOINT
    return lab.boot()


@contextlib.asynccontextmanager
async def running(session: Session) -> AsyncIterator[None]:
    task = asyncio.create_task(session.run())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def until(condition: Callable[[], object]) -> None:
    """Wait for *condition*; the turns of the loop are what passes the time."""
    async with asyncio.timeout(DEADLINE_S):
        while not condition():  # noqa: ASYNC110 - conditions of other tasks and threads
            await asyncio.sleep(0.005)


@contextlib.asynccontextmanager
async def ingest(broker: Broker, decide: Decide) -> AsyncIterator[aiomqtt.Client]:
    """Run an ingest that answers each sealed batch with the receipts that *decide* gives."""
    async with aiomqtt.Client(
        "127.0.0.1", broker.port, tls_context=broker.client_context("ingest")
    ) as client:
        await client.subscribe("up/+/batch", qos=1)

        async def serve() -> None:
            async for each in client.messages:
                sealed = open_seal(bytes(each.payload))
                assert sealed.payload is not None
                assert sealed.is_by(province().device.public, sealed.payload, Kind.BATCH.label())
                for answer in decide(Batch.from_bytes(sealed.payload)):
                    await client.publish(f"down/{ENDPOINT.hex()}/receipt", answer)

        task = asyncio.create_task(serve())
        try:
            yield client
            if task.done():
                task.result()
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


def signed(receipt: Receipt, signer: Person | None = None) -> bytes:
    return province().sign(Kind.RECEIPT, receipt, signer or province().online)


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority()


@pytest.fixture(scope="module")
def broker(authority: Authority, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    with nats_broker(tmp_path_factory.mktemp("broker"), authority) as running_broker:
        yield running_broker


@pytest.fixture
def board(tmp_path: Path, broker: Broker, authority: Authority) -> Board:
    return Board(tmp_path, broker.address, authority, authority.client(ENDPOINT.hex()))


@pytest.fixture
def server() -> IngestModel:
    return IngestModel(ENDPOINT)


@pytest.mark.requirement("OFF-1", "SEC-2")
async def test_records_reach_ingest_once_and_in_order_and_are_marked_by_its_receipts(
    board: Board, broker: Broker, server: IngestModel
) -> None:
    for number in range(150):
        board.outbox.append(heartbeat(number))
    session = board.session()
    async with ingest(broker, lambda batch: [signed(server.receive(batch))]), running(session):
        await until(lambda: board.outbox.load().unsent == 0)
        board.outbox.append(heartbeat(150))
        session.wake()
        await until(lambda: board.outbox.load().unsent == 0)
    beats = [r.body.uptime_s for r in server.records() if isinstance(r.body, Heartbeat)]
    assert beats == list(range(151))
    assert set(board.told.verdicts) == {Verdict.ADVANCED}
    assert board.told.refusals == []


@pytest.mark.requirement("SEC-3")
async def test_forged_receipts_are_refused_and_reported_and_mark_nothing(
    board: Board, broker: Broker, server: IngestModel
) -> None:
    everything = Receipt(
        endpoint=ENDPOINT, epoch=1, next=1, chain=bytes(32), time_ms=server.time_ms + 10_000
    )
    other = replace(everything, endpoint=bytes(16))
    forged = [
        strange(everything),
        signed(everything, province().editor),  # a true certificate, of another role
        signed(other),
        signed(everything)[:-1],
        b"",
        province().sign(Kind.TIME_ANSWER, _answer(), province().online),
    ]
    board.outbox.append(heartbeat())
    session = board.session()
    async with ingest(broker, lambda batch: forged), running(session):
        await until(lambda: len(board.told.refusals) == 5)
    assert board.told.refusals == [
        ("receipt", "unknown_signer"),
        ("receipt", "role"),
        ("receipt", "not_addressed"),
        ("receipt", "format"),  # told once for both
        ("receipt", "nonce"),
    ]
    assert board.told.verdicts == []
    assert board.outbox.load().unsent == 2


def strange(receipt: Receipt) -> bytes:
    """Return a stranger's receipt, with other people's certificates."""
    bundle = Bundle.from_bytes(signed(receipt, person("stranger")))
    return replace(bundle, certificates=tuple(province().online.chain)).to_bytes()


@pytest.mark.requirement("PERF-5")
async def test_a_bare_receipt_from_a_key_that_is_not_known_yet_marks_nothing_and_is_no_attack(
    board: Board, broker: Broker, server: IngestModel
) -> None:
    whole = signed(
        Receipt(endpoint=ENDPOINT, epoch=1, next=1, chain=bytes(32), time_ms=server.time_ms)
    )
    board.outbox.append(heartbeat())
    session = board.session()
    async with ingest(broker, lambda batch: [bare(whole), b""]), running(session):
        await until(lambda: bool(board.told.refusals))
    assert board.told.refusals == [("receipt", "format")], "of the bytes after it"
    assert board.told.verdicts == []


def _answer() -> TimeAnswer:
    return TimeAnswer(nonce=bytes(16), time_ms=1)


async def test_an_old_receipt_played_again_marks_nothing_and_is_reported(
    board: Board, broker: Broker, server: IngestModel
) -> None:
    old = signed(server.receipt())
    answers = iter([[], [old]])

    def decide(batch: Batch) -> list[bytes]:
        return [signed(server.receive(batch)), *next(answers)]

    session = board.session()
    async with ingest(broker, decide), running(session):
        await until(lambda: board.outbox.load().unsent == 0)
        board.outbox.append(heartbeat())
        session.wake()
        await until(lambda: board.told.refusals)
    assert board.told.refusals == [("receipt", "stale")]
    assert board.outbox.load().unsent == 0


async def test_a_batch_without_a_receipt_is_sent_again_as_it_was(
    board: Board, broker: Broker, server: IngestModel
) -> None:
    board.changes["patience_ms"] = (100, 100, 100, 5000)
    arrived: list[Batch] = []

    def decide(batch: Batch) -> list[bytes]:
        arrived.append(batch)
        return [signed(server.receive(batch))] if len(arrived) == 3 else []

    async with ingest(broker, decide), running(board.session()):
        await until(lambda: board.outbox.load().unsent == 0)
    assert len(arrived) == 3
    assert arrived[0] == arrived[1] == arrived[2]


async def test_a_broker_that_swallows_batches_is_left_and_tried_again(
    board: Board, broker: Broker, server: IngestModel
) -> None:
    board.changes["patience_ms"] = (50, 50)
    async with running(board.session()):
        await until(lambda: board.told.events.count(("connected",)) >= 2)
    assert "no receipt" in board.told.reasons
    assert board.outbox.load().unsent == 1


@pytest.mark.requirement("OFF-1", "NET-1")
async def test_a_broker_killed_in_the_middle_loses_nothing_and_doubles_nothing(
    tmp_path: Path, authority: Authority, server: IngestModel
) -> None:
    folder = tmp_path / "broker"
    folder.mkdir()
    with nats_broker(folder, authority) as first:
        board = Board(tmp_path, first.address, authority, authority.client(ENDPOINT.hex()))
        for number in range(300):
            board.outbox.append(heartbeat(number))
        session = board.session()
        async with running(session):
            with contextlib.suppress(aiomqtt.MqttError):
                async with ingest(first, lambda batch: [signed(server.receive(batch))]):
                    await until(lambda: board.outbox.load().unsent < 250)
                    first.kill()
                    await until(lambda: not session.is_connected)
            with nats_broker(folder, authority, port=first.port) as second:
                async with ingest(second, lambda batch: [signed(server.receive(batch))]):
                    await until(lambda: board.outbox.load().unsent == 0)
    beats = [r.body.uptime_s for r in server.records() if isinstance(r.body, Heartbeat)]
    assert beats == list(range(300))
    assert server.broken == 0


async def test_a_server_back_from_a_backup_asks_for_old_records_and_gets_them(
    board: Board, broker: Broker, server: IngestModel
) -> None:
    backup = server.backup()
    board.outbox.append(heartbeat(1))
    session = board.session()
    answering = ingest(broker, lambda batch: [signed(server.receive(batch))])
    async with answering as client, running(session):
        await until(lambda: board.outbox.load().unsent == 0)
        complete = dict(server.stored)
        server.restore(backup)
        await client.publish(f"down/{ENDPOINT.hex()}/receipt", signed(server.receipt()))
        await until(lambda: server.stored == complete)


async def test_nudges_and_heads_for_every_scope_above_are_handed_on(
    board: Board, broker: Broker
) -> None:
    session = board.session()
    async with ingest(broker, lambda batch: []) as client, running(session):
        await until(lambda: session.is_connected)
        for topic, payload in (
            (f"down/{ENDPOINT.hex()}/look", b""),
            ("scope/vn/head", b"head of the nation"),
            ("scope/vn/ls/st0137/c04/look", b"head"),
            ("scope/vn/ls/st0138/look", b"not ours"),
            (f"down/{ENDPOINT.hex()}/speak", b"http://example/now.mp3"),
        ):
            await client.publish(topic, payload)
        await until(lambda: len(board.told.heads) == 3 and board.told.refusals)
    everything = Reach.STATE
    assert board.told.heads == [
        (b"", everything),
        (b"head of the nation", Reach.HEAD),
        (b"head", everything),
    ]
    assert board.told.refusals == [("message", "unknown_topic")]


@pytest.mark.requirement("SEC-3")
async def test_orders_for_the_board_and_every_scope_above_are_handed_on_one_by_one(
    board: Board, broker: Broker
) -> None:
    session, largest = board.session(), bytes(cbor.MAX_BYTES)
    async with ingest(broker, lambda batch: []) as client, running(session):
        await until(lambda: session.is_connected)
        for topic, payload in (
            (f"down/{ENDPOINT.hex()}/order", b"to one"),
            ("scope/vn/ls/order", b"to all"),
            ("scope/vn/ls/st0138/order", b"not ours"),
            ("scope/vn/ls/st0137/c04/order", largest),  # as long as an alert with its sound may be
        ):
            await client.publish(topic, payload)
        await until(lambda: len(board.told.orders) == 3)
    assert board.told.orders == [b"to one", b"to all", largest]
    assert board.told.refusals == []


@pytest.mark.requirement("SRC-1")
async def test_chunks_of_live_sound_for_our_scopes_are_handed_on(
    board: Board, broker: Broker
) -> None:
    session = board.session()
    async with ingest(broker, lambda batch: []) as client, running(session):
        await until(lambda: session.is_connected)
        await client.publish("scope/vn/ls/st0138/live", b"not ours")
        await client.publish("scope/vn/ls/st0137/live", b"a second of a voice")
        await until(lambda: len(board.told.chunks) == 1)
    assert board.told.chunks == [b"a second of a voice"]


async def test_another_certificate_is_used_after_a_renewal(board: Board, broker: Broker) -> None:
    session = board.session()
    async with running(session):
        await until(lambda: session.is_connected)
        session.renew()
        await until(lambda: board.told.events.count(("connected",)) == 2)
    assert board.told.reasons == "renewed"


# -- TLS


@pytest.mark.requirement("SEC-2")
async def test_a_broker_of_a_foreign_ca_is_refused(board: Board) -> None:
    board.authority = Authority("stranger")
    async with running(board.session()):
        await until(lambda: board.told.events)
    assert "CERTIFICATE_VERIFY_FAILED" in board.told.reasons


@pytest.mark.requirement("SEC-2")
async def test_a_broker_under_another_name_is_refused(tmp_path: Path, authority: Authority) -> None:
    (tmp_path / "b").mkdir()
    with nats_broker(tmp_path / "b", authority, server=authority.server("broker.example")) as other:
        board = Board(tmp_path, other.address, authority, authority.client(ENDPOINT.hex()))
        async with running(board.session()):
            await until(lambda: board.told.events)
    assert "IP address mismatch" in board.told.reasons


@pytest.mark.requirement("SEC-2")
async def test_a_board_without_a_certificate_of_ours_is_refused_by_the_broker(
    tmp_path: Path, broker: Broker, authority: Authority
) -> None:
    stranger = Authority("stranger").client(ENDPOINT.hex())
    board = Board(tmp_path, broker.address, authority, stranger)
    async with running(board.session()):
        await until(lambda: board.told.events)
    assert board.told.events[0][0] == "disconnected"


T1_AT_1970 = Now(1000, NOW.trust.T1)


def real(days: float, *, is_known: bool = True) -> Now:
    """Return the machine's own time plus *days*: the laboratory's certificates are dated by it."""
    return Now(int(time.time() + days * 86_400), NOW.trust.T3 if is_known else NOW.trust.T1)


@pytest.mark.requirement("SEC-2", "TIM-4")
@pytest.mark.parametrize(
    ("life", "now", "fault"),
    [
        (Life(-400, -1), real(0), "the certificate ended"),
        (Life(-400, -1), real(0, is_known=False), "the certificate ended"),  # the floor is past it
        (Life(-400, -1), real(-2), None),  # the machine's clock says expired; ours is trusted
        (Life(-1, 400), T1_AT_1970, None),  # a board at 1970 must be able to ask for the time
        (Life(1, 400), real(0), "the certificate begins"),
        (Life(1, 400), real(0, is_known=False), None),
    ],
    ids=["over", "over by floor", "not over for us", "at 1970", "not begun", "not begun, unknown"],
)
def test_dates_of_a_server_are_judged_by_the_trusted_time(
    life: Life, now: Now, fault: str | None, authority: Authority, tmp_path: Path
) -> None:
    context = client_context(lambda: now, authorities=[authority.der])
    theirs = server_context(tmp_path, authority.server(life=life))
    if fault is None:
        _shake_hands(context, theirs)
    else:
        with pytest.raises(ssl.SSLCertVerificationError, match=fault):
            _shake_hands(context, theirs)


def test_tls_1_2_is_not_spoken(authority: Authority, tmp_path: Path) -> None:
    theirs = server_context(tmp_path, authority.server())
    theirs.minimum_version = ssl.TLSVersion.TLSv1_2
    theirs.maximum_version = ssl.TLSVersion.TLSv1_2
    with pytest.raises(ssl.SSLError, match=r"(?i)version"):
        _shake_hands(client_context(lambda: NOW, authorities=[authority.der]), theirs)


def test_files_that_are_not_there_are_named(authority: Authority, tmp_path: Path) -> None:
    missing = ClientIdentity(tmp_path / "ldevid.pem", tmp_path / "device.key")
    with pytest.raises(StoreError, match="not there"):
        client_context(lambda: NOW, authorities=[authority.der], identity=missing)


def _shake_hands(ours: ssl.SSLContext, theirs: ssl.SSLContext) -> None:
    """Connect two sockets of this process."""
    here, there = socket.socketpair()

    def answer() -> None:
        with contextlib.suppress(OSError):
            theirs.wrap_socket(there, server_side=True).recv(1)

    thread = threading.Thread(target=answer)
    thread.start()
    try:
        here.settimeout(DEADLINE_S)
        ours.wrap_socket(here, server_hostname="localhost").close()
    finally:
        here.close()
        thread.join()
        there.close()


# -- brokers that are no brokers


@contextlib.asynccontextmanager
async def impostor(
    authority: Authority, folder: Path, words: list[bytes]
) -> AsyncIterator[tuple[str, list[int]]]:
    """Serve TLS with a true certificate, say *words* one after the other, then nothing."""
    lengths: list[int] = []

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            for word in words:
                await reader.read(100)
                writer.write(word)
                await writer.drain()
            while data := await reader.read(65_536):
                lengths.append(len(data))
        writer.transport.abort()

    folder.mkdir()  # noqa: ASYNC240 - a test's own folder
    context = server_context(folder, authority.server())
    server = await asyncio.start_server(talk, "127.0.0.1", 0, ssl=context)
    port = server.sockets[0].getsockname()[1]
    try:
        yield f"mqtts://127.0.0.1:{port}", lengths
    finally:
        server.close()


CONNACK = b"\x20\x02\x00\x00"


@pytest.mark.parametrize(
    ("words", "why"),
    [
        ([b"HTTP/1.1 400 Bad Request\r\n\r\n"], "a packet that begins with 0x48"),
        ([b"\x20\x02\x00\x05"], "(?i)not authori[sz]ed|ended"),
        ([CONNACK, b"\x30\xff\xff\xff\x7f" + bytes(1000)], "a packet of 268435455 bytes"),
        ([CONNACK, b"\x30\xff\xff\xff\xff\xff"], "more than four bytes"),
        ([CONNACK, b"\x34\x05\x00\x01t\x00\x01"], "a packet that begins with 0x34"),
        ([CONNACK, b"\x90\x07\x00\x01" + b"\x80" * 5], "does not let us listen"),
        ([CONNACK, b"\x90\x08\x00\x01" + b"\x00" * 6], "does not let us listen"),
    ],
    ids=[
        "no MQTT",
        "no entry",
        "huge message",
        "endless length",
        "to be held",
        "denied",
        "too many",
    ],
)
async def test_a_broker_that_talks_nonsense_is_left(
    words: list[bytes],
    why: str,
    board: Board,
    authority: Authority,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("loa_endpoint.uplink.session.ANSWER_S", 0.3)
    async with impostor(authority, tmp_path / "impostor", words) as (address, _):
        board.address = address
        session = board.session()
        async with running(session):
            await until(lambda: board.told.reasons)
            assert not session.is_connected
    assert re.search(why, board.told.reasons)


async def test_a_silent_broker_leaks_no_connections(
    board: Board, authority: Authority, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("loa_endpoint.uplink.session.ANSWER_S", 0.05)
    async with impostor(authority, tmp_path / "impostor", []) as (address, _):
        board.address = address
        board.changes["backoff"] = Backoff(first_ms=1, most_ms=1)
        async with running(board.session()):
            await until(lambda: len(board.told.events) > 3)
            before = _open_files()
            await until(lambda: len(board.told.events) > 15)
            assert _open_files() <= before + 4


def _open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


async def test_a_wrong_address_is_named_and_does_not_end_the_session(board: Board) -> None:
    board.address = "mqtt://127.0.0.1:1883"  # plain text does not exist here
    async with running(board.session()):
        await until(lambda: len(board.told.events) >= 2)
    assert "expected mqtts://host:port" in board.told.reasons
