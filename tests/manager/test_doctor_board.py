"""The doctor at a board on his own machine: its key, its doors, and what it says of its clock."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from loa_manager.cli.main import run
from loa_manager.doctor import board, trouble
from loa_manager.doctor.finding import Result
from loa_manager.health import Level


@pytest.fixture(autouse=True)
def english(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("loa_protocol.language._chosen", ["en"])


def results(home: Path) -> dict[str, Result]:
    return {each.id: each.result for each in board.judge(board.look_at(home))}


AGENT = """
import json, socket, sys
outside = socket.create_server((sys.argv[2], 0))
line = socket.socket(socket.AF_UNIX)
line.bind(sys.argv[1])
line.listen()
print("ready", flush=True)
while True:
    peer, _ = line.accept()
    time = {"trust": "T1", "floor_ahead_ms": 90000, "battery_clock": "absent", "unsigned": {}}
    told = {"faults": [], "connected": False, "records": {"unsent": 7}, "time": time}
    try:
        peer.sendall(json.dumps(told).encode())
    except OSError:
        pass
    peer.close()
"""


@pytest.mark.requirement("SEC-5")
@pytest.mark.parametrize(("host", "result"), [("127.0.0.1", "pass"), ("0.0.0.0", "fail")])
def test_a_board_that_listens_beyond_loopback_fails(tmp_path: Path, host: str, result: str) -> None:
    (tmp_path / "device.key").touch(0o600)
    command = [sys.executable, "-c", AGENT, str(tmp_path / board.SOCKET), host]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as agent:
        try:
            assert agent.stdout is not None
            assert agent.stdout.readline()
            found = results(tmp_path)
            checks = {each.id: each for each in trouble.examine_board(tmp_path)}
        finally:
            agent.kill()
    assert found["board_sockets"] == result
    assert found["board_key_file"] is Result.PASS
    assert checks["board_clock"].level is Level.WARNING
    assert "2 min ahead" in checks["board_clock"].text
    assert "7 records" in checks["board_records"].text


def test_a_board_whose_key_others_can_read_fails(tmp_path: Path) -> None:
    (tmp_path / "device.key").touch(0o600)
    (tmp_path / "device.key").chmod(0o640)
    found = results(tmp_path)
    assert found["board_key_file"] is Result.FAIL
    assert found["board_sockets"] is Result.NOT_APPLICABLE


def test_where_no_agent_runs_the_doctor_says_so_and_ends_with_his_code(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["--lang", "en", "doctor", "--home", str(tmp_path / "none"), "--board"]
    assert run([*arguments, str(tmp_path)]) == 7
    assert "no agent answers" in capsys.readouterr().out
    assert run([*arguments, str(tmp_path / "missing")]) == 2


def test_a_board_that_knows_the_time_has_no_reason_to_hold() -> None:
    assert board.why_it_holds({"time": {"trust": "T2"}}) is None
