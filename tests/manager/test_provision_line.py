"""Provisioning over a real line: pseudo-terminals, faults, and the commands of both sides."""

from __future__ import annotations

import base64
import contextlib
import itertools
import json
import os
import random
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from sqlalchemy import select, update

from loa_manager import database, tables
from loa_manager.bench_desk import ProvinceDesk
from loa_manager.cli.main import run
from loa_manager.home import Home
from loa_manager.serial_line import open_line
from loa_protocol import bench
from loa_protocol.bench import Stage
from loa_protocol.conversation import Timing
from loa_protocol.errors import PeerError, SilentError
from loa_protocol.frames import FrameDecoder, Side
from support.bench_lab import (
    CLUSTER,
    SECRET,
    Board,
    Cable,
    PulledError,
    audit_rows,
    cabled,
    desk_of,
    key_of,
    province_home,
    provision,
)

QUICK = Timing(ack_ms=60, attempts=10, answer_ms=2000)


@pytest.fixture(autouse=True)
def _english(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOA_LANG", "en")


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[ProvinceDesk]:
    with desk_of(province_home(tmp_path)) as opened:
        yield opened


@pytest.fixture
def board(tmp_path: Path) -> Iterator[Board]:
    made = Board(tmp_path / "board")
    yield made
    made.close()


@pytest.mark.requirement("SEC-1", "OPS-1")
def test_no_private_key_ever_crosses_the_line(desk: ProvinceDesk, board: Board) -> None:
    with cabled(board) as cable, open_line(cable.tool, QUICK) as line:
        provision(line.ask, desk)
    said = b"".join(
        frame.data or b""
        for frame in FrameDecoder().feed(bytes(cable.transcript))
        if frame.sender is Side.BOARD
    )
    assert key_of(board).raw in said  # the public half does cross it
    pem = (board.home / "device.key").read_bytes()
    key = serialization.load_pem_private_key(pem, None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    number = key.private_numbers().private_value.to_bytes(32)
    for secret in (number, *pem.splitlines()[1:-1]):
        for form in (secret, secret.hex().encode(), base64.b64encode(secret).rstrip(b"=")[:-1]):
            assert form not in said
            assert form not in cable.transcript


@pytest.mark.parametrize("at", range(0, 70, 5))
def test_a_cable_pulled_in_the_middle_of_any_message_is_survived(
    desk: ProvinceDesk, board: Board, at: int
) -> None:
    counter = itertools.count()

    def pulled(line: bytes) -> list[bytes]:
        if next(counter) == at:
            raise PulledError
        return [line]

    try:
        with cabled(board, pulled) as cable, open_line(cable.tool, QUICK) as line:
            provision(line.ask, desk)
    except PeerError:
        board.restart()
        with cabled(board) as cable, open_line(cable.tool, QUICK) as line:
            provision(line.ask, desk)
    assert board.server.status().stage is Stage.READY


def test_a_line_that_babbles_echoes_cuts_and_loses_is_survived(
    desk: ProvinceDesk, board: Board
) -> None:
    rng = random.Random(3)

    def bad(line: bytes) -> list[bytes]:
        roll = rng.random()
        if roll < 0.04:
            return []
        if roll < 0.08:
            return [line[: rng.randrange(len(line))] + b"\n"]
        if roll < 0.2:
            return ["[ 12.3] hạt nhân: dòng nhật ký\n".encode(), line]
        if roll < 0.25:
            return [rng.randbytes(40) + b"\r\n", line, line]
        return [line]

    with cabled(board, bad) as cable, open_line(cable.tool, QUICK) as line:
        provision(line.ask, desk)
    assert board.server.status().stage is Stage.READY


def test_a_line_with_nobody_on_it_is_named() -> None:
    cable = Cable(lambda _line: [])
    timing = Timing(ack_ms=20, attempts=2, answer_ms=100)
    with open_line(cable.tool, timing) as line, pytest.raises(SilentError) as silent:
        line.ask(bench.Hello(version=1))
    cable.pull()
    assert silent.value.port == str(cable.tool)
    assert silent.value.after_s >= 2 * 2 * 0.02


def test_a_line_that_only_echoes_is_as_good_as_silent() -> None:
    master, slave = os.openpty()  # a terminal in its ordinary state echoes until it is opened raw
    heard = bytearray()

    def speak() -> None:
        with contextlib.suppress(OSError):  # the end of the test
            while data := os.read(master, 4096):
                heard.extend(data)
                os.write(master, data)

    thread = threading.Thread(target=speak)
    thread.start()
    timing = Timing(ack_ms=20, attempts=2, answer_ms=100)
    with open_line(Path(os.ttyname(slave)), timing) as line, pytest.raises(SilentError):
        line.ask(bench.Hello(version=1))
    os.close(slave)
    thread.join(5)
    os.close(master)
    assert len(FrameDecoder().feed(bytes(heard))) == 4  # what was asked, and no answer to it


def test_a_port_is_for_one_program_and_must_be_a_serial_line(tmp_path: Path) -> None:
    cable = Cable()
    refused = pytest.raises(PeerError, match=str(cable.tool))
    with open_line(cable.tool), refused, open_line(cable.tool):
        pass
    cable.pull()
    (tmp_path / "file").touch()
    for path in (tmp_path / "file", tmp_path / "nothing"):
        with pytest.raises(PeerError, match=path.name), open_line(path):
            pass


# --- the commands ----------------------------------------------------------------------------


@pytest.mark.requirement("PWR-2")
@pytest.mark.parametrize(("watts", "warns"), [(49, True), (50, False), (120, False), (121, True)])
def test_unusual_power_warns_and_is_recorded_but_stops_nobody(
    tmp_path: Path, watts: int, warns: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    home = province_home(tmp_path)
    set_watts(home, watts)
    board = Board(tmp_path / "board")
    with cabled(board) as cable:
        code = run_provision(home, cable.tool, tmp_path, "--reason", "hai loa nhỏ")
    board.close()
    assert code == 0
    assert (f"{watts} W" in capsys.readouterr().err) == warns
    with desk_of(home) as desk:
        assert audit_rows(desk, "power_") == ([("power_unusual", "ok")] if warns else [])
        if warns:
            with database.reading(desk.engine) as connection:
                detail = connection.scalar(
                    select(tables.audit.c.detail).where(tables.audit.c.what == "power_unusual")
                )
            assert json.loads(detail or "")["reason"] == "hai loa nhỏ"


def test_both_sides_show_the_same_fingerprint(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    home = province_home(tmp_path)
    cable = Cable()
    agent = subprocess.Popen(
        [
            *(sys.executable, "-m", "loa_endpoint", "bench", "--once"),
            *("--port", str(cable.board), "--home", str(tmp_path / "board")),
        ],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert agent.stdout is not None
    assert "silent" in agent.stdout.readline()
    assert run_provision(home, cable.tool, tmp_path, "--json") == 0
    facts = json.loads(capsys.readouterr().out)
    said, _none = agent.communicate(timeout=20)
    cable.pull()
    assert agent.returncode == 0
    assert f"Root fingerprint: {facts['root']}" in said
    assert f"Provisioned as {CLUSTER}" in said


def test_a_refusal_has_its_exit_code_and_reason(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    board = Board(tmp_path / "board")
    with desk_of(province_home(tmp_path, "two")) as other:
        provision(board.ask, other)
    home = province_home(tmp_path)
    with cabled(board) as cable:
        code = run_provision(home, cable.tool, tmp_path, "--json")
    board.close()
    assert code == 5
    assert json.loads(capsys.readouterr().err)["reason"] == "root_present"


def run_provision(home: Home, port: Path, folder: Path, *more: str) -> int:
    secret = folder / "passphrase"
    secret.write_text(SECRET + "\n")
    arguments = ["provision", "--home", str(home.path), "--port", str(port), "--cluster", "c01"]
    return run([*arguments, "--yes", "--passphrase-file", str(secret), *more])


def set_watts(home: Home, watts: int) -> None:
    engine = database.open(home.database_url)
    with database.writing(engine) as connection:
        connection.execute(update(tables.cluster).values(speaker_watts=watts))
    engine.dispose()
