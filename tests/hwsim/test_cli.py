"""The program loa-sim: its help, its errors, and its hardware as a process of its own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import wave
from pathlib import Path
from typing import Any, Self

import numpy as np
import pytest
import serial
from pymodbus.client import ModbusSerialClient

from loa_hwsim.cli import board_command, cable_command
from loa_lab.__main__ import run
from loa_protocol.command_line import messages
from support.waiting import soon

ROOT = Path(__file__).parents[2]
AIR = """
[[transmitter]]
frequency_khz = 91000
pi = "7301"
ps = "LANGSON"
level_dbuv = 48
"""


@pytest.fixture(autouse=True)
def english(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("loa_protocol.language._chosen", ["en"])


class Sim:
    """loa-sim as a child process; its facts are collected as they come."""

    ends_with = 0

    def __init__(self, *arguments: str) -> None:
        paths = os.pathsep.join(str(ROOT / name) for name in ("hwsim", "protocol"))
        self.process = subprocess.Popen(
            [sys.executable, "-m", "loa_lab", *arguments],
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": paths},
            text=True,
        )
        self.facts: list[dict[str, Any]] = []
        threading.Thread(target=self._collect, daemon=True).start()

    def _collect(self) -> None:
        assert self.process.stdout
        for row in self.process.stdout:
            self.facts.append(json.loads(row))

    def __enter__(self) -> Self:
        soon(lambda: self.facts or self.process.poll() is not None, within_s=30)
        assert self.facts, f"exit code {self.process.poll()}"
        return self

    def __exit__(self, *_error: object) -> None:
        self.process.terminate()
        assert self.process.wait(10) == self.ends_with

    def told(self, event: str) -> list[dict[str, Any]]:
        return [fact for fact in self.facts if fact["event"] == event]


# -- as a process --------------------------------------------------------------------------------


@pytest.mark.story
def test_a_board_runs_until_it_is_told_to_stop_and_cleans_up(tmp_path: Path) -> None:
    (tmp_path / "air.toml").write_text(AIR)
    (tmp_path / "faults.toml").write_text('[[fault]]\nat = "+1ms"\nkind = "carrier_off"\n')
    folder = tmp_path / "pole"
    files = ["--air", str(tmp_path / "air.toml"), "--faults", str(tmp_path / "faults.toml")]
    hears = ["--hears", str(tmp_path / "horn.wav"), "--transcript", "--seed", "7"]
    with Sim("board", "--dir", str(folder), *files, *hears) as sim:
        assert sim.facts[0]["event"] == "ready"
        assert sim.facts[0]["seed"] == 7
        soon(lambda: sim.told("fault"))
        with serial.Serial(sim.facts[0]["tuner"], 115_200, timeout=10) as host:
            host.write(b"x\n")
            assert host.read_until(b"OK\n") == b"\nOK\n"
    assert sorted(each.name for each in folder.iterdir()) == ["transcript.log"]


@pytest.mark.story
def test_pymodbus_reads_the_line_board(tmp_path: Path) -> None:
    hears = tmp_path / "horn.wav"
    with Sim("board", "--dir", str(tmp_path / "pole"), "--hears", str(hears)) as sim:
        client: Any = ModbusSerialClient(sim.facts[0]["bus"], baudrate=9600, timeout=5, retries=0)
        assert client.connect()
        reading = client.read_input_registers(0, count=15, device_id=20)
        assert reading.registers[:2] == [2, 0]
        assert reading.registers[13] == 0
        with wave.open(str(hears), "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(48_000)
            file.writeframes(np.full(48_000, 16_384, "<i2").tobytes())
        soon(lambda: client.read_input_registers(13, count=1, device_id=20).registers[0] > 6000)
        assert client.write_register(2, 2, device_id=20).registers == [2]
        assert client.read_holding_registers(0, count=3, device_id=20).registers == [90, 150, 0]
        refused = client.read_input_registers(15, count=1, device_id=20)
        assert (refused.isError(), refused.exception_code) == (True, 2)
        client.close()


@pytest.mark.story
def test_a_cable_is_pulled_and_mended(tmp_path: Path) -> None:
    with Sim("cable", "--dir", str(tmp_path), "--cut-after", "3", "--mend-after", "0.1") as sim:
        with serial.Serial(sim.facts[0]["bench"], 115_200) as bench:
            bench.write(b"hello")
            soon(lambda: sim.told("cable_cut"))
        assert sim.told("cable_cut")[0]["bytes"] == 3
        soon(lambda: sim.told("cable_mended"))
        with (
            serial.Serial(sim.facts[0]["bench"], 115_200) as bench,
            serial.Serial(sim.facts[0]["technician"], 115_200, timeout=10) as technician,
        ):
            bench.write(b"hello")
            assert technician.read(5) == b"hello"


@pytest.mark.story
def test_an_interrupt_ends_it_as_cleanly_as_a_stop(tmp_path: Path) -> None:
    with Sim("cable", "--dir", str(tmp_path), "--transcript") as sim:
        sim.process.send_signal(signal.SIGINT)
        sim.ends_with = 130
        sim.process.wait(10)
    assert [each.name for each in tmp_path.iterdir()] == ["transcript.log"]


# -- in this process -----------------------------------------------------------------------------


def test_every_fault_of_a_file_is_printed_and_the_exit_code_is_2(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "faults.toml"
    path.write_text('[[fault]]\nkind = "rds_off"\n[[fault]]\nat = 1\n')
    arguments = ["board", "--dir", str(tmp_path), "--hears", "x.wav", "--faults", str(path)]
    assert run(arguments) == 2
    complaints = capsys.readouterr().err.splitlines()
    assert len(complaints) == 2
    assert all(each.startswith(f"{path}: fault ") for each in complaints)


def test_a_wrong_air_file_ends_with_exit_code_2(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["board", "--dir", str(tmp_path), "--hears", "x.wav", "--air", "none.toml"]
    assert run(arguments) == 2
    assert "none.toml: cannot be read" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["board", "cable"])
def test_a_folder_that_cannot_be_made_ends_with_exit_code_6(tmp_path: Path, name: str) -> None:
    (tmp_path / "file").write_text("")
    hears = ["--hears", "x.wav"] if name == "board" else []
    assert run([name, "--dir", str(tmp_path / "file"), *hears]) == 6


def test_wrong_usage_ends_with_exit_code_2(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["board"]) == 2
    assert run(["cable", "--dir", "x", "--garbage", "2"]) == 2
    assert "Usage: loa-sim" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["board", "cable"])
def test_the_help_holds_an_example(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run([name, "--help"]) == 0
    assert f"\n  loa-sim {name} --dir" in capsys.readouterr().out


def test_the_program_lists_its_commands(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--lang", "en", "--help"]) == 0
    text = capsys.readouterr().out
    assert "board" in text
    assert "cable" in text
    assert "loa-sim --lang en board" in text


def test_an_unknown_language_is_wrong_usage() -> None:
    assert run(["--lang", "fr", "board"]) == 2
    assert run(["--lang"]) == 2


@pytest.mark.parametrize("command", [board_command, cable_command])
def test_every_option_has_a_text_to_translate(command: Any) -> None:
    assert len(list(messages(command))) == 1 + len(command.params)
