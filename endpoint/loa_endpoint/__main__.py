"""The command ``loa-endpoint``: the wiring of the board's program."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from loa_endpoint import __version__
from loa_endpoint.app.agent import Agent
from loa_endpoint.app.logs import begin_logging
from loa_endpoint.app.options import Options
from loa_endpoint.commands import Group, run
from loa_endpoint.content.stick import PLACES
from loa_endpoint.host.notify import ServiceManager
from loa_endpoint.host.status_socket import ask
from loa_endpoint.memory import settle, share_one_heap
from loa_endpoint.store.identity import IdentityStore
from loa_endpoint.store.state import State
from loa_protocol.command_line import is_agreed
from loa_protocol.errors import PeerError
from loa_protocol.exit_codes import INTERRUPTED, RESTART
from loa_protocol.language import translator
from loa_protocol.record import ClockTrust
from loa_protocol.trust import Now

if TYPE_CHECKING:
    from loa_endpoint.bench.server import BenchServer
    from loa_endpoint.core.wake_time import Wake

# What only other commands need, and a technician, is imported there: an agent would hold it for
# good.

_ = translator("loa_endpoint")

DEFAULT_HOME = "/var/lib/loa-endpoint"
REOPEN_S = 1.0  # how soon a line that hung up is looked for again


@click.group(cls=Group, example="loa-endpoint --lang en status")
def loa_endpoint() -> None:
    """Run the agent of a loudspeaker cluster."""


def home_option() -> click.Option:
    """Return the option that names the board's home folder."""
    return click.Option(
        ["--home"],
        type=click.Path(path_type=Path, file_okay=False),
        envvar="LOA_ENDPOINT_HOME",
        default=DEFAULT_HOME,
        show_default=True,
        help="Folder of keys, trust and records.",
    )


@loa_endpoint.command(example="loa-endpoint bench --port /dev/ttyGS0", params=[home_option()])
@click.option("--port", type=click.Path(path_type=Path), help="Serial line to the technician.")
@click.option("--once", is_flag=True, help="End when the board is provisioned.")
@click.option("--json", "as_json", is_flag=True, help="Print facts as JSON.")
def bench(home: Path, port: Path | None, once: bool, as_json: bool) -> None:
    """Measure what this machine can do; with --port, let a technician provision it.

    The measurement takes half a minute, needs no network and no sound card, and leaves the
    processor to a running agent. It keeps nothing.
    """
    if port is None:
        if once:
            raise click.UsageError(_("--once goes with --port, the serial line to the technician."))
        _measure(home, as_json)
        return
    if as_json:
        raise click.UsageError(_("--json goes with the measurement, which is without --port."))
    with _identity(home) as store, _stopping() as stop:
        server = _bench_server(store)
        _tell(server)
        _serve_bench(
            server, store, port, until=lambda: stop.is_set() or (once and server.is_finished)
        )


def _measure(home: Path, as_json: bool) -> None:
    from loa_endpoint.app import board_speed  # noqa: PLC0415 - not the agent's
    from loa_endpoint.app.board_speed_text import speed_lines  # noqa: PLC0415 - not the agent's

    if not as_json:
        click.echo(_("Measuring this machine, about half a minute ..."), err=True)
    facts = board_speed.measure(home)
    if as_json:
        click.echo(json.dumps(facts, ensure_ascii=False))
        return
    for line in speed_lines(facts):
        click.echo(line)


@loa_endpoint.group("measure", example="loa-endpoint measure wake")
def measure_group() -> None:
    """Measure what belongs into the settings; the agent must be stopped."""


