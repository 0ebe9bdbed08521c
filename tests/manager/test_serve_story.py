"""``loa serve`` as a process: a board enrols, tells, is answered; kills and restarts in between."""

from __future__ import annotations

import asyncio
import base64
import shutil
import signal
import socket
import ssl
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import aiomqtt
import httpx
import psutil
import pytest
from cryptography.hazmat.primitives.serialization import Encoding, pkcs7
from sqlalchemy import func, select

from loa_manager import database, tables
from loa_manager.home import Home
from loa_manager.keyring import parse_chain
from loa_manager.serve import home_lock
from loa_manager.serve.home_lock import HomeLock
from loa_manager.serve.server import ServeOptions, listening_ports
from loa_protocol.accept import accept
from loa_protocol.companions import Companions
from loa_protocol.errors import ConfigError
from loa_protocol.objects.online import Head, Receipt, TimeAnswer
from loa_protocol.record import ClockTrust
from loa_protocol.trust import Now
from support.broker_lab import LIMIT_S, knock, until
from support.device_ca_lab import Client, key_pem, make_csr
from support.serve_process import Serving, TestProvince, serving
from support.telling import Teller

pytestmark = pytest.mark.story
CLUSTER = "vn/ls/st0137/c01"


@pytest.fixture(scope="module")
def founded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return TestProvince.found(tmp_path_factory.mktemp("founded") / "ls").path


@pytest.fixture
def province(founded: Path, tmp_path: Path) -> TestProvince:
    shutil.copytree(founded, tmp_path / "ls")
    return TestProvince(Home.open(tmp_path / "ls"))


@pytest.fixture
async def server(province: TestProvince) -> AsyncIterator[Serving]:
    async with serving(province.path) as running:
        yield running


def context(province: TestProvince, client: Client | None, tmp_path: Path) -> ssl.SSLContext:
    made = ssl.create_default_context(cadata=province.ca_pem)
    if client is not None:
        file = tmp_path / "client.pem"
        file.write_bytes(key_pem(client.key) + _pem(client.certificate))
        made.load_cert_chain(file)
    return made


def _pem(der: bytes) -> bytes:
    return ssl.DER_cert_to_PEM_cert(der).encode()


async def enrol(province: TestProvince, server: Serving, bench: Client, tmp_path: Path) -> Client:
    async with https(province, server, bench, tmp_path) as http:
        body = base64.b64encode(make_csr(bench.key))
        answer = await http.post("/enrol/simpleenroll", content=body)
    assert answer.status_code == 200, answer.text
    (issued,) = pkcs7.load_der_pkcs7_certificates(base64.b64decode(answer.content))
    return Client(bench.key, issued.public_bytes(Encoding.DER))


def https(
    province: TestProvince, server: Serving, client: Client | None, tmp_path: Path
) -> httpx.AsyncClient:
    return httpx.AsyncClient(
        base_url=f"https://localhost:{server.ready['https_port']}",
        verify=context(province, client, tmp_path),
        trust_env=False,
    )


async def tell(
    province: TestProvince, server: Serving, board: Client, tmp_path: Path, *batches: bytes
) -> Receipt:
    """Send *batches* and return the receipt after the last of them, as the board accepts it."""
    client = aiomqtt.Client(
        "127.0.0.1",
        server.ready["mqtt_port"],
        identifier=board.id,
        tls_context=context(province, board, tmp_path),
        protocol=aiomqtt.ProtocolVersion.V311,
        timeout=LIMIT_S,
    )
    async with client, asyncio.timeout(LIMIT_S):
        await client.subscribe(f"down/{board.id}/#", qos=0)
        for batch in batches:
            await client.publish(f"up/{board.id}/batch", batch, qos=1)
            message = await anext(client.messages)
    assert isinstance(message.payload, bytes)
    whole = _known(province).complete(message.payload)
    body = accept(whole, province.home.trusted(), now()).body
    assert isinstance(body, Receipt)
    return body


def _known(province: TestProvince) -> Companions:
    """Return the certificates of receipts that a board remembers from earlier runs."""
    chain = parse_chain((province.home.server_keys / "ingest.cert").read_bytes())
    return Companions(chain)


def now() -> Now:
    return Now(int(time.time()), ClockTrust.T3)


def count(province: TestProvince, name: str) -> int:
    engine = database.open(province.home.database_url)
    with database.reading(engine) as connection:
        found = connection.scalar(select(func.count()).select_from(tables.METADATA.tables[name]))
    engine.dispose()
    return found or 0


def told(teller: Teller) -> Teller:
    teller.boot()
    for number in range(3):
        teller.play(number)
    return teller


