"""``loa-endpoint measure wake``: what it asks for before it touches anything."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from loa_endpoint.__main__ import loa_endpoint
from loa_endpoint.app import wake_measurement
from loa_endpoint.app.options import NULL_SINK, Hardware
from loa_endpoint.commands import run
from loa_protocol.errors import PeerError
from loa_protocol.exit_codes import USAGE, exit_code
from loa_protocol.objects.placement import Device, Fitting

WHOLE = Hardware(
    sink="wav:horn.wav",
    line_in=None,
    ear="fifo:ear",
    tuner=None,
    line_board=Fitting(device=Device.LINE_BOARD, port="/dev/ttyUSB0", option=20),
    modem=None,
    amplifier=Fitting(device=Device.AMPLIFIER, port="/dev/ttyUSB1", option=0),
)


def test_one_of_the_two_sensors_is_enough() -> None:
    assert wake_measurement.missing(replace(WHOLE, line_board=None)) == []
    assert wake_measurement.missing(replace(WHOLE, ear=None)) == []


def test_everything_that_is_missing_is_named_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("loa_protocol.language._chosen", ["en"])
    bare = replace(WHOLE, sink=NULL_SINK, ear=None, line_board=None, amplifier=None)
    amplifier, sensors, sink = wake_measurement.missing(bare)
    assert "amplifier" in amplifier
    assert "neither a line board nor a microphone" in sensors
    assert "sound_out" in sink


def test_a_board_that_is_not_provisioned_cannot_be_measured(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(loa_endpoint, ["measure", "wake", "--lang", "en", "--home", str(tmp_path)]) == USAGE
    assert "not provisioned" in capsys.readouterr().err


def test_beside_a_running_agent_it_is_refused_and_says_how_to_stop_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wake_measurement, "ask", lambda _home: {"scope": "vn"})
    arguments = ["measure", "wake", "--lang", "en", "--home", str(tmp_path)]
    assert run(loa_endpoint, arguments) == exit_code(PeerError())
    assert "systemctl stop loa-endpoint" in capsys.readouterr().err
