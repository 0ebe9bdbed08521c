"""One pole of a small test province, put up with the project's own commands, for benchmarks.

Like the village of ``loa-sim village``, with one cluster, sounds made here, and a schedule that the
benchmark chooses. Everything is real but the hardware: keys, TLS, broker, database, processes.
"""

from __future__ import annotations

import contextlib
import json
import pathlib
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "tests"))

from loa_lab.village import plan as script
from loa_lab.village import story
from loa_lab.village.crew import crew, wait_for
from loa_lab.village.heard import Recording
from loa_lab.village.plan import Piece, Plan
from loa_lab.village.scene import Village
from support.sound_files import Wave, write

CLUSTER = "c01"
_HEARTBEAT_S = 300  # the architecture's, unlike the demo's 5 s
LEAD_S = 20.0  # from the decision when to begin to the first sound: sign, publish, fetch


@dataclass(slots=True)
class Pole:
    """A provisioned board with its hardware, and the schedule it was given."""

    village: Village
    pieces: tuple[Piece, ...] = ()

    @property
    def home(self) -> pathlib.Path:
        """The board's home folder."""
        return self.village.work / CLUSTER

    @property
    def starts(self) -> tuple[int, ...]:
        """When each piece begins, unix ms."""
        assert self.village.plan is not None
        return self.village.plan.starts

    @property
    def agent(self) -> subprocess.Popen[bytes]:
        """The agent's process."""
        return self.village.agents[CLUSTER]

    def start_agent(self, *options: str | pathlib.Path) -> None:
        """Start the agent on what the home holds, with *options* of ``run``."""
        self.village.agents[CLUSTER] = self.village.crew.start(
            CLUSTER, "loa-endpoint", "run", "--home", self.home, *options
        )

    def stop_agent(self) -> None:
        """End the agent in order."""
        self.village.crew.send_home([self.agent])

    def status(self) -> dict[str, Any]:
        """Ask the agent how it is."""
        said = self.village.crew.run("loa-endpoint", "status", "--home", self.home, "--json")
        facts: dict[str, Any] = json.loads(said)
        return facts

    def recording(self) -> Recording:
        """Return what the sound card wrote, after the agent has ended."""
        return Recording.read(self.village.recording(CLUSTER), 0)


@contextlib.contextmanager
def pole(out: pathlib.Path, sounds: Sequence[tuple[Piece, Wave]], faults: str) -> Iterator[Pole]:
    """Put up a pole that will play *sounds* one after another, and take it down afterwards.

    Args:
        out: An empty folder.
        sounds: What is played; a piece by FM is on the air at the same instant.
        faults: Fault script in which ``{0}``, ``{1}`` ... stand for the starts of the pieces in
            unix ms; the placeholders may be computed with ``{0:+1000}``.
    """
    (out / "loudspeakers").mkdir()
    with crew(out / "village" / "logs", "en") as people:
        village = Village(out=out, crew=people, say=lambda _text: None)
        story.found_province(village)
        story.open_server(village)
        _provision(village)
        pieces = _publish(village, sounds)
        _raise_pole(village, sounds, faults)
        yield Pole(village, pieces)


class Instant(int):
    """Unix ms that a format string may move: ``{0:+1500}``."""

    def __format__(self, spec: str) -> str:
        return str(int(self) + int(spec or 0))


def _provision(village: Village) -> None:
    board, bench = village.work / "boards" / CLUSTER, village.work / "bench" / CLUSTER
    settings = village.work / f"{CLUSTER}.toml"
    text = script.settings_toml(
        CLUSTER, board, village.recording(CLUSTER), heartbeat_s=_HEARTBEAT_S
    )
    # many losses on purpose: neither longer waits nor a stop after the fourth switch
    text = text.replace(
        "[fallback]\n", "[fallback]\nok_ip_ms = 6000\nok_max_ms = 6000\nflap_switches = 100\n"
    )
    settings.write_text(text, encoding="utf-8")
    province = ("--home", village.province)
    village.crew.run("loa", "settings", "sign", *province, settings, *village.passphrase)
    village.crew.start("cable", "loa-sim", "cable", "--dir", bench)
    wait_for("cable", (bench / "technician").exists, 10)
    village.agents[CLUSTER] = village.crew.start(
        CLUSTER, "loa-endpoint", "run", "--home", village.work / CLUSTER,
        "--bench-port", bench / "bench",
    )  # fmt: skip
    village.crew.run(
        "loa", "provision", *province, "--port", bench / "technician", "--cluster",
        f"st0137/{CLUSTER}", "--yes", *village.passphrase,
    )  # fmt: skip


def _publish(village: Village, sounds: Sequence[tuple[Piece, Wave]]) -> tuple[Piece, ...]:
    folder = village.work / "week"
    folder.mkdir()
    for piece, sound in sounds:
        write(folder / f"{piece.file}.opus", sound)
    pieces = tuple(piece for piece, _sound in sounds)
    plan = Plan(start_ms=int(time.time() + LEAD_S) * 1000, pieces=pieces)
    village.plan = plan
    (folder / "policy.toml").write_text(
        'preset = "rural"\nsessions_per_day = 24\nminutes_per_session = 60\nstart_wait_s = 3\n'
        '[[hours]]\ndays = "mon-sun"\nfrom = "00:00"\nto = "24:00"\n',
        encoding="utf-8",
    )
    (folder / "week.toml").write_text(script.schedule_toml(plan), encoding="utf-8")
    run, draft = village.crew.run, folder / "week.draft"
    province = ("--home", village.province)
    run("loa", "policy", "sign", *province, folder / "policy.toml", *village.passphrase)
    for role in ("editor", "approver"):
        run("loa", "key", "export-public", *province, "-o", village.work / role)
    editor = ("--home", village.work / "editor")
    run("loa", "playlist", "draft", *editor, folder / "week.toml", "-o", draft)
    for role in ("editor", "approver"):
        run(
            "loa", "playlist", "sign", "--home", village.work / role, draft, "--as", role,
            "--yes", *village.passphrase,
        )  # fmt: skip
    run("loa", "playlist", "publish", *province, draft, "--yes")
    return pieces


def _raise_pole(village: Village, sounds: Sequence[tuple[Piece, Wave]], faults: str) -> None:
    plan = village.plan
    assert plan is not None  # it was published just now
    air = village.work / "air"
    air.mkdir()
    for piece, sound in sounds:
        if piece.by_fm:
            write(air / f"{piece.file}.wav", sound)
    (air / "air.toml").write_text(script.air_toml(plan, air), encoding="utf-8")
    scripted = village.work / "faults.toml"
    scripted.write_text(faults.format(*map(Instant, plan.starts)), encoding="utf-8")
    village.crew.start(
        "board", "loa-sim", "board", "--dir", village.work / "boards" / CLUSTER,
        "--air", air / "air.toml", "--hears", village.recording(CLUSTER), "--faults", scripted,
    )  # fmt: skip
