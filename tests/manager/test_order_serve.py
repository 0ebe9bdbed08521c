"""Orders on the server: pushed until they are acknowledged, and taken over HTTPS."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import os
import shutil
import ssl
import sys
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiomqtt
import httpx
import pytest
from cryptography.hazmat.primitives.serialization import Encoding, pkcs7

from loa_manager import records
from loa_manager.home import Home
from loa_manager.ingest import Ingest
from loa_manager.keyring import Identity
from loa_manager.orders.delivery import PAUSES_S
from loa_manager.orders.paper import open_paper
from loa_manager.orders.standing import parse_standing
from loa_manager.serve.courier import Courier
from loa_protocol.accept import accept
from loa_protocol.envelope import Bundle
from loa_protocol.objects.command import Command, Verb
from loa_protocol.objects.online import Head
from loa_protocol.record import ClockTrust, OrderState, OrderTaken
from loa_protocol.trust import Now
from support.broker_lab import LIMIT_S, running, until
from support.device_ca_lab import Client, key_pem, make_csr
from support.order_desks import AT, Ordering, paper_of
from support.order_homes import STATION, make_homes
from support.province import NOW, province
from support.serve_process import Serving, TestProvince, serving
from support.telling import Teller


@dataclass
class Post:
    """Where the courier's pushes end; the broker may be away."""

    sent: list[tuple[str, bytes]] = field(default_factory=list)
    is_open: bool = True
    refused: int = 0

    async def push(self, topic: str, payload: bytes) -> bool:
        if self.is_open:
            self.sent.append((topic, payload))
        else:
            self.refused += 1
        return self.is_open

    @property
    def topics(self) -> list[str]:
        return [topic for topic, _ in self.sent]


@contextlib.asynccontextmanager
async def courier(ordering: Ordering) -> AsyncIterator[Post]:
    post = Post()
    made = Courier(ordering.home, ordering.engine, post.push, clock=lambda: AT)
    async with running(made.run):
        yield post


@pytest.fixture
def ordering(tmp_path: Path) -> Ordering:
    return Ordering(tmp_path)


async def test_an_order_is_pushed_at_once_and_again_to_boards_that_are_silent(
    ordering: Ordering,
) -> None:
    async with courier(ordering) as post:
        body = ordering.command(Verb.HOLD)
        await until(lambda: len(post.sent) == 1)
        assert post.topics == [f"scope/{STATION}/order"]
        assert open_paper(post.sent[0][1]).body == body
        ordering.answer(0, body, OrderState.TAKEN)
        project(ordering)
        await until(lambda: len(post.sent) == 3)  # after two seconds, to the two that are silent
        silent = {f"down/{board.id}/order" for board in ordering.boards[1:]}
        assert set(post.topics[1:]) == silent


async def test_an_order_that_all_have_acknowledged_is_pushed_no_more(ordering: Ordering) -> None:
    body = ordering.command(Verb.HOLD)
    for board in range(3):
        ordering.answer(board, body, OrderState.TAKEN)
    project(ordering)
    async with courier(ordering) as post:
        other = ordering.command(Verb.VOLUME)
        await until(lambda: bool(post.sent))
        assert [open_paper(data).id for _, data in post.sent] == [other.id]


async def test_without_a_broker_an_order_waits_for_it(ordering: Ordering) -> None:
    async with courier(ordering) as post:
        post.is_open = False
        ordering.command(Verb.HOLD)
        await until(lambda: post.refused > 0)
        post.is_open = True
        await until(lambda: len(post.sent) == 1)


