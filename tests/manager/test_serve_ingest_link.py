"""From the broker to ingest and back: the real broker, real batches, a real database."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given
from hypothesis import strategies as st

from loa_manager import database
from loa_manager.ingest import Ingest, Outcome
from loa_manager.keyring import Identity
from loa_manager.serve import ingest_link
from loa_manager.serve.ingest_link import IngestLink, gather_receipts, reconnect_delay
from loa_manager.serve.message_plane import MessagePlane
from loa_protocol.accept import accept
from loa_protocol.envelope import Kind
from loa_protocol.errors import StoreError
from loa_protocol.keys import SoftSigner
from loa_protocol.objects.online import Receipt
from support import province
from support.broker_lab import LIMIT_S, board_client, running, running_plane, until
from support.content_lab import unsealed
from support.device_ca_lab import Client, FixedRoster, X509Lab
from support.registry import load_village, new_database
from support.telling import Teller


@dataclass
class Scene:
    """A board, a broker, and ingest behind the link."""

    lab: X509Lab
    plane: MessagePlane
    ingest: Ingest
    board: Client
    teller: Teller
    commits: int = 0

    def link(self) -> IngestLink:
        return IngestLink(
            host="127.0.0.1",
            wait_open=self.plane.wait_open,
            context=self.plane.tls.client_context,
            ingest=self.ingest,
            on_commit=self.committed,
            word=self.plane.keys.word,
            clock=lambda: datetime.now(UTC),
        )

    def committed(self) -> None:
        self.commits += 1

    @property
    def topic(self) -> str:
        return f"up/{self.board.id}/batch"

    def accepted(self, payload: bytes) -> Receipt:
        trusted = province.province().trusted(fingerprint=self.board.public.fingerprint)
        body = accept(payload, trusted, province.NOW).body
        assert isinstance(body, Receipt)
        return body


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    lab, roster = X509Lab(), FixedRoster()
    board = lab.board()
    roster.add(board)
    engine = new_database(tmp_path)
    teller = Teller(SoftSigner(board.key))
    with database.writing(engine) as connection:
        load_village(connection)
        teller.register(connection, "vn/ls/st0137/c01")
    person = province.province().online
    ingest = Ingest(engine, Identity("ingest", person.signer, person.chain))
    teller.boot()
    for _ in range(3):
        teller.beat()
    async with running_plane(lab, roster, tmp_path / "broker") as plane:
        yield Scene(lab, plane, ingest, board, teller)
    ingest.close()
    engine.dispose()


async def receipt_for(scene: Scene, *payloads: bytes) -> Receipt:
    """Send *payloads* as the board and return the last receipt that the last one brings."""
    async with board_client(scene.plane, scene.lab, scene.board) as device:
        await device.subscribe(f"down/{scene.board.id}/#", qos=0)
        for payload in payloads:
            await device.publish(scene.topic, payload, qos=1)
        async with asyncio.timeout(LIMIT_S):
            message = await anext(device.messages)
    assert isinstance(message.payload, bytes)
    return scene.accepted(message.payload)


async def test_a_batch_is_committed_and_its_board_gets_a_receipt_it_accepts(scene: Scene) -> None:
    async with running(scene.link().run):
        receipt = await receipt_for(scene, scene.teller.batch(0, 4))
        assert (receipt.epoch, receipt.next) == (1, 4)
        assert scene.commits == 1
        again = await receipt_for(scene, scene.teller.batch(0, 4))
        assert (again.epoch, again.next) == (1, 4)
        assert again.time_ms > receipt.time_ms
        assert scene.commits == 1  # nothing new, nothing to expand


async def test_what_came_while_the_link_was_down_is_taken_when_it_is_back(scene: Scene) -> None:
    async with running(scene.link().run):
        pass  # the broker knows us from here on
    async with board_client(scene.plane, scene.lab, scene.board) as device:
        await device.publish(scene.topic, scene.teller.batch(0, 4), qos=1)
    async with running(scene.link().run):
        await until(lambda: scene.commits == 1)
        assert scene.ingest.counts["stored"] == 1


async def test_a_killed_broker_is_found_again_and_nothing_is_lost(
    scene: Scene, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO):
        async with running(scene.link().run):
            pid = scene.plane.broker.pid
            assert pid is not None
            os.kill(pid, signal.SIGKILL)
            await until(
                lambda: [r.message for r in caplog.records].count("ingest_connected") == 2, 20
            )
            receipt = await receipt_for(scene, scene.teller.batch(0, 4))
            assert receipt.next == 4
    events = [each.message for each in caplog.records]
    assert events.count("ingest_disconnected") == 1  # once a change of state, not once a try


async def test_what_nobody_signed_is_refused_by_name_and_the_rest_goes_on(
    scene: Scene, caplog: pytest.LogCaptureFixture
) -> None:
    stranger = Teller(SoftSigner(ec.generate_private_key(ec.SECP256R1())))
    stranger.boot()
    good = scene.teller.batch(0, 4)
    broken = bytearray(good)
    broken[-1] ^= 1
    async with running(scene.link().run):
        junk = (b"", b"junk", stranger.batch(0, 1), bytes(broken))
        receipt = await receipt_for(scene, *junk, good)
    assert receipt.next == 4
    refused = [vars(r)["reason"] for r in caplog.records if r.message == "batch_refused"]
    assert refused == ["format", "unknown", "signature"]  # the second junk is held back


async def test_a_full_disk_gives_no_receipt_and_the_batch_is_taken_when_sent_again(
    scene: Scene, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ingest_link, "STORE_PAUSE_S", 0.01)
    real, tries = scene.ingest.take_many, 0

    def full(batches: Sequence[bytes], now_ms: int) -> list[Outcome]:
        nonlocal tries
        tries += 1
        if tries == 1:
            raise StoreError("database", "database or disk is full")
        return real(batches, now_ms)

    monkeypatch.setattr(scene.ingest, "take_many", full)
    batch = scene.teller.batch(0, 4)
    async with running(scene.link().run):
        async with board_client(scene.plane, scene.lab, scene.board) as device:
            await device.publish(scene.topic, batch, qos=1)
            await until(lambda: tries == 1)
        receipt = await receipt_for(scene, batch)
    assert receipt.next == 4
    (line,) = [each for each in caplog.records if each.message == "store_failed"]
    assert "full" in vars(line)["why"]


async def test_a_head_reaches_the_boards_below_its_scope(scene: Scene) -> None:
    link, head = scene.link(), unsealed(Kind.HEAD, b"\xa0")
    await link.nudge("scope/vn/ls/look", head)  # nobody is there yet: a lost nudge only delays
    async with running(link.run), board_client(scene.plane, scene.lab, scene.board) as device:
        await device.subscribe("scope/vn/ls/look", qos=0)
        await link.nudge("scope/vn/ls/look", head)
        async with asyncio.timeout(LIMIT_S):
            message = await anext(device.messages)
    assert (str(message.topic), message.payload) == ("scope/vn/ls/look", head)


def test_only_the_newest_receipt_of_each_endpoint_is_sent() -> None:
    outcomes = [
        Outcome("a", b"1", stored=True, reason="stored"),
        Outcome("b", b"2", stored=True, reason="stored"),
        Outcome("a", b"3", stored=False, reason="duplicate"),
        Outcome("c", None, stored=False, reason="signature"),
        Outcome(None, None, stored=False, reason="format"),
    ]
    assert gather_receipts(outcomes) == {"a": b"3", "b": b"2"}


@given(st.integers(1, 10_000), st.floats(0, 1, exclude_max=True))
def test_the_wait_before_a_new_try_grows_stays_bounded_and_is_spread(
    failures: int, chance: float
) -> None:
    longest = reconnect_delay(failures, 0)
    assert 0.125 <= longest / 2 <= reconnect_delay(failures, chance) <= longest <= 30