@measure_group.command(
    "wake", example="loa-endpoint measure wake --home /var/lib/loa-endpoint", params=[home_option()]
)
@click.option(
    "--times", type=click.IntRange(1, 20), default=5, show_default=True, help="How often."
)
@click.option(
    "--standby",
    "standby_s",
    type=click.FloatRange(2, 60),
    default=5.0,
    show_default=True,
    help="How long it sleeps before each, in seconds: some wake faster after a short sleep.",
)
@click.option("--sink", help="Where sound goes instead of the settings' sound_out.")
@click.option("--json", "as_json", is_flag=True, help="Print facts as JSON.")
def measure_wake(home: Path, times: int, standby_s: float, sink: str | None, as_json: bool) -> None:
    """Measure how long the amplifier takes from standby to full level.

    Several times it puts the amplifier into standby, lets a quiet tone sound, wakes it, and looks
    for the full level: by the line board, or by the microphone where there is no board. What
    belongs into the settings is printed, and kept as a record.
    """
    from loa_endpoint.app import wake_measurement  # noqa: PLC0415 - not the agent's
    from loa_endpoint.app import wake_measurement_text as text  # noqa: PLC0415 - not the agent's

    with _identity(home) as store:
        hardware = wake_measurement.ready(home, store, sink)
        if not as_json:
            click.echo(text.begin_line(times, standby_s), err=True)

        def tell(number: int, wake: Wake) -> None:
            if not as_json:
                click.echo(text.step_line(number, times, wake), err=True)

        measuring = wake_measurement.measure(hardware, times=times, standby_s=standby_s, tell=tell)
        facts = wake_measurement.facts(hardware, *asyncio.run(measuring))
        click.echo(json.dumps(facts) if as_json else "\n".join(text.wake_lines(facts)))
        wake_measurement.keep(store, _software()[:64], facts)


@loa_endpoint.command(
    "run", example="loa-endpoint run --home /var/lib/loa-endpoint", params=[home_option()]
)
@click.option(
    "--bench-port",
    type=click.Path(path_type=Path),
    help="Serial line on which an unprovisioned board waits for a technician.",
)
@click.option(
    "--sink",
    help="Where sound goes instead of the settings' sound_out: wav:FILE, null:, pyaudio:NAME.",
)
@click.option("--line-in", help="Where the tuner's sound comes from: fifo:FILE, pyaudio:NAME.")
@click.option("--ear", help="Where a microphone at the pole is heard: fifo:FILE, pyaudio:NAME.")
@click.option(
    "--rtc",
    envvar="LOA_ENDPOINT_RTC",
    help="Clock with a battery, to be set by the server's time: /dev/rtc0, file:FILE.",
)
@click.option(
    "--stick",
    "sticks",
    multiple=True,
    envvar="LOA_ENDPOINT_STICK",
    help="Where memory sticks of `loa carry` are mounted (default: below /media, /run/media).",
)
def run_command(
    home: Path,
    bench_port: Path | None,
    sink: str | None,
    line_in: str | None,
    ear: str | None,
    rtc: str | None,
    sticks: tuple[str, ...],
) -> None:
    """Run the agent: fetch, accept, play, record.

    An unprovisioned board is silent and waits.
    """
    begin_logging()
    share_one_heap()
    with _identity(home) as store, _stopping() as stop:
        if not store.is_complete:
            _wait_for_technician(store, bench_port, stop)
        if stop.is_set():
            return
        options = Options(
            home=home, sink=sink, line_in=line_in, ear=ear, rtc=rtc, sticks=sticks or PLACES
        )
        agent = Agent(options, store, _software()[:64])
        settle()
        while asyncio.run(agent.run()):  # other settings: begin again, with what they say
            agent = Agent(options, store, _software()[:64])
    if agent.is_interrupted:
        raise click.exceptions.Exit(INTERRUPTED)
    if agent.is_restart_ordered:
        raise click.exceptions.Exit(RESTART)


@loa_endpoint.command(example="loa-endpoint status --json", params=[home_option()])
@click.option("--json", "as_json", is_flag=True, help="Print facts as JSON.")
def status(home: Path, as_json: bool) -> None:
    """Ask the agent of this board how it is."""
    from loa_endpoint.app.status_text import status_lines  # noqa: PLC0415 - not the agent's

    facts = ask(home)
    if as_json:
        click.echo(json.dumps(facts, ensure_ascii=False))
        return
    for line in status_lines(facts):
        click.echo(line)