@pytest.mark.requirement("MSG-3")
async def test_an_order_whose_file_is_damaged_holds_no_other_up(
    ordering: Ordering, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("loa_manager.serve.courier.UNREAD_S", 0.2)
    monkeypatch.setattr("loa_manager.serve.courier.random.random", lambda: 0.5)  # due in step
    first = ordering.command(Verb.HOLD)
    file = ordering.home.content.path / "objects" / paper_of(first).bundle.digest.hex()
    whole = file.read_bytes()
    second = ordering.command(Verb.VOLUME)
    async with courier(ordering) as post:
        await until(lambda: len(post.sent) == 2)
        file.write_bytes(b"\0")  # and both are due again after two seconds
        await until(lambda: len(post.sent) > 2)
        assert open_paper(post.sent[-1][1]).id == second.id
        third = ordering.command(Verb.REBOOT)  # the list is read anew
        await until(lambda: third.id in pushed(post))
        count = len(post.sent)
        file.write_bytes(whole)
        await until(lambda: first.id in pushed(post, count))


def pushed(post: Post, since: int = 0) -> set[bytes]:
    return {open_paper(data).id for _, data in post.sent[since:]}


async def test_an_order_to_one_board_goes_to_it_alone(ordering: Ordering) -> None:
    board = ordering.boards[1]
    async with courier(ordering) as post:
        ordering.command(Verb.REBOOT, endpoint=bytes.fromhex(board.id))
        await until(lambda: len(post.sent) == 1)
        assert post.topics == [f"down/{board.id}/order"]


def project(ordering: Ordering) -> None:
    online = province().online
    with contextlib.closing(
        Ingest(ordering.engine, Identity("ingest", online.signer, online.chain))
    ) as ingest:
        batches = [batch for board in ordering.boards for batch in board.everything()]
        ingest.take_many(batches, NOW.unix_s * 1000)
    records.project(ordering.engine)


# --- the whole


@pytest.fixture(scope="module")
def founded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_homes(tmp_path_factory.mktemp("homes"))


@pytest.fixture
def homes(founded: Path, tmp_path: Path) -> Path:
    shutil.copytree(founded, tmp_path / "homes")
    return tmp_path / "homes"


async def loa(homes: Path, name: str, *arguments: str) -> Any:
    """Run ``loa`` as its own process at a home; return its answer."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-c", "from loa_manager.cli.main import main; main()", *arguments),
        *("--home", str(homes / name), "--passphrase-file", str(homes / "secret"), "--json"),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        cwd=homes,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    out, err = await process.communicate()
    return process.returncode, json.loads(out or err.splitlines()[0])


def context(home: TestProvince, client: Client, tmp_path: Path) -> ssl.SSLContext:
    made = ssl.create_default_context(cadata=home.ca_pem)
    pem = ssl.DER_cert_to_PEM_cert(client.certificate).encode()
    (tmp_path / "client.pem").write_bytes(key_pem(client.key) + pem)
    made.load_cert_chain(tmp_path / "client.pem")
    return made


async def enrolled(home: TestProvince, server: Serving, tmp_path: Path) -> tuple[Client, Teller]:
    bench, teller = home.bench_board(f"{STATION}/c01")
    async with httpx.AsyncClient(
        base_url=f"https://localhost:{server.ready['https_port']}",
        verify=context(home, bench, tmp_path),
        trust_env=False,
    ) as http:
        body = base64.b64encode(make_csr(bench.key))
        answer = await http.post("/enrol/simpleenroll", content=body)
    (issued,) = pkcs7.load_der_pkcs7_certificates(base64.b64decode(answer.content))
    return Client(bench.key, issued.public_bytes(Encoding.DER)), teller


@pytest.mark.story
@pytest.mark.requirement("SEC-8", "SEC-9")
async def test_a_warden_s_hold_reaches_the_board_through_the_server_and_comes_back_as_taken(
    homes: Path, tmp_path: Path
) -> None:
    home = TestProvince(Home.open(homes / "ls"))
    (homes / "ls" / "passphrase").write_text((homes / "secret").read_text())
    async with serving(homes / "ls") as server:
        board, teller = await enrolled(home, server, tmp_path)
        mqtt = aiomqtt.Client(
            "127.0.0.1",
            server.ready["mqtt_port"],
            identifier=board.id,
            tls_context=context(home, board, tmp_path),
            protocol=aiomqtt.ProtocolVersion.V311,
            timeout=LIMIT_S,
        )
        way = ("--server", f"https://localhost:{server.ready['https_port']}")
        async with mqtt, asyncio.timeout(3 * LIMIT_S):
            for topic in (f"scope/{STATION}/order", f"scope/{STATION}/look", "scope/vn/ls/look"):
                await mqtt.subscribe(topic, qos=0)
            await mqtt.subscribe(f"down/{board.id}/#", qos=0)
            hold = ("order", "hold", STATION, "--reason", "Tiếng lạ", "--yes")
            given = asyncio.create_task(loa(homes, "hung", *hold, *way))
            pushed = await orders(mqtt, 1)
            code, (row,) = await given
            assert (code, row["state"]) == (0, "given")
            now = Now(int(time.time()), ClockTrust.T3)
            accepted = accept(pushed[0], home.home.trusted(), now)
            assert isinstance(accepted.body, Command)
            assert accepted.body.verb is Verb.HOLD
            again = await orders(mqtt, 1)  # unacknowledged, it comes once more
            assert again == pushed
            teller.boot()
            taken = OrderTaken(
                id=accepted.body.id,
                kind=accepted.kind,
                digest=accepted.digest,
                state=OrderState.BEGUN,
                detail="",
            )
            teller.tell(taken)
            await mqtt.publish(f"up/{board.id}/batch", teller.batch(0, 2), qos=1)

            async def is_told() -> bool:
                code, facts = await loa(
                    homes, "lan", "order", "status", row["id"], "--scope", STATION, *way
                )
                return code == 0 and bool(facts["begun"] == 1)

            await until(is_told, 2 * LIMIT_S)
        head = Head.from_bytes(Bundle.from_bytes((homes / "ls/content/head").read_bytes()).payload)
        document = parse_standing(home.home.content.object(head.standing_orders))
        assert [mark.digest for mark in document.orders] == [accepted.digest]
        await refused(homes, way)
    assert any(each["event"] == "order_pushed" for each in server.events())


async def refused(homes: Path, way: tuple[str, str]) -> None:
    """Half-signed, foreign and unheard-of: the route takes none of it."""
    code, error = await loa(homes, "hung", "order", "list", "--scope", "vn/ls/st9999", *way)
    assert (code, error["reason"]) == (5, "scope")
    port = way[1].rpartition(":")[2]
    ca = ssl.create_default_context(cafile=str(homes / "hung/public/device-ca.pem"))
    async with httpx.AsyncClient(
        base_url=f"https://localhost:{port}", verify=ca, trust_env=False
    ) as http:
        for method, path in (("POST", "/orders"), ("GET", f"/orders/{STATION}")):
            answer = await http.request(method, path)
            assert (answer.status_code, answer.json()["reason"]) == (401, "no_signature")


async def orders(mqtt: aiomqtt.Client, count: int) -> list[bytes]:
    """Return the next *count* orders that arrive, whatever comes between."""
    found: list[bytes] = []
    async for message in mqtt.messages:
        if str(message.topic).endswith("/order"):
            assert isinstance(message.payload, bytes)
            found.append(message.payload)
        if len(found) == count:
            break
    return found


assert PAUSES_S[0] < LIMIT_S  # or the story would wait in vain