@pytest.mark.requirement("SEC-2")
async def test_a_board_from_the_bench_enrols_tells_and_is_answered(
    province: TestProvince, server: Serving, tmp_path: Path
) -> None:
    bench, teller = province.bench_board(CLUSTER)
    told(teller)
    async with https(province, server, bench, tmp_path) as http:
        head = accept((await http.get("/content/head")).content, province.home.trusted(), now())
        assert isinstance(head.body, Head)
        answer = (await http.post("/time", content=bytes(range(16)))).content
    asker = replace(province.home.trusted(), nonce=bytes(range(16)))
    assert isinstance(accept(answer, asker, now()).body, TimeAnswer)
    shown = context(province, bench, tmp_path)
    assert await knock(server.ready["mqtt_port"], shown, bench.id) != "in"
    board = await enrol(province, server, bench, tmp_path)
    receipt = await tell(province, server, board, tmp_path, teller.batch(0, 7))
    assert (receipt.endpoint.hex(), receipt.epoch, receipt.next) == (board.id, 1, 7)
    await until(lambda: count(province, "play") == 3)


async def test_killing_the_server_at_any_time_loses_nothing_and_counts_nothing_twice(
    province: TestProvince, tmp_path: Path
) -> None:
    bench, teller = province.bench_board(CLUSTER)
    told(teller)
    async with serving(province.path) as first:
        board = await enrol(province, first, bench, tmp_path)
        assert (await tell(province, first, board, tmp_path, teller.batch(0, 3))).next == 3
        brokers = psutil.Process(first.process.pid).children()
        first.kill()
        await first.process.wait()
        # no broker stays behind, so the next server can have the stores
        await until(lambda: not any(each.is_running() for each in brokers))
    async with serving(province.path) as second:
        # the board knows nothing of it and sends from its last receipt, then a piece again
        assert (await tell(province, second, board, tmp_path, teller.batch(2, 3))).next == 5
        assert await second.stop() == 0
    async with serving(province.path) as third:
        batches = teller.everything(size=2)
        assert (await tell(province, third, board, tmp_path, *batches)).next == 7
        await until(lambda: count(province, "play") == 3)
    assert count(province, "unplaced") == 0


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 0), (signal.SIGINT, 130)])
async def test_it_ends_in_order_when_asked(
    province: TestProvince, tmp_path: Path, number: signal.Signals, code: int
) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.settimeout(LIMIT_S)
        environment = {"NOTIFY_SOCKET": str(tmp_path / "notify")}
        async with serving(province.path, environment=environment) as server:
            assert manager.recv(100) == b"READY=1"
            assert server.ready["event"] == "ready"
            broker = psutil.Process(server.process.pid).children()[0]
            assert await server.stop(number) == code
            assert manager.recv(100) == b"STOPPING=1"
    assert not broker.is_running()
    assert [each["event"] for each in server.events()] == ["ingest_connected", "stopped"]


def test_the_ports_are_those_of_the_settings_unless_one_says_otherwise(
    province: TestProvince,
) -> None:
    assert listening_ports(province.home, ServeOptions()) == (8443, 8883)
    assert listening_ports(province.home, ServeOptions(port=0)) == (0, 8883)
    assert listening_ports(province.home, ServeOptions(port=1, mqtt_port=2)) == (1, 2)
    shutil.rmtree(province.path / "content" / "state")
    assert listening_ports(province.home, ServeOptions(port=1, mqtt_port=2)) == (1, 2)
    with pytest.raises(ConfigError, match="--mqtt-port"):
        listening_ports(province.home, ServeOptions(port=1))


async def test_a_port_that_was_asked_for_is_taken(province: TestProvince) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    async with serving(province.path, "--port", str(port), "--mqtt-port", "0") as server:
        assert server.ready["https_port"] == port


async def test_two_servers_never_share_a_home(
    province: TestProvince, server: Serving, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(home_lock, "WAIT_S", 0.2)
    second = HomeLock(province.path / "serve.lock")
    with pytest.raises(ConfigError, match="loa serve"):
        await second.take()
    broker = psutil.Process(server.process.pid).children()[0]
    broker.suspend()  # it is slow to write its stores
    server.kill()
    await server.process.wait()
    with pytest.raises(ConfigError, match="loa serve"):
        await second.take()
    broker.resume()
    monkeypatch.setattr(home_lock, "WAIT_S", LIMIT_S)
    await second.take()  # free once the broker is gone too
    second.close()


async def test_a_taken_port_is_named_and_ends_the_start(province: TestProvince) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        with pytest.raises(AssertionError) as caught:
            async with serving(province.path, "--port", port, "--mqtt-port", "0"):
                pass
    assert f"127.0.0.1:{port}" in str(caught.value)
    assert "ConfigError" in str(caught.value)
