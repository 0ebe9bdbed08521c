"""The real broker behind real mutual TLS: who gets in, who may say what, what a kill does."""

from __future__ import annotations

import asyncio
import logging
import os
import re
import signal
import socket
import ssl
import subprocess
import sys
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path

import aiomqtt
import psutil
import pytest

from loa_manager.serve import repeats
from loa_manager.serve.message_plane import MessagePlane
from loa_protocol.errors import ConfigError
from support.broker_lab import LIMIT_S, board_client, knock, mqtt, running_plane, until
from support.device_ca_lab import Client, FixedRoster, X509Lab, client_context


@pytest.fixture(scope="module")
def lab() -> X509Lab:
    return X509Lab()


@pytest.fixture
def roster() -> FixedRoster:
    return FixedRoster()


@pytest.fixture
async def plane(lab: X509Lab, roster: FixedRoster, tmp_path: Path) -> AsyncIterator[MessagePlane]:
    async with running_plane(lab, roster, tmp_path / "broker") as running:
        yield running


def known_board(lab: X509Lab, roster: FixedRoster, scope: str = "vn/ls/st0137/c04") -> Client:
    board = lab.board()
    roster.add(board, scope)
    return board


def ingest(plane: MessagePlane) -> aiomqtt.Client:
    return mqtt(plane, plane.tls.client_context(), "server", word=plane.keys.word)


async def is_let_in(plane: MessagePlane, lab: X509Lab, board: Client) -> bool:
    return await knock(plane.mqtt_port, client_context(lab, board), board.id) == "in"


async def is_back(plane: MessagePlane) -> None:
    async with asyncio.timeout(LIMIT_S):
        await plane.wait_open()


async def is_cut_off(client: aiomqtt.Client) -> None:
    async with asyncio.timeout(LIMIT_S):
        with pytest.raises(aiomqtt.MqttError):
            await anext(aiter(client.messages))


async def first_payload(client: aiomqtt.Client) -> tuple[str, bytes]:
    async with asyncio.timeout(LIMIT_S):
        async for message in client.messages:
            assert isinstance(message.payload, bytes)
            return str(message.topic), message.payload
    raise AssertionError("no message")


async def test_a_batch_goes_up_and_a_receipt_comes_down(
    plane: MessagePlane, lab: X509Lab, roster: FixedRoster
) -> None:
    board = known_board(lab, roster)
    async with ingest(plane) as server, board_client(plane, lab, board) as device:
        await server.subscribe("up/+/batch", qos=1)
        await device.subscribe(f"down/{board.id}/#", qos=0)
        await device.subscribe("scope/vn/ls/look", qos=0)
        await device.publish(f"up/{board.id}/batch", b"batch", qos=1)
        assert await first_payload(server) == (f"up/{board.id}/batch", b"batch")
        await server.publish(f"down/{board.id}/receipt", b"receipt", qos=0)
        assert await first_payload(device) == (f"down/{board.id}/receipt", b"receipt")
        await server.publish("scope/vn/ls/look", b"head", qos=0)
        assert await first_payload(device) == ("scope/vn/ls/look", b"head")


@pytest.mark.requirement("SEC-2", "SEC-7")
async def test_a_board_cannot_speak_under_anothers_name(
    plane: MessagePlane, lab: X509Lab, roster: FixedRoster
) -> None:
    board, other = known_board(lab, roster), known_board(lab, roster)
    async with ingest(plane) as server, board_client(plane, lab, board) as device:
        await server.subscribe("up/+/batch", qos=1)
        for topic in (f"up/{other.id}/batch", "down/x/receipt", "scope/vn/ls/look", "$SYS/x"):
            await device.publish(topic, b"forged", qos=0)
        # what a board sends arrives in order: were a forged one let through, it would come first
        await device.publish(f"up/{board.id}/batch", b"own", qos=1)
        assert await first_payload(server) == (f"up/{board.id}/batch", b"own")


@pytest.mark.requirement("SEC-2", "SEC-7")
async def test_a_board_cannot_listen_to_another_nor_to_everything(
    plane: MessagePlane, lab: X509Lab, roster: FixedRoster
) -> None:
    board, other = known_board(lab, roster), known_board(lab, roster)
    async with board_client(plane, lab, board) as device:
        for topic in (
            f"down/{other.id}/#",
            f"up/{other.id}/batch",
            f"up/{board.id}/batch",
            "down/+/receipt",
            "scope/vn/ls/st0138/look",
            "scope/#",
            "#",
            "$MQTT/sub/#",
            "$SYS/#",
        ):
            codes = await device.subscribe(topic, qos=0)
            assert codes[0].is_failure, topic  # type: ignore[union-attr]  # MQTT 3.1.1 answers a code


