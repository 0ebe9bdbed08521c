"""The command ``loa-endpoint``: the wiring of the board's program."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import click

from loa_endpoint.bench.line import open_line, serve_line
from loa_endpoint.bench.server import BenchServer
from loa_endpoint.commands import Group, run
from loa_endpoint.store.identity import IdentityStore
from loa_endpoint.store.state import State
from loa_protocol.bench import Stage, short_fingerprint
from loa_protocol.errors import PeerError
from loa_protocol.language import translator
from loa_protocol.record import ClockTrust
from loa_protocol.trust import Now

_ = translator("loa_endpoint")

DEFAULT_HOME = "/var/lib/loa-endpoint"
REOPEN_S = 1.0  # how soon a line that hung up is looked for again


@click.group(cls=Group)
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
@click.option(
    "--port", required=True, type=click.Path(path_type=Path), help="Serial line to the technician."
)
@click.option("--once", is_flag=True, help="End when the board is provisioned.")
def bench(home: Path, port: Path, once: bool) -> None:
    """Serve the bench line, so that a technician can provision this board."""
    with _identity(home) as store, _stopping() as stop:
        server = BenchServer(store, _software())
        _tell(server)
        while not stop.is_set():
            try:
                line = open_line(port)
            except PeerError:
                stop.wait(REOPEN_S)  # the cable is out
                continue
            try:
                serve_line(
                    line,
                    server,
                    now=lambda: Now((store.state.floor_ms() or 0) // 1000, ClockTrust.T1),
                    monotonic_ms=lambda: time.monotonic_ns() // 1_000_000,
                    until=lambda: stop.is_set() or (once and server.is_finished),
                )
            finally:
                os.close(line)
            if server.is_finished:
                _tell(server)
                if once:
                    return
            stop.wait(REOPEN_S)


@loa_endpoint.command(example="loa-endpoint recover --yes", params=[home_option()])
@click.option("--yes", is_flag=True, help="Do not ask.")
def recover(home: Path, yes: bool) -> None:
    """Forget province, keys and media; the stand-in for the board's recovery button.

    The records that were not yet delivered stay. The board is silent until it is provisioned anew.
    """
    if not yes:
        click.confirm(_("Wipe keys, trust and media of {home}?").format(home=home), abort=True)
    with _identity(home) as store:
        store.recover()
    click.echo(_("Wiped. The board is silent until it is provisioned again."))


@contextlib.contextmanager
def _identity(home: Path) -> Iterator[IdentityStore]:
    state = State.open(home / "state.db", create=True)
    try:
        yield IdentityStore(home, state)
    finally:
        state.close()


@contextlib.contextmanager
def _stopping() -> Iterator[threading.Event]:
    """Give an event that SIGTERM and SIGINT set."""
    stop = threading.Event()
    before = {
        number: signal.signal(number, lambda *_signal: stop.set())
        for number in (signal.SIGTERM, signal.SIGINT)
    }
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _tell(server: BenchServer) -> None:
    """Say on the console how far the board is, and by which root, so that people can compare."""
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
    try:
        return f"loa-endpoint {version('loa-endpoint')}"
    except PackageNotFoundError:
        return "loa-endpoint (source)"


def main() -> None:
    """Run the command line of this process."""
    sys.exit(run(loa_endpoint))


if __name__ == "__main__":
    main()
