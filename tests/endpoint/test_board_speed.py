"""What anyone can measure on a board of their own, with ``loa-endpoint bench``."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from loa_endpoint.__main__ import loa_endpoint
from loa_endpoint.app import board_speed
from loa_endpoint.app.board_speed_text import speed_lines
from loa_endpoint.commands import run
from loa_protocol.exit_codes import USAGE


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Play for a moment only, and stay as eager as the other tests."""
    monkeypatch.setattr(board_speed, "PLAY_S", 0.2)
    monkeypatch.setattr(board_speed, "NICENESS", 0)


@pytest.mark.usefixtures("short")
def test_the_measurement_names_the_machine_gives_every_figure_and_keeps_nothing(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert run(loa_endpoint, ["bench", "--home", str(tmp_path), "--json"]) == 0
    facts = json.loads(capfd.readouterr().out)
    assert facts["machine"]["processors"] >= 1
    assert facts["machine"]["architecture"]
    assert facts["disk"] == str(tmp_path)
    assert all(each["value"] > 0 for each in facts["figures"])
    assert list(tmp_path.iterdir()) == []
    text = list(speed_lines(facts))  # a figure without words would be missed here
    assert len(text) == 4 + len(facts["figures"])
    assert facts["machine"]["python"] in text[1]


@pytest.mark.parametrize("wrong", [["--once"], ["--json", "--port", "/dev/null"]])
def test_options_of_the_two_uses_do_not_mix(wrong: list[str], tmp_path: Path) -> None:
    assert run(loa_endpoint, ["bench", "--home", str(tmp_path), *wrong]) == USAGE