@pytest.mark.requirement("SEC-2")
async def test_strangers_end_at_the_door_and_the_log_says_why(
    plane: MessagePlane,
    lab: X509Lab,
    roster: FixedRoster,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    board, unknown, foreign = known_board(lab, roster), lab.board(), X509Lab().board()
    revoked, expired = known_board(lab, roster), lab.board(age_days=31)
    for each in (revoked, expired, foreign):
        roster.add(each)
    roster.revoke(revoked)
    context = partial(client_context, lab)
    # each case speaks from the same address, and a second saying of one kind is held back
    monkeypatch.setattr(repeats.Repeats, "admit", lambda *_: 0)
    for shown, name, why in (
        (context(unknown), unknown.id, "unknown"),
        (context(revoked), revoked.id, "revoked"),
        (context(board), "another-name", "client_id"),
        (context(expired), expired.id, "certificate has expired"),
        (context(foreign), foreign.id, "unknown authority"),
        (context(lab.bench(board.key)), board.id, "unknown authority"),
        (context(None), board.id, "didn't provide a certificate"),
    ):
        caplog.clear()
        assert await knock(plane.mqtt_port, shown, name) != "in"
        await until(lambda: why in spoken(caplog))  # noqa: B023 - awaited at once
    assert await is_let_in(plane, lab, board)  # the door is not simply shut


def spoken(caplog: pytest.LogCaptureFixture) -> str:
    """Return the fields of every warning so far."""
    return "\n".join(
        f"{each.message} {vars(each).get('reason', '')} {vars(each).get('detail', '')}"
        for each in caplog.records
        if each.levelno == logging.WARNING and each.name.startswith("loa_manager")
    )


@pytest.mark.requirement("SEC-2")
async def test_there_is_no_plain_text_port(plane: MessagePlane) -> None:
    assert await knock(plane.mqtt_port, None, "x") != "in"
    assert plane.broker.pid is not None
    listening = {
        each.laddr.port
        for each in psutil.Process(plane.broker.pid).net_connections("tcp")
        if each.status == psutil.CONN_LISTEN
    }
    assert listening == {plane.mqtt_port, plane.broker.config.client_port}
    for port in listening:
        # a plain client of either protocol gets not one byte
        with socket.create_connection(("127.0.0.1", port), timeout=LIMIT_S) as line:
            line.sendall(b"CONNECT {}\r\nPING\r\n")
            answer = await asyncio.to_thread(line.recv, 4096)
            assert not answer or answer[0] == 0x15  # a TLS alert is all there is


@pytest.mark.requirement("SEC-2")
async def test_tls_1_2_is_refused(plane: MessagePlane, lab: X509Lab, roster: FixedRoster) -> None:
    board = known_board(lab, roster)
    context = client_context(lab, board)
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    with pytest.raises(ssl.SSLError):
        await asyncio.open_connection("127.0.0.1", plane.mqtt_port, ssl=context)


@pytest.mark.requirement("SEC-2")
async def test_a_board_does_not_talk_to_a_server_of_another_authority(
    plane: MessagePlane, lab: X509Lab, roster: FixedRoster
) -> None:
    board = known_board(lab, roster)
    with pytest.raises(ssl.SSLCertVerificationError):
        await asyncio.open_connection(
            "127.0.0.1", plane.mqtt_port, ssl=client_context(X509Lab(), board)
        )


@pytest.mark.requirement("SEC-2")
async def test_a_board_revoked_while_connected_is_cut(
    plane: MessagePlane, lab: X509Lab, roster: FixedRoster
) -> None:
    board, other = known_board(lab, roster), known_board(lab, roster)
    async with board_client(plane, lab, other) as kept:
        async with board_client(plane, lab, board) as device:
            roster.revoke(board)
            await plane.callout.cut_revoked()
            await is_cut_off(device)
        assert not await is_let_in(plane, lab, board)
        await kept.publish(f"up/{other.id}/batch", b"still here", qos=1)


async def test_a_message_above_the_limit_ends_the_connection_not_the_broker(
    plane: MessagePlane, lab: X509Lab, roster: FixedRoster
) -> None:
    board = known_board(lab, roster)
    async with board_client(plane, lab, board) as device:
        with pytest.raises(aiomqtt.MqttError):  # never acknowledged
            await device.publish(f"up/{board.id}/batch", bytes(600 * 1024), qos=1, timeout=0.3)
        await is_cut_off(device)
    async with board_client(plane, lab, board) as device:
        await device.publish(f"up/{board.id}/batch", bytes(300 * 1024), qos=1)


async def test_a_killed_broker_is_back_on_its_port_with_the_session_and_what_it_held(
    plane: MessagePlane, lab: X509Lab, roster: FixedRoster, caplog: pytest.LogCaptureFixture
) -> None:
    board = known_board(lab, roster)
    own = plane.tls.client_context()
    async with mqtt(plane, own, "server", clean=False, word=plane.keys.word) as server:
        await server.subscribe("up/+/batch", qos=1)
    async with board_client(plane, lab, board) as device:
        await device.publish(f"up/{board.id}/batch", b"while ingest was away", qos=1)
    port, pid = plane.mqtt_port, plane.broker.pid
    assert pid is not None
    with caplog.at_level(logging.ERROR):
        os.kill(pid, signal.SIGKILL)
        await until(lambda: plane.broker.pid not in (None, pid))
    assert [each.message for each in caplog.records].count("broker_ended") == 1
    await is_back(plane)
    assert plane.mqtt_port == port
    assert await is_let_in(plane, lab, board)
    async with mqtt(plane, own, "server", clean=False, word=plane.keys.word) as server:
        # no new subscription: the session remembers
        assert await first_payload(server) == (
            f"up/{board.id}/batch",
            b"while ingest was away",
        )


async def test_a_board_revoked_after_the_brokers_restart_is_still_cut(
    plane: MessagePlane, lab: X509Lab, roster: FixedRoster
) -> None:
    board = known_board(lab, roster)
    pid = plane.broker.pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    await until(lambda: plane.broker.pid not in (None, pid))
    await is_back(plane)
    async with board_client(plane, lab, board) as device:
        roster.revoke(board)
        await plane.callout.cut_revoked()
        await is_cut_off(device)


_ORPHAN = """
import asyncio, pathlib, sys
from support.broker_lab import running_plane
from support.device_ca_lab import FixedRoster, X509Lab

async def main():
    async with running_plane(X509Lab(), FixedRoster(), pathlib.Path(sys.argv[1])) as plane:
        print(plane.broker.pid, flush=True)
        await asyncio.Event().wait()

asyncio.run(main())
"""


async def test_the_broker_never_outlives_a_killed_server(tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    parent = await asyncio.create_subprocess_exec(
        sys.executable, "-c", _ORPHAN, str(tmp_path), stdout=subprocess.PIPE, env=environment
    )
    assert parent.stdout is not None
    broker = psutil.Process(int(await parent.stdout.readline()))
    parent.kill()
    await parent.wait()
    await until(lambda: not broker.is_running() or broker.status() == psutil.STATUS_ZOMBIE)


async def test_an_orderly_stop_ends_the_broker(
    lab: X509Lab, roster: FixedRoster, tmp_path: Path
) -> None:
    async with running_plane(lab, roster, tmp_path) as plane:
        assert plane.broker.pid is not None
        broker = psutil.Process(plane.broker.pid)
    assert not broker.is_running()


async def test_a_port_in_use_is_named_in_the_brokers_own_words(
    lab: X509Lab, roster: FixedRoster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("loa_manager.serve.message_plane.START_LIMIT_S", 1.0)
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(ExceptionGroup) as caught:
        async with running_plane(lab, roster, tmp_path, taken.getsockname()[1]):
            pass
    fault = caught.value.exceptions[0]
    assert isinstance(fault, ConfigError)
    assert "address already in use" in str(fault)


async def test_no_secret_is_written_beside_the_broker(plane: MessagePlane, tmp_path: Path) -> None:
    files = [file for file in (tmp_path / "broker").rglob("*") if file.is_file()]
    assert any(file.name == "nats.conf" for file in files)
    private = plane.tls.key_pem.splitlines()[1]
    for file in files:
        assert private not in file.read_bytes()
        assert not re.search(rb"\bS[AU][A-Z2-7]{56}\b", file.read_bytes())  # a seed of NATS


async def test_who_holds_our_certificate_elsewhere_does_not_take_what_waits_for_us(
    plane: MessagePlane, lab: X509Lab, roster: FixedRoster
) -> None:
    """A clean session under our name would have the broker throw away what it keeps for us."""
    own, board = plane.tls.client_context(), known_board(lab, roster)
    word = plane.keys.word
    async with mqtt(plane, own, "server", clean=False, word=word) as server:
        await server.subscribe("up/+/batch", qos=1)
    async with board_client(plane, lab, board) as device:
        await device.publish(f"up/{board.id}/batch", b"while we were away", qos=1)
    for other in (None, "", "guessed"):
        with pytest.raises(aiomqtt.MqttError):
            async with mqtt(plane, own, "server", clean=True, word=other):
                pass
    async with mqtt(plane, own, "server", clean=False, word=word) as server:
        assert await first_payload(server) == (f"up/{board.id}/batch", b"while we were away")
