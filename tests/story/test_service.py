"""The agent under a service manager: it says that it is ready, and that its sound moves."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import click
import psutil
import pytest

from loa_endpoint.__main__ import loa_endpoint
from loa_lab.village.crew import Crew, crew
from loa_manager.cli.main import loa
from support import unit_file
from support.hamlet import WITHIN_S, Hamlet, Pole
from support.waiting import soon

pytestmark = pytest.mark.story
HOUSE = Path(__file__).parents[2]
UNITS = (
    HOUSE / "endpoint" / "systemd" / "loa-endpoint.service",
    HOUSE / "manager" / "systemd" / "loa-serve.service",
)
RELAY = HOUSE / "manager" / "systemd" / "loa-relay@.service"
WATCHDOG_S = 1.0
QUIET_S = 3.0  # no sign of life for so long: the service manager would have acted
FED, READY, STOPPING = "WATCHDOG=1", "READY=1", "STOPPING=1"


@dataclass
class Manager:
    """A service manager with a notify socket, as systemd has."""

    channel: socket.socket
    heard: list[tuple[float, str]] = field(default_factory=list)

    def listen(self) -> None:
        """Take what has come."""
        while True:
            try:
                said = self.channel.recv(4096).decode()
            except BlockingIOError:
                return
            self.heard += [(time.monotonic(), line) for line in said.splitlines()]

    def count(self, word: str) -> int:
        self.listen()
        return sum(line == word for _at, line in self.heard)

    def quiet_s(self) -> float:
        """Return for how long the watchdog was not fed."""
        self.listen()
        return time.monotonic() - max(at for at, line in self.heard if line == FED)


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Give the variables of the unit, and compile the agent as a board does."""
    return unit_file.compile_as_installed(tmp_path_factory.mktemp("bytecode"))


