"""``loa doctor --security``: every measure in turn, over one province's home."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from loa_manager import database
from loa_manager.doctor import board, doors, keys, machine, signed, telemetry
from loa_manager.doctor.doors import Knocked
from loa_manager.doctor.finding import Finding, Result
from loa_manager.doctor.processes import Process, holders_of
from loa_manager.doctor.walk import Step
from loa_manager.home import Home, read_bytes, read_text
from loa_manager.settings_file import present_settings
from loa_protocol.errors import LoaError
from loa_protocol.language import translator

_ = translator("loa_manager")

PROVISIONS: Final = (
    *("5.1-1", "5.1-5", "5.2-1", "5.3-2", "5.3-7", "5.3-9", "5.3-10", "5.3-13"),
    *("5.4-1", "5.4-3", "5.4-4", "5.5-1", "5.5-3", "5.5-5", "5.5-7", "5.6-1", "5.6-2"),
    *("5.6-5", "5.6-7", "5.7-1", "5.7-2", "5.9-1", "5.9-2", "5.9-3", "5.10-1", "5.11-1", "5.13-1"),
)
"""Those that a running system can be measured against, in their order."""
BROKER_CONFIGURATION: Final = Path("broker", "nats.conf")


@dataclass(frozen=True, slots=True)
class Server:
    """What runs: processes (none where it runs elsewhere), doors, and what the routes said."""

    processes: tuple[Process, ...]
    doors: tuple[Knocked, ...]
    steps: tuple[Step, ...]


Measure = Callable[[], Iterable[Finding]]


def measures(home: Home, now: datetime, board_home: Path | None) -> list[tuple[str, Measure]]:
    """Return the name of each group of measures and what takes it; they take a few seconds."""
    found: list[tuple[str, Measure]] = [
        ("server", lambda: measure_server(home)),
        ("keys", lambda: _measure_keys(home)),
        ("objects", lambda: _measure_objects(home, now)),
        ("records", lambda: _measure_records(home)),
        ("machine", _measure_machine),
        ("rest", unmeasured),
    ]
    if board_home is None:
        found.append(("board", lambda: [board.absent()]))
    else:
        found.append(("board", lambda: board.judge(board.look_at(board_home))))
    return found


def examine(steps: Iterable[tuple[str, Measure]]) -> Iterator[list[Finding]]:
    """Take each group of measures; one that cannot be taken is a finding of its own, and fails."""
    for name, measure in steps:
        try:
            yield list(measure())
        except (LoaError, OSError) as error:
            text = _("could not be measured: {why}").format(why=error)
            yield [Finding(id=f"unreadable_{name}", provisions=(), result=Result.FAIL, text=text)]


def in_order(findings: Iterable[Finding]) -> list[Finding]:
    """Return *findings* in the order of the provisions; those that none names come last."""

    def place(each: Finding) -> int:
        return PROVISIONS.index(each.provisions[0]) if each.provisions else len(PROVISIONS)

    return sorted(findings, key=place)


def survey(home: Home) -> Server:
    """Find the running server, or where its settings say it is, and knock.

    Raises:
        StoreError, FormatError: settings or device CA cannot be read.
    """
    ca_pem = read_text(home.device_ca_path)
    processes = holders_of(home.path / "serve.lock")
    known = doors.doors_of(processes) or doors.doors_in_settings(present_settings(home))
    tcp = [(door, role) for door, role in known if door.protocol == "tcp"]
    knocked = tuple(doors.knock(door, role, ca_pem) for door, role in tcp)
    return Server(tuple(processes), knocked, tuple(doors.walk_web(knocked, ca_pem)))


def measure_server(home: Home) -> Iterator[Finding]:
    """Yield what is measured on the running server."""
    server = survey(home)
    yield from doors.judge(server.doors, server.steps)
    yield doors.judge_exposure(server.doors, is_here=bool(server.processes))
    yield keys.judge_passphrase(server.processes)
    yield machine.judge_user(server.processes)
    yield keys.judge_passwords(_columns(home), _broker(home), _offers(server.steps))


def unmeasured() -> Iterator[Finding]:
    """Yield the provisions that are not built, or that a running server cannot show."""
    text = _("not built: a board's programs are replaced by hand")
    yield Finding(
        id="updates",
        provisions=("5.3-2", "5.3-7", "5.3-9", "5.3-10"),
        result=Result.FAIL,
        text=text,
    )
    yield Finding(
        id="secure_boot",
        provisions=("5.7-1",),
        result=Result.NOT_APPLICABLE,
        text=_("not measured: whether the board's chain of boot is verified depends on the board"),
    )
    yield Finding(
        id="own_programs_checked",
        provisions=("5.7-2",),
        result=Result.FAIL,
        text=_("not built: the agent does not compare its own files with a signed list"),
    )
    text = _("not on a server: loa-endpoint recover wipes a board's keys and media, shown by test")
    yield Finding(
        id="erasure",
        provisions=("5.11-1",),
        result=Result.NOT_APPLICABLE,
        text=text,
    )
    text = _("no table or topic takes sound from a board: what its microphone hears stays there")
    yield Finding(id="no_sound_of_people", provisions=(), result=Result.NOT_APPLICABLE, text=text)


def _measure_keys(home: Home) -> Iterator[Finding]:
    yield keys.judge_key_files(keys.key_files(home.path), home.path)
    yield keys.judge_hard_coded()


def _measure_objects(home: Home, now: datetime) -> Iterator[Finding]:
    yield signed.judge_configuration(signed.judge_tree(home, now), home.content.path)
    yield from signed.judge_forgeries(home, now)
    yield from signed.judge_schedule(home)


def _measure_records(home: Home) -> Iterator[Finding]:
    engine = database.open(home.database_url)
    try:
        with database.reading(engine) as connection:
            yield keys.judge_device_keys(keys.device_keys(connection))
            yield telemetry.judge_telemetry(telemetry.load(connection))
    finally:
        engine.dispose()


def _measure_machine() -> Iterator[Finding]:
    yield machine.judge_units()
    yield from machine.judge_disclosure()
    yield machine.judge_vectors()


def _columns(home: Home) -> list[str]:
    engine = database.open(home.database_url)
    try:
        with database.reading(engine) as connection:
            return keys.secret_columns(connection)
    finally:
        engine.dispose()


def _broker(home: Home) -> str | None:
    path = home.path / BROKER_CONFIGURATION
    return read_bytes(path).decode(errors="replace") if path.is_file() else None


def _offers(steps: Sequence[Step]) -> list[str] | None:
    if not any(each.status for each in steps):
        return None
    return sorted({each.challenge for each in steps if each.challenge})