@loa_endpoint.command(example="loa-endpoint recover --yes", params=[home_option()])
@click.option("--yes", is_flag=True, help="Do not ask.")
def recover(home: Path, yes: bool) -> None:
    """Forget province, keys and media; the stand-in for the board's recovery button.

    The records that were not yet delivered stay. The board is silent until it is provisioned anew.
    """
    if not yes and not is_agreed(_("Wipe keys, trust and media of {home}?").format(home=home)):
        raise click.Abort
    with _identity(home) as store:
        store.recover()
    click.echo(_("Wiped. The board is silent until it is provisioned again."))


def _bench_server(store: IdentityStore) -> BenchServer:
    from loa_endpoint.bench.server import BenchServer  # noqa: PLC0415 - not the agent's

    return BenchServer(store, _software())


def _serve_bench(
    server: BenchServer, store: IdentityStore, port: Path, *, until: Callable[[], bool]
) -> None:
    """Answer on the bench line, opened again whenever the cable comes back, until *until*."""
    from loa_endpoint.bench.line import open_line, serve_line  # noqa: PLC0415 - not the agent's

    while not until():
        try:
            line = open_line(port)
        except PeerError:
            time.sleep(REOPEN_S)  # the cable is out
            continue
        try:
            serve_line(
                line,
                server,
                now=lambda: Now((store.state.floor_ms() or 0) // 1000, ClockTrust.T1),
                monotonic_ms=lambda: time.monotonic_ns() // 1_000_000,
                until=until,
            )
        finally:
            os.close(line)
        if server.is_finished:
            _tell(server)


def _wait_for_technician(store: IdentityStore, port: Path | None, stop: threading.Event) -> None:
    """Stay silent until the board is provisioned; to wait is to be well, so the watchdog is fed."""
    server = _bench_server(store)
    _tell(server)
    manager = ServiceManager.from_environment()
    manager.say("READY=1\nSTATUS=not provisioned: silent")

    def is_over() -> bool:
        manager.say("WATCHDOG=1")
        return stop.is_set() or server.is_finished

    if port is None:
        click.echo(_("Give --bench-port, or run loa-endpoint bench, and provision this board."))
        while not stop.wait(REOPEN_S):
            manager.say("WATCHDOG=1")
        return
    _serve_bench(server, store, port, until=is_over)


@contextlib.contextmanager
def _identity(home: Path) -> Iterator[IdentityStore]:
    state = State.open(home / "state.db", create=True)
    try:
        yield IdentityStore(home, state)
    finally:
        state.close()


@contextlib.contextmanager
def _stopping() -> Iterator[threading.Event]:
    """Give an event that SIGTERM and SIGINT set; after SIGINT the exit code tells of it."""
    stop = threading.Event()
    asked: list[int] = []

    def end(number: int, _frame: object) -> None:
        asked.append(number)
        stop.set()

    before = {number: signal.signal(number, end) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    if signal.SIGINT in asked[:1]:
        raise click.exceptions.Exit(INTERRUPTED)


def _tell(server: BenchServer) -> None:
    """Say on the console how far the board is, and by which root, so that people can compare."""
    from loa_protocol.bench import Stage, short_fingerprint  # noqa: PLC0415 - not the agent's

    status = server.status()
    texts = {
        Stage.BLANK: _("Not provisioned: silent. Waiting for a technician on the bench line."),
        Stage.PARTIAL: _("Provisioning is not complete: silent. Run loa provision again."),
        Stage.READY: _("Provisioned as {scope}.").format(scope=status.scope),
    }
    click.echo(texts[status.stage])
    if status.root is not None:
        text = _("Root fingerprint: {root}")
        click.echo(text.format(root=short_fingerprint(status.root)))


def _software() -> str:
    return f"loa-endpoint {__version__}"


def main() -> None:
    """Run the command line of this process."""
    sys.exit(run(loa_endpoint))


if __name__ == "__main__":
    main()