@pytest.fixture(scope="module")
def untouched(installed: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a copy of what was compiled, to which no agent has added yet."""
    there = tmp_path_factory.mktemp("untouched")
    shutil.copytree(installed["PYTHONPYCACHEPREFIX"], there, dirs_exist_ok=True)
    return there


@pytest.fixture
def manager(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    installed: dict[str, str],
    untouched: Path,  # copied before the first agent runs
) -> Iterator[Manager]:
    for name, value in installed.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("PYTHONDONTWRITEBYTECODE", raising=False)  # what is missing is to be seen
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as channel:
        channel.bind(str(tmp_path / "notify"))
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        monkeypatch.setenv("WATCHDOG_USEC", str(round(WATCHDOG_S * 1_000_000)))
        yield Manager(channel)


@pytest.fixture
def people(tmp_path: Path) -> Iterator[Crew]:
    with crew(tmp_path / "logs", "en") as found:
        yield found


@pytest.fixture
def pole(tmp_path: Path, people: Crew) -> Pole:
    return Hamlet(tmp_path, people, poles=1).pole("c01")


def child(of: int) -> psutil.Process:
    (found,) = psutil.Process(of).children()
    assert isinstance(found, psutil.Process)
    return found


@pytest.mark.requirement("HLT-2")
def test_the_watchdog_is_fed_by_moving_sound_and_starves_when_it_stands_still(
    manager: Manager, pole: Pole
) -> None:
    pole.start()  # no server, no programme: silence moves too
    soon(lambda: manager.count(READY) == 1, within_s=WITHIN_S)
    soon(lambda: manager.count(FED) >= 4, within_s=WITHIN_S)
    assert pole.process is not None
    launcher = child(pole.process.pid)
    launcher.suspend()  # nobody can replace the player now
    os.kill(child(launcher.pid).pid, signal.SIGKILL)
    soon(lambda: manager.quiet_s() > QUIET_S, within_s=WITHIN_S)
    assert pole.process.poll() is None  # it lives, and yet it is not well
    launcher.resume()
    fed = manager.count(FED)
    soon(lambda: manager.count(FED) > fed + 2, within_s=WITHIN_S)
    pole.stop()
    assert manager.count(STOPPING) == 1
    assert manager.count(READY) == 1


def test_a_player_that_stalls_is_replaced_before_the_watchdog_bites(
    manager: Manager, pole: Pole
) -> None:
    pole.start()
    soon(lambda: manager.count(FED) >= 2, within_s=WITHIN_S)
    stalled = pole.status()["sound"]["player"]
    os.kill(stalled, signal.SIGSTOP)
    soon(lambda: pole.status()["sound"]["restarts"] == 1, within_s=WITHIN_S)
    soon(lambda: pole.status()["sound"]["player"] not in (None, stalled), within_s=WITHIN_S)
    fed = manager.count(FED)
    soon(lambda: manager.count(FED) > fed + 2, within_s=WITHIN_S)
    assert not psutil.pid_exists(stalled) or psutil.Process(stalled).status() == "zombie"


@pytest.mark.needs("portaudio")
def test_a_board_whose_sound_card_is_away_is_not_started_anew_for_it(
    manager: Manager, pole: Pole, people: Crew
) -> None:
    sink = ("--sink", "pyaudio:no such card")
    pole.process = people.start("c01", "loa-endpoint", "run", "--home", pole.home, *sink)
    soon(lambda: manager.count(FED) >= 4, within_s=WITHIN_S)
    assert pole.status()["sound"]["restarts"] == 0


@pytest.mark.parametrize("port", [(), ("--bench-port", "no-such-line")])
def test_a_board_that_waits_for_its_technician_is_well(
    manager: Manager, people: Crew, tmp_path: Path, port: tuple[str, ...]
) -> None:
    (tmp_path / "blank").mkdir()
    people.start("blank", "loa-endpoint", "run", "--home", tmp_path / "blank", *port)
    soon(lambda: manager.count(READY) == 1, within_s=WITHIN_S)
    soon(lambda: manager.count(FED) >= 3, within_s=WITHIN_S)
    assert manager.count("STATUS=not provisioned: silent") == 1


def test_an_agent_of_the_unit_finds_compiled_all_that_it_ever_imports(
    manager: Manager, pole: Pole, untouched: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPYCACHEPREFIX", str(untouched))
    compiled = set(untouched.rglob("*.pyc"))
    pole.start()
    soon(lambda: manager.count(FED) >= 4, within_s=WITHIN_S)
    assert pole.process is not None
    assert psutil.Process(pole.process.pid).environ()["PYTHONOPTIMIZE"] == "2"
    pole.stop()
    assert set(untouched.rglob("*.pyc")) == compiled


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_the_units_start_commands_that_are_there_and_are_never_given_up(unit: Path) -> None:
    facts, words = _started(unit)
    assert facts["Type"] == "notify"
    assert facts["KillMode"] == "mixed"
    assert f"/var/lib/{facts['StateDirectory']}" in words


def test_the_unit_of_a_relay_asks_nobody_and_has_a_file_of_words_for_each_radio() -> None:
    facts, words = _started(RELAY)
    assert facts["EnvironmentFile"] == "/etc/loa/relay-%i.conf"
    assert {"${URL}", "${SCOPE}", "${SLOT}", "--yes"} <= set(words)


def _started(unit: Path) -> tuple[dict[str, str], list[str]]:
    """Return what *unit* says and the words of its command, which are known to that command."""
    facts = dict(
        line.split("=", 1)
        for line in unit.read_text().splitlines()
        if "=" in line and not line.startswith("#")
    )
    assert facts["Restart"] == "always"
    assert facts["StateDirectoryMode"] == "0700"
    program, command, *words = facts["ExecStart"].split()
    group = {"loa": loa, "loa-endpoint": loa_endpoint}[Path(program).name]
    started = group.get_command(click.Context(group), command)
    assert started is not None
    known = {name for option in started.params for name in option.opts}
    assert {word for word in words if word.startswith("--")} <= known
    return facts, words


@pytest.mark.requirement("SEC-5")
def test_the_unit_of_the_agent_forbids_it_to_open_a_port_and_has_a_watchdog() -> None:
    text = UNITS[0].read_text()
    assert "\nSocketBindDeny=any\n" in text
    assert "\nWatchdogSec=30\n" in text  # more than the time in which a player is replaced


@pytest.mark.needs("systemd")
@pytest.mark.parametrize("unit", [*UNITS, RELAY], ids=lambda unit: unit.name)
def test_systemd_understands_the_units_and_finds_them_well_locked_up(
    unit: Path, tmp_path: Path
) -> None:
    here = tmp_path / unit.name.replace("@.", "@tinh.")
    text = unit.read_text().replace("/opt/loa/bin", str(Path(sys.executable).parent))
    here.write_text(
        text.replace("User=loa-relay", "User=root").replace("User=loa", "User=root")
    )  # users that this machine has
    verify = _analyze("verify", "--man=no", str(here))
    assert (verify.returncode, verify.stderr) == (0, "")
    exposure = _analyze("security", "--offline=yes", "--threshold=35", str(here))
    assert exposure.returncode == 0, exposure.stdout.splitlines()[-1]


def _analyze(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = ["systemd-analyze", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
