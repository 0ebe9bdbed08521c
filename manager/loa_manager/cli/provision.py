"""``loa provision``: give the board on the serial line its place."""

from __future__ import annotations

import getpass
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import click

from loa_manager import database
from loa_manager.authority import Authority, open_device_ca
from loa_manager.bench import Bench, Order, Progress, Provisioned, Step
from loa_manager.bench_desk import Cluster, ProvinceDesk, find_cluster
from loa_manager.cli.options import PassphraseSource, home_option, json_option, passphrase_option
from loa_manager.cli.output import say, show_facts
from loa_manager.cli.texts import LoaCommand
from loa_manager.home import Home, read_bytes
from loa_manager.registry.clusters import WATTS_MAX, WATTS_MIN
from loa_manager.serial_line import open_line
from loa_protocol import bench
from loa_protocol.command_line import is_agreed
from loa_protocol.language import translator

_ = translator("loa_manager")

_FILE = click.Path(path_type=Path, dir_okay=False)
_STEPS: Final = tuple(Step)


@click.command(
    cls=LoaCommand,
    example="loa provision --home ls --port /dev/ttyUSB0 --cluster st0137/c01",
)
@home_option
@click.option("--port", required=True, type=click.Path(path_type=Path), help="Serial port.")
@click.option("--cluster", "wanted", required=True, help="Where the board is to hang.")
@click.option("--again", is_flag=True, help="Renew or move a board of this province.")
@click.option("--transfer", type=_FILE, help="Consent of the board's present root to change hands.")
@click.option("--reason", default="", help="Why loudspeakers of unusual power are in order here.")
@click.option("--yes", is_flag=True, help="Ask nothing.")
@passphrase_option
@json_option
def provision(
    home: Path,
    port: Path,
    wanted: str,
    again: bool,
    transfer: Path | None,
    reason: str,
    yes: bool,
    passphrase: PassphraseSource,
) -> None:
    """Provision the board on a serial line; after a pulled cable, the same command goes on.

    The board makes its own key, which never leaves it, and judges everything it is given.
    """
    place = Home.open(home)
    with _open_desk(place, passphrase, port) as desk:
        with database.reading(desk.engine) as connection:
            cluster = find_cluster(connection, wanted, desk.signing.scope)
        _warn_of_power(desk, cluster, reason)
        order = Order(
            place=cluster.place,
            again=again,
            transfer=None if transfer is None else read_bytes(transfer),
        )
        with open_line(port) as line:
            work = Bench(
                line.ask, desk, on_step=_tell, agree=lambda status: yes or _agree(status, cluster)
            )
            _show(work.provision(order))


@contextmanager
def _open_desk(home: Home, passphrase: PassphraseSource, port: Path) -> Iterator[ProvinceDesk]:
    secret = passphrase.read()
    engine = database.open(home.database_url)
    try:
        yield ProvinceDesk(
            home=home,
            signing=Authority.open(home, secret),
            ca=open_device_ca(home, secret),
            engine=engine,
            who=_who(),
            port=str(port),
            clock=lambda: datetime.now(UTC),
        )
    finally:
        engine.dispose()


def _who() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a user without a name, as in containers
        return f"uid {os.getuid()}"


def _warn_of_power(desk: ProvinceDesk, cluster: Cluster, reason: str) -> None:
    if not cluster.is_unusual:
        return
    text = _("Warning: {watts} W of loudspeakers at {cluster}; usual are {low} to {high} W.")
    name = cluster.place.cluster
    say(text.format(watts=cluster.watts, cluster=name, low=WATTS_MIN, high=WATTS_MAX))
    detail = {"cluster": name, "watts": cluster.watts, "reason": reason or "not given"}
    desk.audit("power_unusual", detail)


def _agree(status: bench.Status, cluster: Cluster) -> bool:
    """Ask before another board is taken off its pole, or this one off its own."""
    own = None if status.key is None else bench.endpoint_id(status.key)
    if cluster.present is not None and cluster.present != own:
        text = _("Board {board} hangs at {cluster} now. Replace it?")
        place = cluster.place.cluster
        return is_agreed(text.format(board=cluster.present, cluster=place))
    if status.scope not in (None, cluster.place.cluster):
        text = _("This board hangs at {scope} now. Move it to {cluster}?")
        place = cluster.place.cluster
        return is_agreed(text.format(scope=status.scope, cluster=place))
    return True


def _tell(progress: Progress) -> None:
    texts = {
        Step.HELLO: _("Board found"),
        Step.KEY: _("Key made on the board"),
        Step.ROOT: _("Trust root; compare with the board's screen"),
        Step.ASSIGNMENT: _("Assignment"),
        Step.SETTINGS: _("Settings"),
        Step.CERTIFICATE: _("Bench certificate"),
        Step.PROOF: _("The board has proved its key"),
        Step.RECORD: _("Entered into the registry"),
        Step.FINISH: _("All steps"),
    }
    mark = _("was there") if progress.was_there else _("done")
    number = f"{_STEPS.index(progress.step) + 1}/{len(_STEPS)}"
    say(f"[{number}] {texts[progress.step]}: {mark}  {progress.detail}".rstrip())


def _show(board: Provisioned) -> None:
    show_facts(
        {
            "endpoint": board.endpoint,
            "cluster": board.cluster,
            "root": bench.short_fingerprint(board.root),
            "software": board.software,
        },
        {
            "endpoint": _("Board"),
            "cluster": _("Cluster"),
            "root": _("Root fingerprint"),
            "software": _("Software"),
        },
        title=_("Provisioned"),
    )
